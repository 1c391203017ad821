"""Which of two languages a text is written in, told by its letters. Fitted on pairs; knows no language by name.

Two multinomial naive Bayes models over runs of 1 to 4 characters inside words (Cavnar and Trenkle 1994, "N-Gram-Based
Text Categorization"), one a side, as one table of log odds. Digits are left out; what has no letters has no evidence.

    odds = fit_odds(["good day"], ["guten Tag"])
    weigh_texts(odds, ["good night", "12:30"])          # evidence (2,), n-grams (2,): the second has none
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

ORDERS = (1, 2, 3, 4)
BITS = 16  # n-grams share 65,536 counters
SMOOTHING = 0.5
CHUNK = 2**20  # characters at a time
SPACE, DIGIT = 32, 0
MIX, SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(29)  # a multiplicative hash (Knuth, TAOCP 3, 6.4)


@dataclass(frozen=True)
class Grams:
    """Every n-gram of some texts."""

    row: np.ndarray  # int64 (G,): the text it stands in
    bucket: np.ndarray  # int64 (G,)
    has_letters: np.ndarray  # bool (N,), of the texts


def fit_odds(own: Sequence[str], other: Sequence[str]) -> np.ndarray:
    """float64 (2^16,): log odds of each n-gram's counter, above 0 where texts of `own` have it more often."""
    counts = [_count(texts) + SMOOTHING for texts in (own, other)]
    return np.asarray(np.log(counts[0] / counts[0].sum()) - np.log(counts[1] / counts[1].sum()))


def weigh_texts(odds: np.ndarray, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Summed log odds of each text, float64 (N,), and its number of n-grams, both 0 where it has no letters."""
    totals, sizes = [np.zeros(0)], [np.zeros(0, np.int64)]
    for grams in _read_grams(texts):
        count = len(grams.has_letters)
        total = np.bincount(grams.row, weights=odds[grams.bucket], minlength=count)
        totals.append(np.where(grams.has_letters, total, 0.0))
        sizes.append(np.where(grams.has_letters, np.bincount(grams.row, minlength=count), 0))
    return np.concatenate(totals), np.concatenate(sizes)


def weigh_pairs(odds: np.ndarray, source: Sequence[str], target: Sequence[str]) -> np.ndarray:
    """float64 (N, 3): evidence that the source, the target, and both together are in their own languages.

    Each is the summed log odds over the root of the number of n-grams: neither do long texts drown short ones, nor is
    one odd syllable of a short text worth as much as a sentence.
    """
    (one, a), (other, b) = weigh_texts(odds, source), weigh_texts(odds, target)
    totals, sizes = np.stack([one, -other, one - other], axis=1), np.stack([a, b, a + b], axis=1)
    return np.asarray(totals / np.sqrt(np.maximum(sizes, 1)))


def weigh_unseen(source: Sequence[str], target: Sequence[str]) -> np.ndarray:
    """float64 (N, 3): the evidence of the pairs, each told by odds of the half of the pairs that it is not in."""
    found = np.zeros((len(source), 3))
    for half in (0, 1):
        odds = fit_odds(source[1 - half :: 2], target[1 - half :: 2])
        found[half::2] = weigh_pairs(odds, source[half::2], target[half::2])
    return found


def _count(texts: Sequence[str]) -> np.ndarray:
    counts = np.zeros(2**BITS, np.int64)
    for grams in _read_grams(texts):
        counts += np.bincount(grams.bucket, minlength=2**BITS)
    return counts


def _read_grams(texts: Sequence[str]) -> Iterator[Grams]:
    """The n-grams of about a million characters at a time."""
    chunk: list[str] = []
    size = 0
    for text in texts:
        chunk.append(f" {text.lower()} ")
        size += len(text)
        if size >= CHUNK:
            yield _hash_grams(chunk)
            chunk, size = [], 0
    if chunk:
        yield _hash_grams(chunk)


def _hash_grams(texts: list[str]) -> Grams:
    codes, row, has_letters = _read_codes(texts)
    rows, buckets = [], []
    for order in ORDERS:
        count = max(len(codes) - order + 1, 0)
        hashed, whole = np.full(count, order, np.uint64), np.ones(count, bool)
        spaces = np.zeros(count, np.int64)
        for place in range(order):
            here = codes[place : place + count]
            hashed = (hashed ^ here) * MIX
            hashed ^= hashed >> SHIFT
            spaces += here == SPACE
            if 0 < place < order - 1:  # an n-gram lies in one word; the spaces around it may be its ends
                whole &= here != SPACE
        whole &= (row[:count] == row[order - 1 : order - 1 + count]) & (spaces < order)
        rows.append(row[:count][whole])
        buckets.append((hashed[whole] >> np.uint64(64 - BITS)).astype(np.int64))
    return Grams(np.concatenate(rows), np.concatenate(buckets), has_letters)


def _read_codes(texts: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Code points uint64 (C,), the text each stands in, and which texts have letters.

    Letters, their marks, punctuation and symbols stay; digits vanish; everything else is one space a run.
    """
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    row = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    distinct, place = np.unique(codes, return_inverse=True)
    kinds = [unicodedata.category(chr(code)) for code in distinct.tolist()]
    kept = [
        code if kind[0] in "LMPS" else DIGIT if kind == "Nd" else SPACE
        for code, kind in zip(distinct, kinds, strict=True)
    ]
    is_letter = np.array([kind[0] == "L" for kind in kinds])[place]
    has_letters = np.bincount(row, weights=is_letter, minlength=len(texts)) > 0
    read = np.array(kept, np.uint64)[place]
    read, row = read[read != DIGIT], row[read != DIGIT]
    first = np.ones(len(read), bool)
    first[1:] = (read[1:] != SPACE) | (read[:-1] != SPACE) | (row[1:] != row[:-1])
    return read[first], row[first], has_letters
