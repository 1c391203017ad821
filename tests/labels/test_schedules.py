"""Events: found, ranked, scheduled as asked, switched off."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from synthgen.errors import UserError
from synthgen.labels.events import Event, add_severity, describe_events, find_events
from synthgen.labels.schedules import build_schedule, switch_off
from synthgen.labels.series_options import EventOptions, SeriesConditionOptions
from synthgen.types import Columns, Data, Origin

T = 40


def part(count: int, seed: int) -> Columns:
    """Every fourth row has an event of 4 to 12 steps in which the series is 2 to 5 instead of about 0."""
    generator = np.random.Generator(np.random.Philox(seed))
    series = generator.normal(0, 0.1, (count, T, 2)).astype(np.float32)
    events = np.zeros((count, T), np.uint8)
    for row in range(0, count, 4):
        steps, height = int(generator.integers(4, 13)), generator.uniform(2, 5)
        start = int(generator.integers(1, T - steps))
        events[row, start : start + steps] = 1
        series[row, start : start + steps] += height
    return {"series": series, "label": np.arange(count) % 2, "events": events}


def make_data() -> Data:
    details = {"kinds": ("freezing",), "channels": ("a", "b"), "rate_hz": 1.0, "length": T}
    origin = Origin("n", "l", "c", "w", "s")
    return add_severity(Data(part(80, 0), part(20, 1), part(20, 2), ("on", "off"), origin, None, details))


def schedule(**options: Any) -> Any:
    return build_schedule(make_data(), SeriesConditionOptions(**options), 3)


def shares(columns: Columns) -> float:
    return float((columns["events"] > 0).any(1).mean())


def test_runs_are_events() -> None:
    mask = np.array([1, 1, 0, 2, 2, 1, 0, 0, 2], np.uint8)
    assert find_events(mask) == [Event(1, 0, 2), Event(2, 3, 5), Event(1, 5, 6), Event(2, 8, 9)]
    assert find_events(np.zeros(5, np.uint8)) == []


def test_severity_is_the_rank_of_how_far_the_series_strays() -> None:
    data = make_data()
    found = []
    for row in range(0, 80, 4):
        (event,) = find_events(data.train["events"][row], data.train["severity"][row])
        found.append((float(np.abs(data.train["series"][row, event.start : event.end]).mean()), event.severity))
    order = [severity for _, severity in sorted(found)]
    assert order == sorted(order) and order[-1] == 1 and order[0] == pytest.approx(1 / 20)
    assert not data.train["severity"][1].any()
    assert ((data.heldout["severity"] > 0) == (data.heldout["events"] > 0)).all()


def test_events_happen_as_in_the_training_rows_or_as_asked() -> None:
    indices = np.arange(800)
    assert 0.2 < shares(schedule().draw(indices)) < 0.3
    assert 0.55 < shares(schedule(events={"freezing": EventOptions(share=0.6)}).draw(indices)) < 0.65
    asked = EventOptions(share=1, steps=(15, 20), severity=(0.8, 0.9))
    drawn = schedule(events={"freezing": asked}).draw(indices)
    for mask, severity in zip(drawn["events"], drawn["severity"], strict=True):
        (event,) = find_events(mask, severity)
        assert 15 <= event.end - event.start <= 20 and 0.8 <= event.severity <= 0.9
    starts = [find_events(mask)[0].start for mask in drawn["events"]]
    assert min(starts) < 5 and max(starts) > 15


def test_a_row_depends_on_its_number_alone() -> None:
    drawn = schedule(history=10).draw(np.arange(30))
    again = schedule(history=10).draw(np.arange(10, 20))
    for name, values in again.items():
        np.testing.assert_array_equal(values, drawn[name][10:20])


def test_a_history_is_a_real_row_of_the_class_and_keeps_its_events() -> None:
    data, drawn = make_data(), schedule(history=10, events={"freezing": EventOptions(share=1)}).draw(np.arange(40))
    assert np.isnan(drawn["known"][:, 10:]).all() and np.isfinite(drawn["known"][:, :10]).all()
    for row, (known, label) in enumerate(zip(drawn["known"], drawn["label"], strict=True)):
        (source,) = np.flatnonzero((data.train["series"][:, :10] == known[:10]).all((1, 2)))
        assert data.train["label"][source] == label
        np.testing.assert_array_equal(drawn["events"][row, :10], data.train["events"][source, :10])


def test_a_gap_leaves_both_edges() -> None:
    known = schedule(gap=(10, 25)).draw(np.arange(8))["known"]
    assert np.isnan(known[:, 10:25]).all() and np.isfinite(known[:, :10]).all() and np.isfinite(known[:, 25:]).all()


def test_records_say_what_the_mask_says_and_off_is_off() -> None:
    drawn = schedule(events={"freezing": EventOptions(share=1)}).draw(np.arange(6))
    (record,) = describe_events(drawn, ("freezing",))[0]
    (event,) = find_events(drawn["events"][0])
    assert (record["kind"], record["start"], record["end"]) == (0, event.start, event.end)
    off = switch_off(drawn)
    assert not off["events"].any() and not off["severity"].any() and (off["label"] == drawn["label"]).all()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"events": {"freezin": EventOptions()}}, "did you mean 'freezing'?"),
        ({"history": T}, "conditions.history: ends beyond the 40 steps"),
        ({"gap": (5, T + 1)}, "conditions.gap: ends beyond the 40 steps"),
    ],
)
def test_what_cannot_be_is_said(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence.replace("?", r"\?")):
        schedule(**options)


@pytest.mark.parametrize("options", [{"history": 5, "gap": (1, 3)}, {"gap": (5, 2)}])
def test_options_that_contradict_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SeriesConditionOptions(**options)
    with pytest.raises(ValidationError):
        EventOptions(steps=(9, 3))
