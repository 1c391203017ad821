"""What every pair of texts must pass by itself: numbers, length, languages, no copies. Knows pairs, not what they mean.

Every bar is fitted on real training pairs, class by class, and asks of a pair only what nearly all real ones do.

    checks = fit_pair_checks(data)
    score, reasons = checks[0].judge({"source": ..., "target": ..., "label": ...})     # reasons[i] "" where it passes
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..slots import RUN, to_ascii
from ..types import Check, Columns, Data
from .pair_language import fit_odds, weigh_pairs, weigh_unseen
from .scores import significant

FEWEST = 100  # training rows of a class that has quantiles of its own; others have those of all rows
FEWEST_EQUAL = 20  # the same for the share of rows with equal numbers: chance does not make them equal
EQUAL_SHARE = 0.98  # of training rows, for equal numbers and for the languages to be demanded
COPIED_SHARE = 0.02  # of training rows whose target is the source: above it, copies are usual
LENGTH_QUANTILE, LENGTH_SLACK = 0.001, 0.05  # slack in log ratio: 5 % longer or shorter
LANGUAGE_QUANTILE, LANGUAGE_SLACK = 0.002, 0.1  # slack in distances from the bar to the median
LEAST_SLACK = 0.25  # in the unit of `weigh_pairs`, where swapped sentences have -10: all rows of a class may be alike
MOST_REPEATS = 3
LONGEST_PERIOD = 8  # words of a phrase that is said over and over
NAMED = 4  # numbers that a reason names
_ALONE = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"  # written without spaces
WORD = re.compile(f"[{_ALONE}]|(?:(?![{_ALONE}])[^\\W\\d_])+")
SIDES = ("the source reads", "the target reads", "both sides read")


def fit_pair_checks(data: Data) -> tuple[Check, ...]:
    """numbers, length, language and copied, in this order, fitted on `data.train` alone.

    Rows have source and target, object (N,) of str, and label int64 (N,). Scores: numbers, the share of numbers that
    are on both sides; length, log((target + 4) / (source + 4)) in characters; language, the weakest of three log odds
    (see `weigh_pairs`), 0 without letters; copied, 0 for a copy, else 1 over the repeats of the target.
    """
    train, count = data.train, len(data.classes)
    return (
        Check("numbers", "the numbers of the two sides differ", NumberGate.fit(train, count).judge_rows),
        Check("length", "the target is too short or too long for its source", LengthGate.fit(train, count).judge_rows),
        Check("language", "a side reads like the other language", LanguageGate.fit(train, count).judge_rows),
        Check("copied", "the target repeats its source, or itself", CopiedGate.fit(train, count).judge_rows),
    )


def fit_classes(
    labels: np.ndarray, count: int, fewest: int, fit: Callable[[np.ndarray], np.ndarray | float]
) -> np.ndarray:
    """What `fit` says of the rows of each class, of all rows where a class has fewer than `fewest`: (K, ...)."""
    everything = fit(np.arange(len(labels)))
    rows = [np.flatnonzero(labels == k) for k in range(count)]
    return np.array([fit(found) if len(found) >= fewest else everything for found in rows])


def read_numbers(text: str) -> list[str]:
    """The runs of decimal digits of any script, as ASCII without leading zeros: "٠٥:30" is 5 and 30."""
    return [to_ascii(run).lstrip("0") or "0" for run in RUN.findall(text)]


def count_repeats(text: str) -> int:
    """How often in a row the text says the same 1 to 8 words: 1 if it never repeats itself, 4 for "no no no no"."""
    words = WORD.findall(text.casefold())
    most = 1
    if len(set(words)) == len(words):
        return most
    for period in range(1, min(LONGEST_PERIOD, len(words) // 2) + 1):
        run = 0
        for word, later in zip(words, words[period:], strict=False):
            run = run + 1 if word == later else 0
            most = max(most, run // period + 1)
    return most


@dataclass(frozen=True)
class NumberGate:
    """The same numbers on both sides, in classes where 98 % of real pairs have them."""

    demanded: np.ndarray  # bool (K,)

    @staticmethod
    def fit(train: Columns, count: int) -> NumberGate:
        equal = np.array([Counter(a) == Counter(b) for a, b in _numbers(train)])
        return NumberGate(
            fit_classes(train["label"], count, FEWEST_EQUAL, lambda rows: equal[rows].mean()) >= EQUAL_SHARE
        )

    def judge_rows(self, columns: Columns) -> tuple[np.ndarray, list[str]]:
        scores, reasons = [], []
        for label, (source, target) in zip(columns["label"].tolist(), _numbers(columns), strict=True):
            one, other = Counter(source), Counter(target)
            scores.append((one & other).total() / max((one | other).total(), 1) if one or other else 1.0)
            differ = self.demanded[label] and one != other
            reasons.append(f"source has {_name(one - other)}, target {_name(other - one)}" if differ else "")
        return significant(np.array(scores)), reasons


@dataclass(frozen=True)
class LengthGate:
    """A ratio of lengths that real pairs of the class have."""

    bars: np.ndarray  # float64 (K, 2): lowest and highest log ratio

    @staticmethod
    def fit(train: Columns, count: int) -> LengthGate:
        ratio = _length_ratio(train)
        quantiles = [LENGTH_QUANTILE, 1 - LENGTH_QUANTILE]
        bars = fit_classes(train["label"], count, FEWEST, lambda rows: np.quantile(ratio[rows], quantiles))
        return LengthGate(bars + [-LENGTH_SLACK, LENGTH_SLACK])

    def judge_rows(self, columns: Columns) -> tuple[np.ndarray, list[str]]:
        ratio, bars = _length_ratio(columns), self.bars[columns["label"]]
        reasons = []
        for row, (low, high) in enumerate(bars.tolist()):
            kept = low <= ratio[row] <= high
            sizes = f"source has {len(columns['source'][row])} characters, target {len(columns['target'][row])}"
            bounds = f"{np.exp(low):.2g} to {np.exp(high):.2g}"
            reasons.append("" if kept else f"{sizes}; real pairs have {bounds} times as many (each side plus 4)")
        return significant(ratio), reasons


@dataclass(frozen=True)
class LanguageGate:
    """Both sides, each and together, read like the language that they should be in."""

    odds: np.ndarray  # float64 (2^16,)
    bars: np.ndarray  # float64 (K, 3): of source, target, both

    @staticmethod
    def fit(train: Columns, count: int) -> LanguageGate:
        """Bars from pairs that the odds have not seen; where nearly all real pairs read like their own languages, a
        pair must not read half as much like the other's, however many real pairs are swapped."""
        source, target = train["source"].tolist(), train["target"].tolist()
        unseen = weigh_unseen(source, target)

        def fit_bars(rows: np.ndarray) -> np.ndarray:
            low, middle = np.quantile(unseen[rows], [LANGUAGE_QUANTILE, 0.5], axis=0)
            bars = np.minimum(low, 0) - LANGUAGE_SLACK * (middle - low) - LEAST_SLACK
            own = (unseen[rows] >= 0).mean(axis=0) >= EQUAL_SHARE
            return np.asarray(np.where(own, np.maximum(bars, np.minimum(-middle / 2, 0)), bars))

        return LanguageGate(fit_odds(source, target), fit_classes(train["label"], count, FEWEST, fit_bars))

    def judge_rows(self, columns: Columns) -> tuple[np.ndarray, list[str]]:
        found = weigh_pairs(self.odds, columns["source"].tolist(), columns["target"].tolist())
        bars = self.bars[columns["label"]]
        reasons = [""] * len(found)
        for row in np.flatnonzero((found < bars).any(axis=1)).tolist():
            worst = int(np.argmin(found[row] - bars[row]))
            numbers = f"log odds {found[row, worst]:.3g}, real pairs keep {bars[row, worst]:.3g}"
            reasons[row] = f"{SIDES[worst]} like the other language ({numbers})"
        return significant(found.min(axis=1)), reasons


