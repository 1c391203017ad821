"""What can be said of a row by itself: does it fit its label, and is it a copy? A pure function of the rows.

What needs the other accepted rows is settled afterwards, in index order, by `selection`.

    gates = Gates.fit(train, validation, judge.reference, train_labels, classes, GateOptions())
    verdict = gates.judge_rows(opinion, descriptors, labels)
    verdict.rejected_by         # object (N,): "agreement", "copies" or ""
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import numpy as np

from ..types import Opinion, Verdict
from .agreement import AgreementGate
from .copies import CopyGate
from .options import GateOptions
from .scores import significant


@dataclass(frozen=True)
class Gates:
    agreement: AgreementGate | None  # None: off
    copies: CopyGate | None

    @staticmethod
    def fit(
        train: np.ndarray,
        validation: np.ndarray,
        reference: np.ndarray,
        class_ids: np.ndarray | None,
        classes: tuple[str, ...],
        options: GateOptions,
    ) -> Gates:
        """The bars from real rows.

        `train` (n, D) and `validation` (m, D): descriptors, float32. `reference` (n,): the judge's out-of-fold
        agreement. `class_ids` (n,) integer labels, or None where rows have no single label (masks).
        """
        agreement = copies = None
        if options.agreement:
            agreement = AgreementGate.fit(reference, class_ids, classes, options.agreement)
        if options.copies:
            copies = CopyGate.fit(train, validation, options.copies)
        return Gates(agreement, copies)

    @property
    def on(self) -> tuple[str, ...]:
        return tuple(name for name in ("agreement", "copies") if getattr(self, name) is not None)

    def judge_rows(self, opinion: Opinion | None, descriptors: np.ndarray, class_ids: np.ndarray | None) -> Verdict:
        """Scores and first refusal of each row; `opinion` may be None if the agreement gate is off.

        Scores: `agreement`, `copy_distance` and `copy_ratio`, float32 (N,) of 6 digits, for the gates that are on.
        """
        verdict = Verdict({}, _blanks(len(descriptors)), _blanks(len(descriptors)))
        if self.agreement:
            assert opinion is not None, "the agreement gate needs the judge's opinion"
            start = perf_counter()
            verdict.scores["agreement"] = scores = significant(opinion.agreement)
            _refuse(verdict, "agreement", *self.agreement.judge_rows(scores, class_ids))
            verdict.seconds["agreement"] = perf_counter() - start
        if self.copies:
            start = perf_counter()
            near = self.copies.measure(descriptors)
            verdict.scores.update(copy_distance=near.distance, copy_ratio=near.ratio)
            _refuse(verdict, "copies", *self.copies.judge_rows(near))
            verdict.seconds["copies"] = perf_counter() - start
        return verdict


def _blanks(count: int) -> np.ndarray:
    return np.full(count, "", object)


def _refuse(verdict: Verdict, gate: str, refused: np.ndarray, reasons: list[str]) -> None:
    for i, reason in zip(np.flatnonzero(refused), reasons, strict=True):
        if not verdict.rejected_by[i]:
            verdict.rejected_by[i], verdict.reasons[i] = gate, reason
