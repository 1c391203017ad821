"""What the label generator of time series may be told.

conditions: {balance: real, events: {freezing: {share: 0.4, steps: [32, 96]}}}
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from ..options import Options
from .options import ClassConditionOptions

Share = Annotated[float, Field(ge=0, le=1)]
Steps = Annotated[int, Field(ge=1, le=1_000_000)]


class EventOptions(Options):
    """How often an event of one kind happens, for how long, and how severe it is."""

    share: Share | None = None
    """Share of the rows that hold such an event; null: as in the training rows."""
    steps: tuple[Steps, Steps] | None = None
    """Shortest and longest duration in steps; null: durations of real events."""
    severity: tuple[Share, Share] | None = None
    """Lowest and highest severity, as a rank among real events (1: the most severe); null: those of real events."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for name in ("steps", "severity"):
            bounds = getattr(self, name)
            if bounds and bounds[0] > bounds[1]:
                raise ValueError(f"{name} {list(bounds)} are not in order; write the smaller one first")
        return self


class SeriesConditionOptions(ClassConditionOptions):
    """Which series to draw."""

    events: dict[str, EventOptions] = Field(default_factory=dict)
    """Kind of event to what is asked of it; kinds that are not named happen as in the training rows."""
    history: int = Field(0, ge=0, le=1_000_000)
    """Steps at the beginning taken from a real training row, which the model continues (forecasting); 0: none."""
    gap: tuple[int, Steps] | None = None
    """First and last-but-one step of a gap that the model fills in a real training row; null: no gap."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.gap and self.history:
            raise ValueError("history and gap are both set; a row has one of them")
        if self.gap and not 0 <= self.gap[0] < self.gap[1]:
            raise ValueError(
                f"gap {list(self.gap)} is not a stretch of steps; write its first step and the one after it"
            )
        return self
