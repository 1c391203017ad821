"""What can be said of a row by itself: does it fit its label, and is it a copy? A pure function of the rows.

What needs the other accepted rows is settled afterwards, in index order, by `selection`.

    gates = Gates.fit(train, validation, judge.reference, train_labels, classes, GateOptions(), checks)
    checked = gates.check_rows(rows)
    verdict = gates.judge_rows(opinion, descriptors, labels, checked)
    verdict.rejected_by         # object (N,): the name of a check, "agreement", "copies" or ""
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from ..errors import UserError
from ..mistakes import meant, show
from ..types import Check, Columns, Opinion, Verdict, count_rows
from .agreement import AgreementGate
from .copies import CopyGate
from .options import GateOptions
from .scores import significant

# names of other gates and of their scores, which no check may have
TAKEN = ("agreement", "copies", "copy_distance", "copy_ratio", "duplicates", "quota", "words")


def choose_checks(checks: Sequence[Check], options: GateOptions) -> tuple[Check, ...]:
    """Those of a task's `checks` that are on, in the task's order; a UserError for a name that the task lacks."""
    known = [check.name for check in checks]
    assert len(set(known)) == len(known) and not set(known) & set(TAKEN), f"check names are not unique: {known}"
    if options.checks is None:
        return tuple(checks)
    for name in options.checks:
        if name not in known:
            raise UserError(f"gates.checks: {show(name)} is not a check of these rows; {meant(name, known)}")
    return tuple(check for check in checks if check.name in options.checks)


@dataclass(frozen=True)
class Gates:
    agreement: AgreementGate | None  # None: off
    copies: CopyGate | None
    checks: tuple[Check, ...] = ()  # those that are on, in the order in which they are asked

    @staticmethod
    def fit(
        train: np.ndarray,
        validation: np.ndarray,
        reference: np.ndarray,
        class_ids: np.ndarray | None,
        classes: tuple[str, ...],
        options: GateOptions,
        checks: tuple[Check, ...] = (),
    ) -> Gates:
        """The bars from real rows.

        `train` (n, D) and `validation` (m, D): descriptors, float32. `reference` (n,): the judge's out-of-fold
        agreement. `class_ids` (n,) integer labels, or None where rows have no single label (masks). `checks`: those
        that `choose_checks` gave.
        """
        agreement = copies = None
        if options.agreement:
            agreement = AgreementGate.fit(reference, class_ids, classes, options.agreement)
        if options.copies:
            copies = CopyGate.fit(train, validation, options.copies)
        return Gates(agreement, copies, checks)

    @property
    def on(self) -> tuple[str, ...]:
        asked = tuple(name for name in ("agreement", "copies") if getattr(self, name) is not None)
        return (*(check.name for check in self.checks), *asked)

    @property
    def score_names(self) -> tuple[str, ...]:
        """The scores that `judge_rows` gives, in the order of the gates."""
        names = tuple(check.name for check in self.checks) + (("agreement",) if self.agreement else ())
        return names + (("copy_distance", "copy_ratio") if self.copies else ())

    def check_rows(self, rows: Columns) -> Verdict:
        """What the checks say of rows, as they come from the sampler and the task's annotations: score of each check,
        float32 (N,) of 6 digits, and first refusal."""
        count = count_rows(rows)
        verdict = Verdict({}, _blanks(count), _blanks(count))
        for check in self.checks:
            start = perf_counter()
            scores, reasons = check.judge(rows)
            assert len(scores) == len(reasons) == count, f"the check {check.name!r} did not judge every row"
            verdict.scores[check.name] = significant(scores)
            refused = np.array([bool(reason) for reason in reasons], bool)
            _refuse(verdict, check.name, refused, [reason for reason in reasons if reason])
            verdict.seconds[check.name] = perf_counter() - start
        return verdict

    def judge_rows(
        self,
        opinion: Opinion | None,
        descriptors: np.ndarray,
        class_ids: np.ndarray | None,
        checked: Verdict | None = None,
    ) -> Verdict:
        """Scores and first refusal of each row; `opinion` may be None if the agreement gate is off.

        `checked` is what `check_rows` gave: its scores and refusals come first; the agreement of rows that it refused
        may be nan. Scores: those of the checks, `agreement`, `copy_distance` and `copy_ratio`, float32 (N,) of 6
        digits, for the gates that are on.
        """
        verdict = Verdict({}, _blanks(len(descriptors)), _blanks(len(descriptors)))
        if checked is not None:
            by, reasons = checked.rejected_by.copy(), checked.reasons.copy()
            verdict = Verdict(dict(checked.scores), by, reasons, dict(checked.seconds))
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
