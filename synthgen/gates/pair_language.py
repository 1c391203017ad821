"""Which of two languages a text is written in, told by its letters. Fitted on pairs; knows no language by name.

Two multinomial naive Bayes models over runs of 1 to 4 characters inside words (Cavnar and Trenkle 1994, "N-Gram-Based
Text Categorization"), one a side, as one table of log odds. Digits are left out; what has no letters has no evidence.

    odds = fit_odds(["good day"], ["guten Tag"])
    weigh_texts(odds, ["good night", "12:30"])          # evidence (2,), n-grams (2,): the second has none
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import HashingVectorizer

SMOOTHING = 0.5
DIGITS, LETTER = re.compile(r"\d+"), re.compile(r"[^\W\d_]")


def fit_odds(own: Sequence[str], other: Sequence[str]) -> np.ndarray:
    """float64 (2^16,): log odds of each n-gram's counter, above 0 where texts of `own` have it more often."""
    counts = [np.asarray(count_grams(texts).sum(0))[0] + SMOOTHING for texts in (own, other)]
    return np.asarray(np.log(counts[0] / counts[0].sum()) - np.log(counts[1] / counts[1].sum()))


def weigh_texts(odds: np.ndarray, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Summed log odds of each text, float64 (N,), and its number of n-grams, both 0 where it has no letters."""
    grams = count_grams(texts)
    return grams @ odds, np.asarray(grams.sum(1))[:, 0]


def count_grams(texts: Sequence[str]) -> csr_matrix:
    """(N, 2^16): how often each text has the n-grams that share a counter; none where it has no letters."""
    hashing = HashingVectorizer(
        analyzer="char_wb", ngram_range=(1, 4), n_features=2**16, norm=None, alternate_sign=False, lowercase=True
    )
    if not len(texts):
        return csr_matrix((0, 2**16))
    read = (DIGITS.sub("", text) if LETTER.search(text) else "" for text in texts)
    return hashing.transform(text.encode("utf-8", "replace").decode() for text in read)  # lone surrogates


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