@dataclass(frozen=True)
class CopiedGate:
    """The target says something other than the source, and says it once."""

    refused: np.ndarray  # bool (K,): classes where a target that is its source is refused
    most: int  # repeats that are allowed

    @staticmethod
    def fit(train: Columns, count: int) -> CopiedGate:
        copies = _copies(train)
        refused = fit_classes(train["label"], count, FEWEST, lambda rows: copies[rows].mean()) < COPIED_SHARE
        return CopiedGate(refused, max(MOST_REPEATS, *map(count_repeats, train["target"])))

    def judge_rows(self, columns: Columns) -> tuple[np.ndarray, list[str]]:
        scores, reasons = [], []
        copies = _copies(columns)
        for label, target, copied in zip(columns["label"].tolist(), columns["target"], copies.tolist(), strict=True):
            repeats = count_repeats(target)
            scores.append(0.0 if copied else 1 / repeats)
            reason = "the target is the source" if copied and self.refused[label] else ""
            if repeats > self.most:
                reason = f"the target says the same {repeats} times in a row; real pairs at most {self.most} times"
            reasons.append(reason)
        return significant(np.array(scores)), reasons


def _numbers(columns: Columns) -> list[tuple[list[str], list[str]]]:
    pairs = zip(columns["source"], columns["target"], strict=True)
    return [(read_numbers(source), read_numbers(target)) for source, target in pairs]


def _name(numbers: Counter[str]) -> str:
    found = [number if len(number) <= 20 else f"{number[:17]}..." for number in numbers.elements()]
    return " and ".join(found[:NAMED]) + (" and more" if len(found) > NAMED else "") or "none"


def _length_ratio(columns: Columns) -> np.ndarray:
    source, target = (np.array([len(text) for text in columns[side]], np.float64) for side in ("source", "target"))
    return np.asarray(np.log((target + 4) / (source + 4)))


def _copies(columns: Columns) -> np.ndarray:
    pairs = zip(columns["source"], columns["target"], strict=True)
    return np.array([source.strip().casefold() == target.strip().casefold() for source, target in pairs])
