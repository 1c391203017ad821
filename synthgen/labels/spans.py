"""Which answer to ask for: a passage, and a span in it, chosen before the question is written.

Spans are found where training answers stand, and where numbers and names do; the words around a span tell which kind of
answer it is (multinomial naive Bayes over the sentence, learnt from the training rows). Knows texts, not the net.

    spans = build_spans(data, SpanConditionOptions(), seed=0, names=names)
    spans.draw(np.arange(256))      # label, context, title, answer, start, about, question (None)
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..diffusion.noise import row_generator
from ..errors import UserError
from ..passages import WORD, KnownNames, find_window, split_sentences
from ..slots import stands_alone
from ..types import Columns, Data, as_objects, thin_rows
from .class_mix import ClassMix, weigh_classes
from .span_options import SpanConditionOptions

UNANSWERABLE = "unanswerable"
MOST_PASSAGES = 5_000  # that spans are sought in, evenly spaced
NUMBER = re.compile(r"[$€£]?\d+(?:[.,]\d+)*\s?%?")
SWAPS = 40  # passages that are tried for a question without an answer
SMOOTHING = 0.1
GAP = "\ufdd0"  # where the answer was cut out of its sentence; no text has this character

ANSWERED = ("context", "answer", "start", "label")

Span = tuple[int, int, int]  # passage, start, end


@dataclass(frozen=True)
class Kinds:
    """How likely a span is an answer of each kind: naive Bayes over the words of its sentence and its own form."""

    weights: dict[str, np.ndarray]  # word -> log probability by kind
    unseen: np.ndarray  # of a word that no training sentence has
    priors: np.ndarray

    @staticmethod
    def fit(rows: list[tuple[str, str, int]], kinds: int) -> Kinds:
        """rows: (sentence with the answer cut out, answer, kind)."""
        counts: list[Counter[str]] = [Counter() for _ in range(kinds)]
        for sentence, answer, kind in rows:
            counts[kind].update(features_of(sentence, answer))
        words = sorted(set().union(*counts))
        totals = np.array([sum(c.values()) for c in counts]) + SMOOTHING * (len(words) + 1)
        weights = {w: np.log((np.array([c[w] for c in counts]) + SMOOTHING) / totals) for w in words}
        own = np.bincount([kind for *_, kind in rows], minlength=kinds) + 1e-9
        return Kinds(weights, np.log(SMOOTHING / totals), np.log(own / own.sum()))

    def tell(self, sentence: str, answer: str) -> np.ndarray:
        """float (K,): the probability of each kind."""
        total = self.priors + sum((self.weights.get(w, self.unseen) for w in features_of(sentence, answer)), 0.0)
        weights = np.exp(total - total.max())
        found: np.ndarray = weights / weights.sum()
        return found


def features_of(sentence: str, answer: str) -> set[str]:
    """The words of the sentence in lower case, those beside the answer, and what the answer looks like."""
    before, _, after = sentence.partition(GAP)
    beside = {f"before {word.lower()}" for word in before.split()[-1:]} | {
        f"after {w.lower()}" for w in after.split()[:1]
    }
    found = [*WORD.findall(before), *WORD.findall(after)]
    words = beside | {word.lower().rstrip(".") for word in found if not word[0].isupper() or len(word) < 4}
    form = re.sub(r"[a-z]+", "a", re.sub(r"[A-Z]+", "A", re.sub(r"\d+", "0", answer)))[:8]
    return {*words, f"form {form}", f"words {min(4, len(answer.split()))}", *(f"in {w}" for w in answer.split()[-1:])}


@dataclass(frozen=True)
class Spans:
    """A LabelGenerator."""

    mix: ClassMix
    seed: int
    passages: list[tuple[str, str]]  # title, text
    names: KnownNames
    found: list[list[Span]]  # by class; of the unanswerable class none
    none: int  # the class of questions without an answer, or -1

    def with_seed(self, seed: int) -> Spans:
        return replace(self, mix=self.mix.with_seed(seed), seed=seed)

    def draw(self, indices: np.ndarray) -> Columns:
        """label int64, start int64 (N,); objects: title, context, answer, about, and question, which is None."""
        labels = self.mix.draw(indices)["label"]
        rows = [self._row(int(index), int(label)) for index, label in zip(indices, labels, strict=True)]
        return {
            "label": labels, "start": np.array([row[3] for row in rows], np.int64),
            "title": as_objects([row[0] for row in rows]), "context": as_objects([row[1] for row in rows]),
            "answer": as_objects([row[2] for row in rows]), "about": as_objects([row[4] for row in rows]),
            "question": np.full(len(indices), None, object),
            "id": as_objects([f"{self.seed}-{int(index)}" for index in indices]),
        }  # fmt: skip

    def _row(self, index: int, label: int) -> tuple[str, str, str, int, tuple[str, int, str]]:
        draw = row_generator(self.seed, index, "span")
        if label != self.none:
            place, start, end = self.found[label][draw.integers(len(self.found[label]))]
            title, text = self.passages[place]
            return title, text, text[start:end], start, self._about(text, start, end)
        kinds = [k for k, spans in enumerate(self.found) if spans]
        for _ in range(SWAPS):
            kind = kinds[draw.integers(len(kinds))]
            place, start, end = self.found[kind][draw.integers(len(self.found[kind]))]
            text = self.passages[place][1]
            about = self._about(text, start, end)
            other = self.found[kind][draw.integers(len(self.found[kind]))][0]
            title, context = self.passages[other]
            if not self._answers(context, about):
                return title, context, "", -1, about
        raise UserError("conditions.unanswerable: the passages are too alike to leave a question open; set it to 0")

    def _about(self, text: str, start: int, end: int) -> tuple[str, int, str]:
        first, last = find_window(text, start, end, self.names)
        return text[first:last], start - first, text[start:end]

    def _answers(self, context: str, about: tuple[str, int, str]) -> bool:
        """Whether a passage may answer what is asked of a window: it holds the answer, or a name of the window."""
        window, start, answer = about
        if answer in context:
            return True
        rest = window[:start] + " " + window[start + len(answer) :]
        return any(rest[a:b] in context for a, b, _ in self.names.find(rest))


def build_spans(data: Data, options: SpanConditionOptions, seed: int, names: KnownNames) -> Spans:
    """Spans of data.details["passages"], else of the training rows' passages. UserError for names that are no class."""
    passages = _passages(data)
    none = data.classes.index(UNANSWERABLE) if UNANSWERABLE in data.classes else -1
    train = thin_rows(data.train, 4 * MOST_PASSAGES)
    rows = [
        (context, answer, int(start), int(label))
        for context, answer, start, label in zip(*(train[n] for n in ANSWERED), strict=True)
        if start >= 0
    ]
    asked = {(context, start) for context, _, start, _ in rows}
    answers = _by_first_word(answer for _, answer, _, _ in rows)
    taught = [(_sentence(context, start, len(answer)), answer, label) for context, answer, start, label in rows]
    taught += _others(rows, answers, names, len(data.classes))
    kinds = Kinds.fit(taught, len(data.classes) + 1)
    found: list[list[Span]] = [[] for _ in data.classes]
    for place, (_, text) in enumerate(passages):
        for start, end in find_spans(text, answers, names):
            if not options.position[0] <= start / max(1, len(text)) <= options.position[1] or (text, start) in asked:
                continue
            chances = kinds.tell(_sentence(text, start, end - start), text[start:end])
            kind = int(chances.argmax())
            if kind < len(data.classes) and chances[kind] >= options.sure:
                found[kind].append((place, start, end))
    return Spans(ClassMix(_weights(data, options, found, none), seed), seed, passages, names, found, none)


