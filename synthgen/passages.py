"""Sentences of a passage, and the names in it. Rules on characters, and a few English words.

text = "Peru lies in America. Its currency is the Peruvian Sol."
split_sentences(text)                           # [(0, 22), (22, 55)]
names = KnownNames.fit(contexts, questions)
find_window(text, 42, 54, names)                # (0, 55): the sentence of the answer, and what names its subject
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .slots import Found, stands_alone

END = re.compile(r"(?<=[.!?。！？])[\"'”’)\]]*\s+|\n+")
ABBREVIATED = re.compile(r"(?:\b(?:St|Mr|Mrs|Ms|Dr|Jr|Sr|No|vs|etc|e\.g|i\.e|U\.S|U\.K)|\b[A-Z])\.$")
WORD = re.compile(r"[^\W_]+(?:[.’'-](?!s\b)[^\W_]+)*\.?")
JOINING = frozenset({"of", "the", "de", "du", "des", "la", "le", "da", "do", "di", "del", "von", "van", "der", "and"})
OPENING = frozenset(  # words that begin an English sentence and no name
    "a after all also although an as at because before both but by during each even every few for from he her here his "
    "how however i if in it its just many more most much my no not now of on once one only or other our several she "
    "since so some such than that the their then there these they this those through to today under until up we what "
    "when where which while who whose why with within without you your".split()
)
LINKS = ("&",)
MOST_BACK = 2  # sentences before that of the answer that a window may reach back to
LONGEST_NAME = 8  # words


def split_sentences(text: str) -> list[tuple[int, int]]:
    """(start, end) of every sentence, its trailing blanks included; they add up to the text."""
    found, start = [], 0
    for match in END.finditer(text):
        if not ABBREVIATED.search(text[start : match.start()].rstrip("\"'”’)]")) or "\n" in match[0]:
            found.append((start, match.end()))
            start = match.end()
    return [*found, (start, len(text))] if start < len(text) or not found else found


@dataclass(frozen=True)
class KnownNames:
    """A Finder of names in passages and questions: those that questions repeated, then runs of capitalised words."""

    known: dict[str, tuple[str, ...]]  # first word -> names that begin with it, longest first
    common: frozenset[str]  # words that stand in lower case somewhere

    @staticmethod
    def fit(contexts: Iterable[str], questions: Sequence[str]) -> KnownNames:
        """Names are the longest runs of words, a capital among them, that a question shares with its context."""
        common: set[str] = set()
        found: set[str] = set()
        for context, question in zip(contexts, questions, strict=True):
            words = [match[0] for match in WORD.finditer(question)]
            common.update(word.rstrip(".") for word in words if word.islower())
            common.update(match[0].rstrip(".") for match in WORD.finditer(context) if match[0].islower())
            found.update(_shared(question, context))
        known: dict[str, list[str]] = {}
        for name in sorted({_strip(name, common) for name in found} - {""}, key=lambda name: (-len(name), name)):
            known.setdefault(WORD.findall(name)[0], []).append(name)
        return KnownNames({first: tuple(names) for first, names in known.items()}, frozenset(common))

    def find(self, text: str, side: int = 0) -> Iterator[Found]:
        """The names of a text, in order, none over another; both sides have the same form."""
        place, words = 0, [(match.start(), match.end(), match[0]) for match in WORD.finditer(text)]
        starts = {start for start, _ in split_sentences(text)}
        number = 0
        while number < len(words):
            start, end, word = words[number]
            if start >= place and (stop := self._known(text, start, word) or self._run(text, words, number, starts)):
                yield start, stop, (text[start:stop], text[start:stop])
                place = stop
            number += 1

    def _known(self, text: str, start: int, word: str) -> int:
        for name in self.known.get(word, ()):
            if text.startswith(name, start) and stands_alone(text, start, start + len(name)):
                return start + len(name)
        return 0

    def _run(self, text: str, words: list[tuple[int, int, str]], number: int, starts: set[int]) -> int:
        """The end of the run of capitalised words that begins at a word; 0 where none does."""
        start, end, word = words[number]
        if not word[0].isupper() or (start in starts or len(word) == 1) and word.lower().rstrip(".") in self.common:
            return 0
        if word.lower().rstrip(".") in JOINING | OPENING:
            return 0
        stop = end - word.endswith(".") if not ABBREVIATED.search(text[start:end]) else end
        pending = False
        for after, close, other in words[number + 1 :]:
            between = text[stop:after].strip()
            if between not in ("", *LINKS) or text[stop:after].count("\n"):
                break
            if other[0].isupper():
                stop, pending = close - (other.endswith(".") and not ABBREVIATED.search(text[after:close])), False
            elif other.lower() in JOINING - {"and"} and not pending:
                pending = True
                if text[close : close + 2].strip()[:1].isupper():
                    stop = close
                    continue
                break
            else:
                break
        return stop


def _strip(name: str, common: set[str]) -> str:
    """The name without the first words that are no part of one, such as "In"."""
    words = list(WORD.finditer(name))
    kept = next((w.start() for w in words if w[0].lower() not in common | OPENING and w[0][0].isupper()), len(name))
    return name[kept:]


def _shared(question: str, context: str) -> Iterator[str]:
    """The longest runs of words with a capital that stand in both."""
    words = [(match.start(), match.end()) for match in WORD.finditer(question)]
    number = 0
    while number < len(words):
        step = 1
        if question[words[number][0]].isupper():
            for last in range(min(len(words), number + LONGEST_NAME), number, -1):
                name = question[words[number][0] : words[last - 1][1]].rstrip(".")
                final = question[words[last - 1][0]]
                at = context.find(name) if final.isupper() else -1
                if at >= 0 and stands_alone(context, at, at + len(name)):
                    yield name
                    step = last - number
                    break
        number += step


def find_window(context: str, start: int, end: int, names: KnownNames) -> tuple[int, int]:
    """(start, end) of the sentence that holds context[start:end], and of one or two before it until one has a name."""
    sentences = split_sentences(context)
    place = next((n for n, (_, stop) in enumerate(sentences) if start < stop), len(sentences) - 1)
    first, stop = place, max(sentences[place][1], end)
    while first > 0 and place - first < MOST_BACK:
        if any(b <= start or a >= end for a, b, _ in _within(names, context, sentences[first][0], stop)):
            break
        first -= 1
    return sentences[first][0], stop


def _within(names: KnownNames, context: str, start: int, end: int) -> list[Found]:
    return [(a + start, b + start, value) for a, b, value in names.find(context[start:end])]
