"""What several classes of furniture share: outlines, legs and feet, and chance. Knows no class.

pieces = four_legs(np.random.default_rng(0), width=0.5, depth=0.5, height=0.45, radius=0.02)
"""

from __future__ import annotations

import numpy as np

from .surfaces import Soup, bar, ellipse, lathe, rectangle, spin, tube

Pieces = list[tuple[str, Soup]]
Draw = np.random.Generator

# How far towards the corners of its bounding box an outline carries a leg: a circle as far as the square in it.
INSIDE = {"square": 1.0, "soft": 0.9, "round": 0.71, "oval": 0.71}


def one_of(draw: Draw, *names: str) -> str:
    return names[int(draw.integers(len(names)))]


def happens(draw: Draw, chance: float) -> bool:
    return bool(draw.random() < chance)


def post(start: tuple[float, ...], end: tuple[float, ...], radius: float, taper: float, *, round_bar: bool) -> Soup:
    """A leg: a round or square bar from `start` to `end`, whose radius there is `taper` times as large."""
    radii = np.array([radius, radius * taper])
    path = np.array([start, end], float)
    return tube(path, radii, 10) if round_bar else tube(path, radii * 1.3, 4, turned=np.pi / 4)


def four_legs(draw: Draw, width: float, depth: float, height: float, radius: float) -> Pieces:
    """Legs under the corners of a rectangle, splayed or tapered or neither."""
    round_bar, taper = happens(draw, 0.5), draw.uniform(0.5, 1.0)
    splay = draw.uniform(0.0, 0.12) * height if happens(draw, 0.5) else 0.0
    x, y = width / 2 - radius * 1.2, depth / 2 - radius * 1.2
    pieces: Pieces = []
    for right, back in ((-1, -1), (1, -1), (-1, 1), (1, 1)):
        foot = (right * (x + splay), back * (y + splay), 0.0)
        pieces.append(("leg", post((right * x, back * y, height), foot, radius, taper, round_bar=round_bar)))
    return pieces


def star_foot(draw: Draw, reach: float, height: float, radius: float) -> Pieces:
    """One column on a disc or on a star of three to five feet."""
    column = lathe([(radius, 0.02), (radius * draw.uniform(0.6, 1.0), height)], 12)
    if happens(draw, 0.4):
        return [("leg", column), ("leg", lathe([(reach, 0), (reach, 0.015), (radius * 1.2, 0.045)]))]
    feet = int(draw.integers(3, 6))
    foot = bar((0, 0, 0.12 * height + 0.03), (0, -reach, 0.015), radius * 0.8, radius * 0.5)
    return [("leg", column), *(("leg", spin(foot, number * 2 * np.pi / feet)) for number in range(feet))]


def draw_outline(draw: Draw, shape: str, width: float, depth: float) -> np.ndarray:
    """What seats and table tops look like from above."""
    if shape in ("round", "oval"):
        return ellipse(width, depth, 26)
    return rectangle(width, depth, draw.uniform(0.1, 0.3) * depth if shape == "soft" else 0.0)
