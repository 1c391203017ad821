from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from synthgen.errors import UserError
from synthgen.sources import windows
from synthgen.sources.recordings import Recording
from synthgen.sources.series_options import SeriesSourceOptions
from synthgen.sources.timestamps import close_jumps, find_rate, find_step
from synthgen.sources.windows import (
    Span,
    check_bytes,
    choose_length,
    choose_train,
    cut_piece,
    divide_in_time,
    fill_gaps,
    fit_short,
    split_recordings,
    stack_rows,
)

NAN = np.nan


def options(**fields: Any) -> SeriesSourceOptions:
    return SeriesSourceOptions.model_validate({"kind": "files", "path": "x.csv", **fields})


def ramp(steps: int, channels: int = 1, part: str = "train", **fields: Any) -> Recording:
    """Every value tells its step: value = step + 1000 x channel."""
    values = np.arange(steps, dtype=np.float32)[:, None] + 1000 * np.arange(channels, dtype=np.float32)
    return Recording(f"ramp {steps}", part, values, **{"label": np.zeros(1, np.int32), **fields})


def test_gaps_become_straight_lines_unless_long_or_at_an_end() -> None:
    column = [NAN, 0, NAN, NAN, 3, NAN, NAN, NAN, 7, NAN]
    filled, count = fill_gaps(np.array([column, np.zeros(10)]).T, 2)
    assert count == 2
    np.testing.assert_array_equal(filled[:, 0], [NAN, 0, 1, 2, 3, NAN, NAN, NAN, 7, NAN])
    np.testing.assert_array_equal(filled[:, 1], 0)
    assert np.isnan(fill_gaps(np.array([column]).T, 0)[0]).sum() == 7


def test_filling_agrees_with_numpy_on_random_gaps() -> None:
    generator = np.random.Generator(np.random.Philox(key=1))
    values = generator.standard_normal((200, 3))
    holes = values.copy()
    holes[1:-1][generator.random((198, 3)) < 0.4] = NAN
    filled, count = fill_gaps(holes, 200)
    assert count == np.isnan(holes).sum() > 100
    for channel in range(3):
        known = np.flatnonzero(~np.isnan(holes[:, channel]))
        expected = np.interp(np.arange(200), known, holes[known, channel])
        np.testing.assert_allclose(filled[:, channel], expected, atol=1e-12)


@pytest.mark.parametrize("stride", [1, 3, 12, 30])
def test_rows_are_the_slices_they_say_they_are(stride: int) -> None:
    recording = ramp(100, 2, times=np.arange(100) * 0.5 + 7, events=(np.arange(100) > 60).astype(np.uint8))
    span = Span(0, 10, 95, "train")
    piece = cut_piece([recording], span, 12, options(stride=stride))
    rows = stack_rows([piece], np.ones(len(piece.starts), bool), 12, 2, None)
    begins = list(range(10, 95 - 12 + 1, stride))
    assert rows["start"].tolist() == [7 + 0.5 * begin for begin in begins]
    for row, begin in enumerate(begins):
        np.testing.assert_array_equal(rows["series"][row], recording.values[begin : begin + 12])
        np.testing.assert_array_equal(rows["events"][row], recording.events[begin : begin + 12])


def test_rows_with_a_long_gap_are_left_out_and_counted() -> None:
    recording = ramp(60)
    recording.values[20:30] = NAN
    piece = cut_piece([recording], Span(0, 0, 60, "train"), 8, options(stride=1))
    free = [begin for begin in range(53) if begin + 8 <= 20 or begin >= 30]
    assert piece.starts.tolist() == free and piece.gaps == 53 - len(free)


def test_a_gap_is_not_filled_across_the_border_of_two_parts() -> None:
    recording = ramp(60)
    recording.values[29:31] = NAN
    for span in (Span(0, 0, 30, "train"), Span(0, 30, 60, "heldout")):
        assert cut_piece([recording], span, 10, options()).filled == 0


