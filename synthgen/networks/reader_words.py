"""Texts as the words that a reader looks at, and how far two answers are the same words. Knows texts, no networks.

words = split_words("The Yen is used in Japan.")
words.starts[1], words.ends[1]      # (4, 7)
overlap("the Japanese Yen", "Japanese Yen")     # 1.0
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import blake2b

import numpy as np

# a letter or a syllable of Chinese and Japanese is a word; nothing but space is left out
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+|[^\w\s]|_")
STOPS = frozenset(".!?…。！？।")
ENDINGS = 512  # buckets of the last three letters
LOOKS, NAMES = 8, (3, 5, 6, 7)  # looks of a word; those of numbers and names
LONGEST_SPAN = 30  # words
ARTICLES = frozenset(("a", "an", "the"))


@dataclass(frozen=True)
class Words:
    """A text as words, each array (T,)."""

    keys: np.ndarray  # int64: the same for words that differ in case alone
    looks: np.ndarray  # int64: punctuation, digits, lower, Capitalised, UPPER, ...
    endings: np.ndarray  # int64: bucket of the ending, from 1
    sentences: np.ndarray  # int64: number of the sentence
    starts: np.ndarray  # int64: first character
    ends: np.ndarray  # int64: after the last one


@cache
def _key(word: str) -> int:
    return int.from_bytes(blake2b(word.encode("utf-8", "replace"), digest_size=8).digest(), "little", signed=True)


def _look(word: str) -> int:
    if not word[0].isalnum():
        return 1 if word in STOPS else 2
    if word[0].isdigit():
        return 3
    if not word[0].isupper():
        return 4
    return 5 if not word.isupper() else 6 if len(word) > 1 else 7


@lru_cache(maxsize=20_000)
def split_words(text: str) -> Words:
    """The words of a text; a text without any is one word that stands nowhere."""
    found = [(piece.group(), piece.start(), piece.end()) for piece in WORD.finditer(text)] or [("\0", 0, 0)]
    sentences = np.zeros(len(found), np.int64)
    for number in range(1, len(found)):
        before, last = found[number - 1][0], found[number - 2][0] if number > 1 else ""
        # "St." and the letters of "U.S." end no sentence
        short = len(last) < 3 and last[:1].isupper()
        ends = before in STOPS and not (before == "." and short) and found[number][1] > found[number - 1][2]
        sentences[number] = sentences[number - 1] + ends
    folded = [word.casefold() for word, _, _ in found]
    return Words(
        np.array([_key(word) for word in folded], np.int64),
        np.array([_look(word) for word, _, _ in found], np.int64),
        np.array([_key(word[-3:]) % (ENDINGS - 1) + 1 for word in folded], np.int64),
        sentences,
        np.array([start for _, start, _ in found], np.int64),
        np.array([end for _, _, end in found], np.int64),
    )


def locate(words: Words, start: int, end: int) -> tuple[int, int]:
    """The first and the last word that characters [start, end) touch."""
    first = int(np.searchsorted(words.ends, start, side="right"))
    last = int(np.searchsorted(words.starts, end, side="left")) - 1
    first = min(first, len(words.keys) - 1)
    return first, min(max(last, first), first + LONGEST_SPAN - 1)


def overlap(found: str, answer: str) -> float:
    """F1 of the words of two answers, in [0, 1], as SQuAD measures it (Rajpurkar et al. 2016, section 6.1).

    Case, punctuation and English articles do not count; an answer without words is only like another one.
    """
    one, other = bare_words(found), bare_words(answer)
    if not one or not other:
        return float(one == other)
    same = sum((Counter(one) & Counter(other)).values())
    return 2 * same / (len(one) + len(other))


def bare_words(answer: str) -> list[str]:
    """The words that count when answers are compared."""
    bare = "".join(character for character in answer.lower() if character.isalnum() or not _is_punctuation(character))
    return [word for word in bare.split() if word not in ARTICLES]


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character)[0] == "P"
