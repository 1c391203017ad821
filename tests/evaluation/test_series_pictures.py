"""Pictures show each channel in its colour, shade the steps of events, and use one range for all rows."""

import numpy as np
import pytest
from PIL import Image

from synthgen.evaluation.series_pictures import (
    HEIGHT,
    WIDTH,
    draw_series,
    find_bands,
    find_runs,
    series_legend,
    trace,
)
from synthgen.types import Columns, Data, Origin

ORIGIN = Origin("made up", "CC0-1.0", "none", "by construction", "none")


def make_data(series: np.ndarray, kinds: tuple[str, ...] = ("rise", "fall")) -> Data:
    columns = make_columns(series)
    channels = tuple(f"channel {number}" for number in range(series.shape[2]))
    return Data(columns, columns, columns, ("any",), ORIGIN, details={"channels": channels, "kinds": kinds})


def make_columns(series: np.ndarray) -> Columns:
    return {"series": series.astype(np.float32), "events": np.zeros(series.shape[:2], np.uint8)}


def ramp(rows: int = 3, steps: int = 40, channels: int = 1) -> np.ndarray:
    return np.linspace(-1, 1, steps)[None, :, None].repeat(rows, 0).repeat(channels, 2)


def find_rows_of(picture: Image.Image, colour: tuple[int, int, int]) -> np.ndarray:
    """Lines of the picture with a pixel near the colour."""
    pixels = np.asarray(picture).astype(int)
    return np.flatnonzero((np.abs(pixels - colour).sum(2) < 60).any(1))


def test_every_row_has_a_picture_of_one_size():
    data = make_data(ramp(channels=2))
    pictures = draw_series(data.train, data)
    assert [(picture.size, picture.mode) for picture in pictures] == [((WIDTH, HEIGHT), "RGB")] * 3
    assert np.asarray(pictures[0]).tobytes() == np.asarray(draw_series(data.train, data)[0]).tobytes()


def test_a_rising_line_rises():
    data = make_data(ramp())
    pixels = np.asarray(draw_series(data.train, data)[0]).astype(int)
    near = np.abs(pixels - series_legend(data)[0][1]).sum(2) < 60
    left, right = (np.flatnonzero(near[:, part].any(1)).mean() for part in (slice(8, 20), slice(-20, -8)))
    assert left > 80 and right < 40


def test_six_channels_lie_in_their_bands_in_the_colours_of_the_legend():
    data = make_data(ramp(channels=9))
    legend = series_legend(data)
    assert [name for name, _ in legend] == [f"channel {n}" for n in range(6)] + ["rise", "fall"]
    assert len({colour for _, colour in legend}) == 8
    picture = draw_series(data.train, data)[0]
    for (_, colour), (top, bottom) in zip(legend, find_bands(6), strict=False):
        near = np.abs(np.asarray(picture).astype(int) - colour).sum(2) < 12
        assert top < np.median(np.nonzero(near)[0]) < bottom


def test_the_range_is_that_of_the_training_rows():
    data = make_data(ramp())
    small = draw_series(make_columns(ramp() / 10), data)[0]
    colour = series_legend(data)[0][1]
    tall, low = find_rows_of(draw_series(data.train, data)[0], colour), find_rows_of(small, colour)
    assert np.ptp(low) < np.ptp(tall) / 5
    beyond = find_rows_of(draw_series(make_columns(ramp() * 50), data)[0], colour)
    assert beyond.min() >= 0 and beyond.max() <= HEIGHT


def test_events_are_shaded_where_they_are():
    data = make_data(ramp())
    columns = make_columns(ramp())
    columns["events"][0, 10:20] = 2
    shown, bare = (np.asarray(picture) for picture in draw_series(columns, data)[:2])
    tint = dict(series_legend(data))["fall"]
    shaded = (shown == tint).all(2)
    assert not (bare == tint).all(2).any()
    across = np.flatnonzero(shaded.any(0))
    assert across.min() == pytest.approx(5 + 182 * 9.5 / 39, abs=2)
    assert across.max() == pytest.approx(5 + 182 * 19.5 / 39, abs=2)


def test_runs_are_told_apart_by_kind():
    assert find_runs(np.array([0, 1, 1, 2, 0, 1], np.uint8)) == [(1, 1, 3), (2, 3, 4), (1, 5, 6)]
    assert find_runs(np.zeros(4, np.uint8)) == []
    assert find_runs(np.ones(3, np.uint8)) == [(1, 0, 3)]


def test_a_long_series_keeps_its_peaks():
    values = np.zeros(5000, np.float32)
    values[3210], values[44] = 1.0, -2.0
    points = trace(values, 192)
    assert len(points) <= 2 * 192
    assert (3210, 1.0) in points and (44, -2.0) in points
    assert [step for step, _ in points] == sorted(step for step, _ in points)


def test_constant_channels_and_many_kinds_are_drawn():
    kinds = tuple(f"kind {number}" for number in range(20))
    data = make_data(np.full((2, 30, 2), 5.0), kinds)
    columns = make_columns(np.full((2, 30, 2), 5.0))
    columns["events"][:, 3:6] = 20
    legend = series_legend(data)
    assert len({colour for _, colour in legend}) == len(legend) == 22
    pixels = np.asarray(draw_series(columns, data)[0])
    assert (pixels == legend[-1][1]).all(2).any()
