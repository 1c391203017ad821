"""What may be asked of the evaluation.

Knows no task and no file.

    EvaluateOptions(seeds=5, baseline=False)
"""

from pydantic import Field

from ..options import Options


class EvaluateOptions(Options):
    seeds: int = Field(3, ge=1, le=100)
    """How many learners are trained per regime; the report gives their mean and standard deviation."""

    steps: int | None = Field(None, ge=1, le=1_000_000)
    """Optimiser steps of each learner, the same in every regime; null: the task's measured default."""

    batch_size: int | None = Field(None, ge=1, le=65_536)
    """Rows per optimiser step of each learner; null: the task's measured default."""

    rows: int | None = Field(None, ge=1, le=100_000_000)
    """The most synthetic rows that a learner is shown; null: all accepted rows."""

    baseline: bool = True
    """Also train on real rows with classical augmentation (turns, flips, shifts, noise), at the row count of "both"."""

    gates: bool = True
    """Also measure what each gate gives: the learner's score with all gates against its score with that one off."""

    membership: bool = True
    """Also test whether the denoising loss tells training rows from rows the model never saw."""
