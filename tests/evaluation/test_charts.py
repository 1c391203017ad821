"""Ticks enclose what they measure, and every point lies inside the drawing."""

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.evaluation.charts import WIDTH, axis_ticks, interval_chart, line_chart, log_ticks, tick_label

reals = st.floats(-1e6, 1e6, allow_nan=False)


@given(reals, reals)
def test_axis_ticks_enclose_and_are_few(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    ticks = axis_ticks(low, high)
    width = ticks[-1] - ticks[0]
    assert width > 0
    assert ticks[0] <= low + 1e-6 * width + 1e-9 and ticks[-1] >= high - 1e-6 * width - 1e-9
    assert 2 <= len(ticks) <= 9


@given(st.floats(1e-6, 1e6), st.floats(8.1, 1e5))
def test_log_ticks_enclose_and_are_few(low: float, factor: float) -> None:
    ticks = log_ticks(low, low * factor)
    assert ticks[0] <= low * 1.001 and ticks[-1] >= low * factor * 0.999
    assert 3 <= len(ticks) <= 14


def coordinates(svg: str, attributes: str) -> list[float]:
    return [float(value) for value in re.findall(rf' (?:{attributes})="([-\d.]+)"', svg)]


def test_interval_chart_is_sound_svg_with_every_value() -> None:
    svg = str(interval_chart([("a<b", [0.9, 0.92, 0.95], "tone0"), ("none", [math.nan], "tone1")], "mIoU"))
    root = ElementTree.fromstring(svg)
    assert len(root.findall(".//circle")) == 3
    assert all(0 <= x <= WIDTH for x in coordinates(svg, "x1|x2|cx"))
    assert "a&lt;b" in svg and "none" not in svg


def test_line_chart_turns_logarithmic_and_stays_inside() -> None:
    steep = [(0.0, 1.5), (100.0, 0.1), (200.0, 0.09), (300.0, math.inf)]
    svg = str(line_chart([("train", steep, "tone0")], "steps", "loss", [(200.0, "kept")]))
    ElementTree.fromstring(svg)
    assert "loss (logarithmic)" in svg and "kept" in svg
    points = re.search(r'points="([^"]+)"', svg)
    assert points is not None
    pairs = [tuple(map(float, pair.split(","))) for pair in points[1].split()]
    assert len(pairs) == 3
    assert all(0 <= x <= WIDTH and 0 <= y <= 220 for x, y in pairs)
    assert pairs[0][1] < pairs[1][1] < pairs[2][1]
    assert "logarithmic" not in str(line_chart([("train", [(0, 1), (1, 2)], "tone0")], "steps", "loss"))


@pytest.mark.parametrize("points", [[], [(0.0, math.nan)]])
def test_nothing_to_draw_is_nothing(points: list[tuple[float, float]]) -> None:
    assert line_chart([("train", points, "tone0")], "steps", "loss") == ""
    assert interval_chart([("a", [], "tone0")], "m") == ""


def test_one_point_is_drawn() -> None:
    ElementTree.fromstring(str(line_chart([("train", [(0.0, 0.0)], "tone0")], "steps", "loss")))
    ElementTree.fromstring(str(interval_chart([("a", [1.0], "tone0")], "m")))


def test_tick_labels() -> None:
    assert [tick_label(v) for v in (0, 0.05, 1500, 20000)] == ["0", "0.05", "1500", "20k"]
