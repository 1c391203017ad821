"""One small picture a row of series: a line for each channel, events shaded. Knows columns and colours, not files.

pictures = draw_series(columns, data)                   # PIL images, 192 x 120
contact_sheet([("synthetic", pictures)], series_legend(data))
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from ..types import Columns, Data
from .pictures import PAPER, SAFE, Colour, class_colours

WIDTH, HEIGHT = 192, 120
FINE = 3  # drawn so many times larger and reduced: smooth lines
MOST_CHANNELS = 6
MARGIN, GAP = 5, 3
FRAME: Colour = (205, 210, 216)
ZERO: Colour = (228, 231, 235)
LINES: tuple[Colour, ...] = tuple(SAFE[number] for number in (4, 5, 2, 3, 1, 7))  # dark enough on white and on a tint
TINT = 0.30  # opacity of an event
QUANTILES = (0.02, 0.98)  # of the training rows: what the height of a band spans
OVERSHOOT = 0.5  # of a band's height that a line may leave it by, where there are several
HEADROOM = 0.15  # of the range, where there is one band
MOST_ROWS = 2_000  # training rows that the quantiles are taken from, evenly spaced


def draw_series(columns: Columns, data: Data) -> list[Image.Image]:
    """A picture of each row: up to six channels, one above the other, the same range in every picture.

    Columns series (N, T, C) and events (N, T). A band spans 96 % of the channel's values in data.train, and rare peaks
    reach into the next. Of a longer series the least and largest value in every pixel are drawn.
    """
    low, high = find_ranges(data.train["series"])
    tints = [blend(colour) for _, colour in _kinds(data)]
    pictures = []
    for series, events in zip(columns["series"], columns["events"], strict=True):
        picture = Image.new("RGB", (WIDTH * FINE, HEIGHT * FINE), PAPER)
        pen = ImageDraw.Draw(picture)
        bands = find_bands(min(series.shape[1], MOST_CHANNELS))
        _shade(pen, events, tints)
        _frame(pen, bands)
        for channel, (top, bottom) in enumerate(bands):
            _draw_band(pen, series[:, channel], (low[channel], high[channel]), (top, bottom), LINES[channel])
        pictures.append(picture.resize((WIDTH, HEIGHT), Image.Resampling.BOX))
    return pictures


def series_legend(data: Data) -> list[tuple[str, Colour]]:
    """The channels that are drawn, in the colours of their lines, then the kinds of events in those of their shades."""
    channels = list(zip(data.details["channels"], LINES, strict=False))
    return [*channels, *((name, blend(colour)) for name, colour in _kinds(data))]


def find_ranges(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Low and high end of each drawn channel, (C,), from series (N, T, C); never equal."""
    step = -(-len(series) // MOST_ROWS)
    shown = series[::step, :, :MOST_CHANNELS].astype(np.float64)
    low, high = np.quantile(shown, QUANTILES, axis=(0, 1))
    headroom = HEADROOM if shown.shape[2] == 1 else 0.0
    spare = np.where(high > low, headroom * (high - low), np.maximum(np.abs(high), 1.0))
    return low - spare, high + spare


def find_bands(count: int) -> list[tuple[float, float]]:
    """Top and bottom of each of `count` bands, in pixels of the finished picture."""
    height = (HEIGHT - 2 * MARGIN - GAP * (count - 1)) / count
    return [(MARGIN + n * (height + GAP), MARGIN + n * (height + GAP) + height) for n in range(count)]


def blend(colour: Colour) -> Colour:
    """The colour as a tint on white paper."""
    red, green, blue = (round(TINT * part + (1 - TINT) * 255) for part in colour)
    return red, green, blue


def find_runs(events: np.ndarray) -> list[tuple[int, int, int]]:
    """(kind, first step, step after the last) of every run of equal non-zero values of events (T,)."""
    edges = np.flatnonzero(np.diff(events)) + 1
    starts = [0, *edges.tolist()]
    ends = [*edges.tolist(), len(events)]
    return [(int(events[a]), a, b) for a, b in zip(starts, ends, strict=True) if events[a]]


def trace(values: np.ndarray, pixels: int) -> list[tuple[float, float]]:
    """(step, value) of the points that a line runs through: all, or where they are many the extremes in every pixel."""
    if len(values) <= 2 * pixels:
        return [(step, float(value)) for step, value in enumerate(values)]
    points: list[tuple[float, float]] = []
    for part in np.array_split(np.arange(len(values)), pixels):
        pair = sorted((int(part[values[part].argmin()]), int(part[values[part].argmax()])))
        points += [(step, float(values[step])) for step in dict.fromkeys(pair)]
    return points


def _kinds(data: Data) -> list[tuple[str, Colour]]:
    """Kinds of events, beginning with colours that stand out as tints."""
    first = [SAFE[number] for number in (0, 1, 3, 2, 6, 5)]
    kinds = data.details["kinds"]
    return list(zip(kinds, [*first, *class_colours(len(SAFE) + len(kinds))[len(SAFE) :]], strict=False))


def _across(step: float, steps: int) -> float:
    """Where a step lies, in pixels of the large picture; the first and the last are at the edges of the frame."""
    return (MARGIN + (WIDTH - 2 * MARGIN) * step / max(steps - 1, 1)) * FINE


def _shade(pen: ImageDraw.ImageDraw, events: np.ndarray, tints: list[Colour]) -> None:
    steps = len(events)
    for kind, start, end in find_runs(events):
        left, right = max(start - 0.5, 0), min(end - 0.5, steps - 1)
        box = (_across(left, steps), MARGIN * FINE, _across(right, steps), (HEIGHT - MARGIN) * FINE)
        pen.rectangle(box, fill=tints[kind - 1])


def _draw_band(
    pen: ImageDraw.ImageDraw,
    values: np.ndarray,
    reach: tuple[float, float],
    band: tuple[float, float],
    colour: Colour,
) -> None:
    (low, high), (top, bottom) = reach, band
    least, most = (
        max(MARGIN, top - OVERSHOOT * (bottom - top)),
        min(HEIGHT - MARGIN, bottom + OVERSHOOT * (bottom - top)),
    )

    def down(value: float) -> float:
        return min(max(bottom - (value - low) / (high - low) * (bottom - top), least), most) * FINE

    if low < 0 < high:
        pen.line((MARGIN * FINE, down(0), (WIDTH - MARGIN) * FINE, down(0)), fill=ZERO, width=1)
    points = [(_across(step, len(values)), down(value)) for step, value in trace(values, WIDTH)]
    pen.line(points, fill=colour, width=FINE + 1, joint="curve")


def _frame(pen: ImageDraw.ImageDraw, bands: list[tuple[float, float]]) -> None:
    """A thin line at the left of each band and under it."""
    for top, bottom in bands:
        left, right = MARGIN * FINE, (WIDTH - MARGIN) * FINE
        pen.line([(left, top * FINE), (left, bottom * FINE), (right, bottom * FINE)], fill=FRAME, width=FINE // 2 + 1)
