"""Schedules of time series: which class, which events and when, and what is known beforehand.

Knows labels and events; of the values only those that a history or the edges of a gap pass on.

    schedule = build_schedule(data, SeriesConditionOptions(events={"freezing": EventOptions(share=0.4)}), seed=0)
    schedule.draw(np.arange(256))       # label (256,), events (256, T), severity (256, T)
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..diffusion.noise import row_generator
from ..errors import UserError
from ..types import Columns, Data, take_rows
from .class_mix import ClassMix, build_class_mix
from .events import Event, find_events
from .series_options import EventOptions, SeriesConditionOptions


@dataclass(frozen=True)
class Habit:
    """How events of one kind are to happen."""

    kind: int
    share: float
    steps: tuple[int, int] | None
    severity: tuple[float, float] | None
    real: tuple[Event, ...]  # of the training rows; may be empty if `steps` and `severity` are given
    length: int

    def draw(self, generator: np.random.Generator) -> Event:
        """A real event, cut by the edges of the row as that one was or else anywhere; with what was asked for."""
        start, end, severity = 0, 0, 0.5
        if self.real:
            event = self.real[generator.integers(len(self.real))]
            start, end, severity = event.start, event.end, event.severity
        u = generator.random(3)
        if self.severity:
            severity = self.severity[0] + (self.severity[1] - self.severity[0]) * u[0]
        cut = self.real and (start == 0 or end == self.length)
        if self.steps:
            steps = min(self.length, round(self.steps[0] + (self.steps[1] - self.steps[0]) * u[1]))
            start = max(0, end - steps) if cut and end == self.length else start
            end = start + steps
        if not cut or end > self.length:
            steps = end - start
            start = int(u[2] * (self.length - steps + 1))
            end = start + steps
        return Event(self.kind, start, end, severity)


@dataclass(frozen=True)
class Schedule:
    """A LabelGenerator of label, events and severity, and of `known` where something is given beforehand."""

    mix: ClassMix
    habits: tuple[Habit, ...]
    seed: int
    length: int
    given: Columns | None  # training rows to take histories from
    unknown: tuple[int, int]  # steps of a given row that are to be drawn

    def with_seed(self, seed: int) -> Schedule:
        return replace(self, mix=self.mix.with_seed(seed), seed=seed)

    def draw(self, indices: np.ndarray) -> Columns:
        """label int64 (N,), events uint8 (N, T), severity float32 (N, T), and known float32 (N, T, C) with nan."""
        columns = self.mix.draw(indices)
        columns["events"] = np.zeros((len(indices), self.length), np.uint8)
        columns["severity"] = np.zeros((len(indices), self.length), np.float32)
        if self.given is not None:
            self._give(columns, self.given, indices)
        for place, index in enumerate(indices.tolist()):
            for habit in self.habits:
                generator = row_generator(self.seed, index, f"event {habit.kind}")
                if generator.random() < habit.share:
                    self._place(columns, place, habit.draw(generator))
        return columns

    def _give(self, columns: Columns, given: Columns, indices: np.ndarray) -> None:
        """Values and events of a random training row of the class, but for the unknown steps."""
        start, end = self.unknown
        columns["known"] = np.empty((len(indices), *given["series"].shape[1:]), np.float32)
        for place, (index, label) in enumerate(zip(indices.tolist(), columns["label"].tolist(), strict=True)):
            candidates = np.flatnonzero(given["label"] == label)
            row = candidates[row_generator(self.seed, index, "history").integers(len(candidates))]
            for name in ("events", "severity"):
                columns[name][place] = given[name][row]
                columns[name][place, start:end] = 0
            columns["known"][place] = given["series"][row]
            columns["known"][place, start:end] = np.nan

    def _place(self, columns: Columns, place: int, event: Event) -> None:
        """The part of the event that lies where rows are drawn and nothing else happens."""
        free = columns["events"][place] == 0
        if self.given is not None:
            free[: self.unknown[0]] = free[self.unknown[1] :] = False
        on = np.zeros(self.length, bool)
        on[event.start : event.end] = True
        columns["events"][place][on & free] = event.kind
        columns["severity"][place][on & free] = event.severity


def build_schedule(data: Data, options: SeriesConditionOptions, seed: int, folder: Path | None = None) -> Schedule:
    """UserError for names that are no class or event, and for histories longer than the rows."""
    length = data.train["series"].shape[1]
    unknown, field = (options.history, length), "history"
    if options.gap:
        unknown, field = options.gap, "gap"
    if unknown[0] >= length or unknown[1] > length:
        raise UserError(f"conditions.{field}: ends beyond the {length} steps of a row; use fewer steps")
    given = take_rows(data.train, slice(None)) if options.gap or options.history else None
    habits = _habits(data, options.events, length)
    return Schedule(build_class_mix(data, options, seed), habits, seed, length, given, unknown)


def _habits(data: Data, asked: Mapping[str, EventOptions], length: int) -> tuple[Habit, ...]:
    kinds: tuple[str, ...] = data.details["kinds"]
    for name in asked:
        if name not in kinds:
            close = difflib.get_close_matches(name, kinds, 1, cutoff=0.5)
            known = f"the kinds are {', '.join(kinds)}" if kinds else "the source has no events"
            fix = f"did you mean {close[0]!r}?" if close else known
            raise UserError(f"conditions.events: {name!r} is not a kind of event of the data; {fix}")
    habits = []
    for number, name in enumerate(kinds, start=1):
        options, rows = asked.get(name, EventOptions()), np.flatnonzero((data.train["events"] == number).any(1))
        real = tuple(
            event
            for row in rows.tolist()
            for event in find_events(data.train["events"][row], data.train["severity"][row])
            if event.kind == number
        )
        share = len(rows) / max(1, len(data.train["events"])) if options.share is None else options.share
        if share and not real:
            raise UserError(
                f"conditions.events.{name}: no training row holds such an event, so a model cannot learn it; "
                "set its share to 0"
            )
        habits.append(Habit(number, share, options.steps, options.severity, real, length))
    return tuple(habits)


def switch_off(columns: Columns) -> Columns:
    """The same conditions without any event."""
    return {**columns, "events": np.zeros_like(columns["events"]), "severity": np.zeros_like(columns["severity"])}