def test_a_row_has_the_class_of_most_of_its_steps() -> None:
    labels = np.repeat([0, 1, -1, 2], 20).astype(np.int32)
    piece = cut_piece([ramp(80, label=labels)], Span(0, 0, 80, "train"), 9, options(stride=1))
    kept = dict(zip(piece.starts.tolist(), piece.label.tolist(), strict=True))
    for begin in range(72):
        inside = labels[begin : begin + 9]
        counts = [int((inside == label).sum()) for label in range(3)]
        best = int(np.argmax(counts))
        assert kept.get(begin, -1) == (best if 2 * counts[best] >= 9 else -1)
    assert piece.mixed == 72 - len(kept) > 0


@pytest.mark.parametrize("steps", [24, 71, 72, 73, 100, 1000])
@pytest.mark.parametrize("shares", [(0.1, 0.2), (0.5, 0.6), (0.1, 0.0), (0.0, 0.3)])
def test_parts_in_time_cover_every_step_once_and_have_room_for_a_row(steps: int, shares: tuple[float, float]) -> None:
    spans = divide_in_time(0, ramp(steps), 24, shares)
    covered = np.concatenate([np.arange(span.start, span.stop) for span in spans])
    assert covered.tolist() == list(range(steps))
    assert all(span.stop - span.start >= 24 for span in spans)
    order = ["train", "validation", "heldout"]
    assert [span.part for span in spans] == [part for part in order if part in {span.part for span in spans}]
    if steps >= 72:
        assert {span.part for span in spans} == {"train"} | {p for p, s in zip(order[1:], shares, strict=True) if s}


def test_no_step_is_in_two_parts() -> None:
    recordings = [ramp(300), ramp(500), ramp(90), ramp(40)]
    chosen = options(stride=1)
    split = split_recordings(recordings, np.zeros(4, np.int64), chosen, 20)
    used: dict[str, set[tuple[int, int]]] = {"train": set(), "validation": set(), "heldout": set()}
    for span in split.spans:
        piece = cut_piece(recordings, span, 20, chosen)
        rows = stack_rows([piece], np.ones(len(piece.starts), bool), 20, 1, None)
        steps = [
            (int(owner), int(v)) for row, owner in zip(rows["series"], rows["series_id"], strict=True) for v in row
        ]
        if span.part != "train":
            assert len(steps) == len(set(steps))
        used[span.part] |= set(steps)
    assert all(used.values())
    assert not used["train"] & (used["validation"] | used["heldout"]) and not used["validation"] & used["heldout"]


def test_many_recordings_are_divided_whole_by_stratum() -> None:
    recordings = [ramp(20 + row) for row in range(40)]
    strata = np.arange(40) % 4
    split = split_recordings(recordings, strata, options(heldout=0.2, validation=0.25), 10)
    assert sorted(span.owner for span in split.spans) == list(range(40))
    assert all((span.start, span.stop) == (0, 20 + span.owner) for span in split.spans)
    for part, count in (("heldout", 2), ("validation", 2), ("train", 6)):
        owners = [span.owner for span in split.spans if span.part == part]
        assert np.bincount(strata[owners]).tolist() == [count] * 4
    assert split_recordings(recordings, strata, options(heldout=0.2, validation=0.25), 10).spans == split.spans


def test_a_copy_of_a_training_series_is_not_held_out() -> None:
    recordings = [ramp(20 + row) for row in range(12)] + [ramp(25, part="heldout"), ramp(99, part="heldout")]
    split = split_recordings(recordings, np.zeros(14, np.int64), options(), 10)
    assert [span.owner for span in split.spans if span.part == "heldout"] == [13]
    assert "1 held-out series left out" in split.notes[0]
    assert "source's own test part" in split.sentence


def test_the_held_out_end_reaches_back_to_an_event() -> None:
    events = np.zeros(1000, np.uint8)
    events[100:150] = events[700:720] = 1
    spans = divide_in_time(0, ramp(1000, events=events), 20, (0.1, 0.2))
    assert [(span.part, span.start) for span in spans] == [("train", 0), ("validation", 630), ("heldout", 700)]
    events[700:720] = 0  # one event is not taken away from train
    assert divide_in_time(0, ramp(1000, events=events), 20, (0.1, 0.2))[-1].start == 800


