"""Events in time series: where each one is, how severe it is, and schedules of new ones.

An event is a run of steps of one kind. Its severity is its rank among the real events of that kind, in (0, 1]: how far
the series strays from its usual values while the event is on.

    data = add_severity(data)
    find_events(mask)            # [Event(kind=1, start=20, end=52)]
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..types import Columns, Data


@dataclass(frozen=True)
class Event:
    kind: int  # 1 … K
    start: int  # first step
    end: int  # first step after it
    severity: float = 0.0


def find_events(mask: np.ndarray, severity: np.ndarray | None = None) -> list[Event]:
    """The runs of equal non-zero values in a mask uint8 (T,), in order; `severity` (T,) is read at their first step."""
    edges = np.flatnonzero(np.diff(mask)) + 1
    starts, ends = [0, *edges.tolist()], [*edges.tolist(), len(mask)]
    return [
        Event(int(mask[a]), a, b, 0.0 if severity is None else float(severity[a]))
        for a, b in zip(starts, ends, strict=True)
        if mask[a]
    ]


def add_severity(data: Data) -> Data:
    """The data with a column `severity`, float32 (N, T): of each step's event, 0 where there is none."""
    strengths = _Strengths.of(data)
    train, validation, heldout = (
        {**rows, "severity": strengths.rank(rows)} for rows in (data.train, data.validation, data.heldout)
    )
    return replace(data, train=train, validation=validation, heldout=heldout)


@dataclass(frozen=True)
class _Strengths:
    """What the training rows' events reach, by kind, in order; and what is usual of each channel."""

    usual: np.ndarray  # (C,)
    spread: np.ndarray  # (C,)
    reached: dict[int, np.ndarray]

    @staticmethod
    def of(data: Data) -> _Strengths:
        series = data.train["series"]
        usual, spread = np.median(series, (0, 1)), series.std((0, 1))
        found = _Strengths(usual, np.where(spread > 0, spread, 1), {})
        values: dict[int, list[float]] = {}
        for place in np.flatnonzero(data.train["events"].any(1)):
            for event in find_events(data.train["events"][place]):
                values.setdefault(event.kind, []).append(found.measure(series[place], event))
        return replace(found, reached={kind: np.sort(reached) for kind, reached in values.items()})

    def measure(self, row: np.ndarray, event: Event) -> float:
        """Root mean square of the standardised values while the event is on."""
        part = (row[event.start : event.end] - self.usual) / self.spread
        return float(np.sqrt(np.square(part, dtype=np.float64).mean()))

    def rank(self, rows: Columns) -> np.ndarray:
        severity = np.zeros(rows["events"].shape, np.float32)
        for place in np.flatnonzero(rows["events"].any(1)):
            for event in find_events(rows["events"][place]):
                known = self.reached.get(event.kind, np.zeros(0))
                below = int(np.searchsorted(known, self.measure(rows["series"][place], event), "right"))
                severity[place, event.start : event.end] = max(below, 1) / max(len(known), 1)
        return severity


def describe_events(columns: Columns, kinds: tuple[str, ...]) -> list[list[dict[str, Any]]]:
    """For each row its events as records {kind, start, end, severity}; steps, `end` excluded."""
    found = []
    for mask, severity in zip(columns["events"], columns["severity"], strict=True):
        events = find_events(mask, severity) if mask.any() else []
        found.append([
            {"kind": event.kind - 1, "start": event.start, "end": event.end, "severity": event.severity}
            for event in events
        ])  # fmt: skip
    return found
