"""Small charts as inline SVG: intervals of several values, and lines over an axis.

Knows numbers and labels: nothing of reports. Colours come from the page's CSS variables, so that charts follow light
and dark; text is escaped here.

    interval_chart([("real", [0.95, 0.96], "one"), ("synthetic", [0.91, 0.92], "two")], "mIoU")
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from markupsafe import Markup, escape

WIDTH = 460
Series = tuple[str, Sequence[tuple[float, float]], str]  # (name, points, CSS class)


def interval_chart(rows: Sequence[tuple[str, Sequence[float], str]], label: str) -> Markup:
    """One line a row (name, values, CSS class): the values as dots, their mean as a bar, mean ± sd as a whisker.

    The axis is cut to where the values are; that is why there are dots and no bars from zero.
    """
    shown = [(name, [value for value in values if math.isfinite(value)], css) for name, values, css in rows]
    shown = [row for row in shown if row[1]]
    if not shown:
        return Markup("")
    spans = [(fmean(v) - _sd(v), fmean(v) + _sd(v)) for _, v, _ in shown]
    ends = [value for _, v, _ in shown for value in v] + [end for span in spans for end in span]
    ticks = axis_ticks(min(ends), max(ends))
    low, high = ticks[0], ticks[-1]
    left, right, step = 16.0, WIDTH - 16.0, 46
    bottom = 8 + step * len(shown)

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * (right - left)

    parts = [_vertical_tick(x(tick), bottom, tick_label(tick)) for tick in ticks]
    for number, ((name, values, css), (start, end)) in enumerate(zip(shown, spans, strict=True)):
        y, mean = 8 + step * number + 30, fmean(values)
        parts.append(f'<text class="name" x="{left}" y="{y - 16}">{escape(name)}</text>')
        parts.append(
            f'<g class="{css}"><line class="whisker" x1="{x(start):.1f}" x2="{x(end):.1f}" y1="{y}" y2="{y}"/>'
        )
        parts += [f'<circle class="dot" cx="{x(value):.1f}" cy="{y}" r="4"/>' for value in values]
        parts.append(f'<line class="mean" x1="{x(mean):.1f}" x2="{x(mean):.1f}" y1="{y - 9}" y2="{y + 9}"/></g>')
    parts.append(f'<text class="axis" x="{right}" y="{bottom + 32}" text-anchor="end">{escape(label)}</text>')
    return _svg(parts, bottom + 40, f"{label} by training set")


def line_chart(series: Sequence[Series], x_label: str, y_label: str, marks: Sequence[tuple[float, str]] = ()) -> Markup:
    """Lines through points (x, y), with a logarithmic y where the values span more than a factor of 8.

    `marks` are vertical lines (x, what happened there).
    """
    drawn = [
        (name, [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)], css)
        for name, points, css in series
    ]
    drawn = [row for row in drawn if row[1]]
    if not drawn:
        return Markup("")
    xs = [x for _, points, _ in drawn for x, _ in points] + [x for x, _ in marks]
    ys = [y for _, points, _ in drawn for _, y in points]
    logarithmic = min(ys) > 0 and max(ys) / min(ys) > 8
    across = axis_ticks(min(xs), max(xs))
    up = log_ticks(min(ys), max(ys)) if logarithmic else axis_ticks(min(ys), max(ys))
    left, right, top, bottom = 52.0, WIDTH - 20.0, 14.0, 220.0

    def place(x: float, y: float) -> tuple[float, float]:
        bounds = [math.log(v) if logarithmic else v for v in (up[0], y, up[-1])]
        height = (bounds[1] - bounds[0]) / (bounds[2] - bounds[0])
        return left + (x - across[0]) / (across[-1] - across[0]) * (right - left), bottom - height * (bottom - top)

    parts = [_horizontal_tick(place(across[0], y)[1], left, right, tick_label(y)) for y in up]
    parts += [_text("tick", place(x, up[0])[0], bottom + 18, tick_label(x), "middle") for x in across]
    for x, what in marks:
        parts.append(
            f'<line class="mark" x1="{place(x, up[0])[0]:.1f}" x2="{place(x, up[0])[0]:.1f}" y1="{top}" y2="{bottom}"/>'
        )
        parts.append(_text("tick", place(x, up[0])[0] - 4, top + 8, what, "end"))
    for _, points, css in drawn:
        path = " ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y in points)
        parts.append(f'<g class="{css}"><polyline class="line" points="{path}"/></g>')
    parts.append(_text("axis", right, bottom + 36, x_label, "end"))
    parts.append(_text("axis", 4, bottom + 36, y_label + (" (logarithmic)" if logarithmic else ""), "start"))
    return _svg(parts, bottom + 44, f"{y_label} over {x_label}")


def axis_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers that enclose [low, high], at least two and about `about` of them."""
    if high - low < 1e-9 * max(abs(low), abs(high), 1.0):
        pad = max(abs(high) * 0.05, 1e-6)
        low, high = low - pad, high + pad
    raw = (high - low) / about
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * m for m in (1, 2, 2.5, 5, 10) if unit * m >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(n * step, 12) for n in range(first, max(last, first + 1) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten that enclose [low, high]; powers of ten alone over more than three decades."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (1.0,) if last - first > 3 else (1.0, 2.0, 5.0)
    ticks = sorted(m * 10.0**e for e in range(first, last + 1) for m in steps)
    below, above = [t for t in ticks if t <= low * 1.0001], [t for t in ticks if t >= high * 0.9999]
    return [t for t in ticks if below[-1] <= t <= above[0]]


def tick_label(value: float) -> str:
    if value == 0:
        return "0"
    if abs(value) >= 10_000:
        return f"{value / 1000:,.4g}k"
    return f"{value:.4g}"


def _sd(values: Sequence[float]) -> float:
    return stdev(values) if len(values) > 1 else 0.0


def _text(css: str, x: float, y: float, text: str, anchor: str) -> str:
    return f'<text class="{css}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _vertical_tick(x: float, bottom: float, label: str) -> str:
    return f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{bottom}"/>' + _text(
        "tick", x, bottom + 15, label, "middle"
    )


def _horizontal_tick(y: float, left: float, right: float, label: str) -> str:
    return f'<line class="grid" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>' + _text(
        "tick", left - 6, y + 4, label, "end"
    )


def _svg(parts: Sequence[str], height: float, title: str) -> Markup:
    head = f'<svg class="chart" viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">'
    return Markup(head + "".join(parts) + "</svg>")