def test_short_series_are_dropped_or_padded_with_a_note() -> None:
    recordings = [ramp(10, events=np.ones(10, np.uint8)), ramp(30)]
    kept, notes = fit_short(recordings, 16, "drop")
    assert [len(r.values) for r in kept] == [30] and "1 of 2 series are shorter" in notes[0]
    padded, notes = fit_short(recordings, 16, "pad")
    assert padded[0].values[:, 0].tolist() == [*range(10), *[9] * 6] and "made longer" in notes[0]
    assert padded[0].events is not None and padded[0].events.sum() == 10
    with pytest.raises(UserError, match="source.length: 99 is more than the 30 steps"):
        fit_short(recordings, 99, "drop")


def test_the_length_follows_from_the_series_or_must_be_set() -> None:
    assert choose_length([ramp(30)] * 10, None) == 30
    assert choose_length([ramp(5000)], 24) == 24
    for recordings, words in (([ramp(30), ramp(31)], "30 to 31"), ([ramp(5000)], "5000"), ([ramp(300)], "a third")):
        with pytest.raises(UserError, match=f"source.length: null.*{words}"):
            choose_length(recordings, None)


def test_few_and_rows_choose_training_rows() -> None:
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    few, notes = choose_train(labels, options(few=5), seed=0)
    assert np.bincount(labels[few]).tolist() == [5, 5, 5] and "15 of 100" in notes[0]
    assert (few != choose_train(labels, options(few=5), seed=1)[0]).any()
    rows, _ = choose_train(labels, options(rows=10), seed=0)
    assert np.bincount(labels[rows]).tolist() == [5, 3, 2]
    assert np.diff(np.flatnonzero(rows)[:5]).tolist() == [12, 12, 12, 13]
    with pytest.raises(UserError, match="source.rows: 2 is fewer than the 3 classes"):
        choose_train(labels, options(rows=2), seed=0)


def test_too_many_bytes_are_refused_before_they_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    check_bytes(1000, 128, 4)
    monkeypatch.setattr(windows, "MOST_BYTES", 1000 * 128 * 4 * 4 - 1)
    with pytest.raises(UserError, match="source.stride: 1000 rows"):
        check_bytes(1000, 128, 4)


def test_even_timestamps_give_a_rate() -> None:
    rounded = np.round(np.arange(500) / 64, 3) + 280  # as Daphnet's, in milliseconds
    assert find_rate([ramp(500, times=rounded)]) == 64.0
    assert find_rate([ramp(9, times=np.arange(9) * 3600.0)]) == 1 / 3600
    assert find_rate([ramp(9, times=np.arange(9) * 1.0), ramp(9, times=np.arange(9) * 1.02)]) is None
    assert find_step(np.cumsum(np.tile([1.0, 1.3], 50))) is None
    assert find_step(np.array([0.0])) is None
    assert find_rate([ramp(9, times=np.arange(9) / 44100)]) == pytest.approx(44100)
    assert find_rate([ramp(9, times=np.arange(9) * 1.5)]) == pytest.approx(1 / 1.5)


def test_missing_timestamps_stand_as_gaps() -> None:
    kept = [*range(10), *range(12, 20), *range(50, 90)]
    values, times = ramp(90).values[kept], np.arange(90.0)[kept]
    holed = Recording("x", "train", values, events=(times > 18).astype(np.uint8), times=times)
    closed, jumps = close_jumps(holed, 5)
    assert closed.times is not None and closed.events is not None
    assert jumps == 2
    # 2 steps are put back, and 6 of the 30: one more than would be filled.
    assert closed.times.tolist() == [*range(26), *range(50, 90)]
    assert closed.events.tolist() == [0] * 19 + [1] * 47
    filled, count = fill_gaps(closed.values, 5)
    assert count == 2 and np.isnan(filled[:, 0]).sum() == 6
    np.testing.assert_array_equal(filled[:20, 0], np.arange(20))
