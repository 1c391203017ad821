"""Is a row a copy of a training row? Knows descriptors only.

A copy is much closer to one training row than to any other (the ratio test of Lowe 2004, §7.1, turned round) and closer
than rows that the model never saw. Both bars come from validation rows; the held-out rows may not serve a choice.

    gate = CopyGate.fit(train, validation, CopyOptions())
    near = gate.measure(descriptors)
    refused, reasons = gate.judge_rows(near)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .bank import Bank
from .options import CopyOptions
from .scores import significant

SAMPLE = 2048  # validation rows that set the bars; more would not move a 1 % quantile much
SAME = 1e-5  # of the usual distance: such a row differs by rounding alone


@dataclass(frozen=True)
class Nearness:
    row: np.ndarray  # int64 (N,): the nearest training row
    distance: np.ndarray  # float32 (N,)
    ratio: np.ndarray  # float32 (N,): distance ÷ distance to the second nearest; 1 where both are 0


@dataclass(frozen=True)
class CopyGate:
    bank: Bank
    distance_bar: float
    ratio_bar: float
    same: float  # a row this close is a copy whatever the ratio
    quantile: float

    @staticmethod
    def fit(train: np.ndarray, validation: np.ndarray, options: CopyOptions) -> CopyGate:
        """`train` float32 (n, D), n ≥ 1; `validation` (m, D). With m = 0 only exact copies are refused."""
        bank = Bank(train)
        sample = validation[:: 1 + len(validation) // SAMPLE]
        if not len(sample):
            return CopyGate(bank, 0.0, 0.0, 0.0, options.quantile)
        near = measure(bank, sample, float("inf"))
        bars = significant(
            np.array([np.quantile(near.distance, options.quantile), np.quantile(near.ratio, options.quantile)])
        )
        return CopyGate(bank, float(bars[0]), float(bars[1]), SAME * float(np.median(near.distance)), options.quantile)

    def measure(self, descriptors: np.ndarray) -> Nearness:
        """Distance and ratio of each row (N, D); exact wherever the row is near enough to be refused."""
        return measure(self.bank, descriptors, self.distance_bar + self.same)

    def judge_rows(self, near: Nearness) -> tuple[np.ndarray, list[str]]:
        """Which rows are refused, bool (N,), and a sentence for each of these."""
        same = near.distance <= self.same
        refused = same | ((near.distance < self.distance_bar) & (near.ratio < self.ratio_bar))
        return refused, [self._reason(i, near, bool(same[i])) for i in np.flatnonzero(refused).tolist()]

    def _reason(self, i: int, near: Nearness, same: bool) -> str:
        if same:
            return f"equal to training row {near.row[i]}"
        unseen = f"the {100 * self.quantile:g} % quantile of unseen real rows is"
        return (
            f"at distance {near.distance[i]:.3g} from training row {near.row[i]} ({unseen} {self.distance_bar:.3g}), "
            f"{near.ratio[i]:.3g} of that to the second nearest ({unseen} {self.ratio_bar:.3g})"
        )


def measure(bank: Bank, descriptors: np.ndarray, limit: float) -> Nearness:
    """Distances to the bank's nearest rows, and the ratio of the first to the second."""
    near = bank.search(descriptors, limit)
    with np.errstate(invalid="ignore"):
        ratio = np.where(near.second > 0, near.first / near.second, 1.0)
    return Nearness(near.nearest, significant(near.first), significant(ratio))