def _passages(data: Data) -> list[tuple[str, str]]:
    given = data.details.get("passages")
    pairs = list(given) if given is not None else list(zip(data.train["title"], data.train["context"], strict=True))
    distinct = list(dict.fromkeys((str(title), str(text)) for title, text in pairs))
    return distinct[:: 1 + len(distinct) // MOST_PASSAGES]


def _others(
    rows: list[tuple[str, str, int, int]], answers: dict[str, list[str]], names: KnownNames, label: int
) -> list[tuple[str, str, int]]:
    """The other spans in the sentences of real answers: what they say there is no answer to such a question."""
    found = []
    for context, answer, start, _ in rows:
        first, last = next((s for s in split_sentences(context) if start < s[1]), (0, len(context)))
        sentence, own = context[first:last], (start - first, start - first + len(answer))
        for a, b in find_spans(sentence, answers, names):
            if b <= own[0] or a >= own[1]:
                found.append((f"{sentence[:a]}{GAP}{sentence[b:]}", sentence[a:b], label))
    return found


def _sentence(text: str, start: int, length: int) -> str:
    first, last = next((s for s in split_sentences(text) if start < s[1]), (0, len(text)))
    return f"{text[first:start]}{GAP}{text[start + length : max(last, start + length)]}"


def _by_first_word(answers: Iterator[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for answer in sorted(set(answers), key=lambda a: (-len(a), a)):
        first = WORD.search(answer)
        if first and first.start() == 0:
            found.setdefault(first[0], []).append(answer)
    return found


def find_spans(text: str, answers: dict[str, list[str]], names: KnownNames) -> list[tuple[int, int]]:
    """Where known answers, numbers and names stand, none over another, known answers first."""
    found: list[tuple[int, int]] = []

    def add(start: int, end: int) -> None:
        if end > start and all(end <= a or start >= b for a, b in found):
            found.append((start, end))

    for word in WORD.finditer(text):
        for answer in answers.get(word[0], ()):
            end = word.start() + len(answer)
            if text.startswith(answer, word.start()) and stands_alone(text, word.start(), end):
                add(word.start(), end)
                break
    for match in NUMBER.finditer(text):
        add(match.start(), match.end() - (len(match[0]) - len(match[0].rstrip())))
    for start, end, _ in names.find(text):
        add(start, end)
    return sorted(found)


def _weights(data: Data, options: SpanConditionOptions, found: list[list[Span]], none: int) -> np.ndarray:
    counts = np.bincount(data.train["label"], minlength=len(data.classes)).astype(np.float64)
    there = np.array([bool(spans) for spans in found])
    drawable = np.where(there | (np.arange(len(there)) == none), np.maximum(counts, 1), 0)
    weights = weigh_classes(options.balance, data.classes, drawable, "no passage has an answer of the kind")
    if none < 0:
        if options.unanswerable:
            raise UserError("conditions.unanswerable: no training question is without an answer; set it to 0")
    elif not isinstance(options.balance, dict) or options.unanswerable is not None:
        weights[none] = 0
        share = counts[none] / counts.sum() if options.unanswerable is None else options.unanswerable
        weights[none] = weights.sum() * share / (1 - share)
    if not math.isfinite(weights.sum()) or weights.sum() <= 0 or not there.any():
        raise UserError("source: no passage has a span that could be an answer; give longer passages")
    return weights / weights.sum()
