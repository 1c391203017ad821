"""What the gates may be told. Each gate can be `off`.

gates: {agreement: {quantile: 0.02}, duplicates: off}
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from ..options import Options


class AgreementOptions(Options):
    """Refuse rows whose content and label fit together worse than nearly all real rows do."""

    quantile: float = Field(default=0.02, ge=0, le=0.5)
    """Refuse below this quantile of the out-of-fold agreement of real training rows (of the same class)."""


class CopyOptions(Options):
    """Refuse rows that are closer to one training row than validation rows are."""

    quantile: float = Field(default=0.01, ge=0, le=0.5)
    """Refuse where both the distance to the nearest training row and its ratio to the second nearest lie below this
    quantile of validation rows."""


class DuplicateOptions(Options):
    """Refuse rows that nearly equal an earlier accepted row."""

    quantile: float = Field(default=0.01, ge=0, le=0.5)
    """Refuse rows closer to an accepted row than this quantile of the distances from real rows to their nearest."""


class QuotaOptions(Options):
    """Hold the accepted rows near the class mix that was asked for."""

    tolerance: float = Field(default=0.1, ge=0.01, le=10)
    """A class may have this share more rows than was asked for (0.1: a tenth more)."""


def _switch(value: object) -> object:
    """`true` and `on` mean the defaults; YAML 1.2 readers leave `off` and `on` as words."""
    words = {"off": False, "on": {}, True: {}}
    return words.get(value, value) if isinstance(value, str | bool) else value


Off = Annotated[Literal[False], Field(description="false (or `off`): this gate refuses nothing.")]
Switch = BeforeValidator(_switch)
CheckName = Annotated[str, Field(min_length=1, max_length=200)]
Saying = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]


class GateOptions(Options):
    """Reasons to refuse a generated row, in the order in which they are asked."""

    checks: list[CheckName] | None = None
    """What each row by itself must pass, by name, where the task has such checks; null: all of them; []: none."""
    words: Annotated[list[Saying], Field(min_length=1, max_length=100_000)] | None = None
    """Texts: words, or groups of words, that no row may say, in whatever case; null: none."""
    agreement: Annotated[AgreementOptions | Off, Switch] = AgreementOptions()
    """A judge that never saw the row doubts that content and label belong together."""
    copies: Annotated[CopyOptions | Off, Switch] = CopyOptions()
    """The row copies a training row."""
    duplicates: Annotated[DuplicateOptions | Off, Switch] = DuplicateOptions()
    """The row repeats an earlier accepted row."""
    quota: Annotated[QuotaOptions | Off, Switch] = QuotaOptions()
    """The row's class already has its share."""
