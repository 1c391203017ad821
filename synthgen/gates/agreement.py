"""Does a row fit its label as well as real rows fit theirs? Knows opinions, not the judge.

The bar is a low quantile of what the judge says of real rows that it did not train on, class by class: an absolute cut
on confidence would take away the rare and the difficult rows, which teach most.

    gate = AgreementGate.fit(judge.reference, train_labels, ("cat", "dog"), AgreementOptions())
    refused, reasons = gate.judge_rows(opinion.agreement, labels)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .options import AgreementOptions
from .scores import significant


@dataclass(frozen=True)
class AgreementGate:
    bars: np.ndarray  # float32 (K,) for labelled rows, (1,) for rows without one label
    classes: tuple[str, ...]  # () for rows without one label
    quantile: float

    @staticmethod
    def fit(
        reference: np.ndarray, class_ids: np.ndarray | None, classes: tuple[str, ...], options: AgreementOptions
    ) -> AgreementGate:
        """`reference` (n,): out-of-fold agreement of the training rows; `class_ids` (n,), or None for one bar.

        A class with fewer rows than 1/quantile shows no such quantile; its bar is its lowest row or the bar of all
        rows, whichever asks less.
        """
        reference = significant(reference)
        assert np.isfinite(reference).all(), "the judge's reference has values that are not finite"
        overall = np.quantile(reference, options.quantile) if len(reference) else 0.0
        if class_ids is None:
            return AgreementGate(significant(np.array([overall])), (), options.quantile)
        bars = np.full(len(classes), overall)
        for k in range(len(classes)):
            rows = reference[class_ids == k]
            if len(rows) * options.quantile >= 1:
                bars[k] = np.quantile(rows, options.quantile)
            elif len(rows):
                bars[k] = min(rows.min(), overall)
        return AgreementGate(significant(bars), tuple(classes), options.quantile)

    def judge_rows(self, scores: np.ndarray, class_ids: np.ndarray | None) -> tuple[np.ndarray, list[str]]:
        """Which rows are refused, bool (N,), and a sentence for each of these, of `scores` float32 (N,)."""
        bars = self.bars[class_ids] if self.classes else np.broadcast_to(self.bars[0], scores.shape)
        refused = ~(scores >= bars)  # nan is refused too
        return refused, [self._reason(i, scores, bars, class_ids) for i in np.flatnonzero(refused).tolist()]

    def _reason(self, i: int, scores: np.ndarray, bars: np.ndarray, class_ids: np.ndarray | None) -> str:
        label = f" with class '{self.classes[class_ids[i]]}'" if self.classes and class_ids is not None else ""
        of = " of that class" if label else ""
        bar = f"{bars[i]:.3g}, the {100 * self.quantile:g} % quantile of real rows{of}"
        return f"the judge's agreement{label} is {scores[i]:.3g}, below {bar}"
