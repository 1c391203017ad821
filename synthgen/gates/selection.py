"""The rows that make the dataset: the first `count` that pass every gate, in index order.

Fed shard by shard, in order; what it decides does not depend on the size of the shards, and the first rows stay the
same when more are asked for.

    selection = Selection.fit(count=2000, train=train, shares=shares, classes=classes, options=GateOptions())
    for shard in shards:
        choice = selection.admit(shard.verdict, shard.descriptors, shard.presence, shard.indices)
        rows = take_rows(shard.columns, choice.kept)
    selection.rejected          # {"agreement": 31, "copies": 0, "duplicates": 4, "quota": 12}
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from ..types import Verdict
from .duplicates import Duplicates
from .options import GateOptions
from .quota import Quota

GATES = ("agreement", "copies", "duplicates", "quota")  # in the order in which they are asked, after the checks


@dataclass(frozen=True)
class Choice:
    """What became of the candidates of one shard. Rows after the last one needed are neither kept nor rejected."""

    kept: np.ndarray  # bool (N,)
    rejected_by: np.ndarray  # object (N,): name of the gate, or ""
    reasons: np.ndarray  # object (N,): a sentence, or ""


class Selection:
    def __init__(
        self, count: int, duplicates: Duplicates | None = None, quota: Quota | None = None, checks: Sequence[str] = ()
    ) -> None:
        """`checks`: the names of those that are on; shards may be refused by them."""
        self.count = count
        self.gates = (*checks, *GATES)  # every gate there is, in the order in which they are asked
        self.accepted = 0
        self.candidates = 0  # rows looked at until the last accepted one
        self.rejected = dict.fromkeys(self.gates, 0)
        self.seconds = dict.fromkeys(self.gates, 0.0)
        self._duplicates, self._quota = duplicates, quota

    @staticmethod
    def fit(
        count: int,
        train: np.ndarray,
        shares: np.ndarray,
        classes: tuple[str, ...],
        options: GateOptions,
        checks: Sequence[str] = (),
    ) -> Selection:
        """`train`: descriptors of training rows, float32 (n, D); `shares` (K,): share of the asked-for rows that hold
        each class (the mean of presence over drawn conditions); `checks`: the names of those that are on."""
        duplicates = Duplicates.fit(train, options.duplicates) if options.duplicates else None
        quota = Quota(shares, classes, options.quota) if options.quota else None
        return Selection(count, duplicates, quota, checks)

    @property
    def on(self) -> tuple[str, ...]:
        """The gates that are asked here, where rows are compared with those before them."""
        return tuple(
            name for name, gate in (("duplicates", self._duplicates), ("quota", self._quota)) if gate is not None
        )

    @property
    def done(self) -> bool:
        return self.accepted >= self.count

    def admit(self, verdict: Verdict, descriptors: np.ndarray, presence: np.ndarray, indices: np.ndarray) -> Choice:
        """Settle the next candidates: descriptors float32 (N, D), presence bool (N, K), indices (N,) rising."""
        by, reasons = verdict.rejected_by.copy(), verdict.reasons.copy()
        passed = np.flatnonzero(by == "")
        start, quota_before = perf_counter(), self.seconds["quota"]

        def wanted(i: int) -> bool:
            return self._want(int(passed[i]), presence, by, reasons)

        kept = np.zeros(len(by), bool)
        if self._duplicates:
            admission = self._duplicates.admit(descriptors[passed], indices[passed], wanted)
            kept[passed] = admission.kept
            for i in np.flatnonzero(admission.twin >= 0):
                by[passed[i]] = "duplicates"
                near = f"at distance {admission.distance[i]:.3g}, real rows keep {self._duplicates.threshold:.3g}"
                reasons[passed[i]] = f"repeats row {admission.twin[i]} ({near})"
            self.seconds["duplicates"] += perf_counter() - start - (self.seconds["quota"] - quota_before)
        else:
            kept[passed] = [wanted(i) for i in range(len(passed))]
        return self._close(verdict, kept, by, reasons)

    def _want(self, i: int, presence: np.ndarray, by: np.ndarray, reasons: np.ndarray) -> bool:
        """Whether row i, which is no duplicate, is kept; notes the quota's refusal."""
        if self.done:
            return False
        if self._quota:
            start = perf_counter()
            full = self._quota.full(presence[i])
            if full is not None:
                by[i], reasons[i] = "quota", self._quota.reason(full)
            else:
                self._quota.count(presence[i])
            self.seconds["quota"] += perf_counter() - start
            if full is not None:
                return False
        self.accepted += 1
        return True

    def _close(self, verdict: Verdict, kept: np.ndarray, by: np.ndarray, reasons: np.ndarray) -> Choice:
        """Forget the rows after the last one needed, and count the others."""
        if self.done:
            end = int(np.flatnonzero(kept)[-1]) + 1 if kept.any() else 0
            by[end:], reasons[end:] = "", ""
        self.candidates += int(kept.sum() + (by != "").sum())
        for gate in self.gates:
            self.rejected[gate] += int((by == gate).sum())
            self.seconds[gate] += verdict.seconds.get(gate, 0.0)
        return Choice(kept, by, reasons)
