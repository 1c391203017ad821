"""Solids made of rings, as triangle soups. Knows no furniture and no files.

A soup is float64 (F, 3, 3): F triangles, 3 corners, xyz in metres with z up; triangles turn counter-clockwise seen from
outside. Every solid here is a loft (a skin over a stack of rings), so that one function makes all triangles.

    cup = lathe([(0.03, 0.0), (0.04, 0.09)])                  # a frustum on the ground
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..soups import Soup

SIDES = 20  # of a round thing: its surface is then within 1.3 % of the radius


def loft(rings: np.ndarray, *, capped: bool = True) -> Soup:
    """The skin over a stack of rings, float (K, n, 3), counter-clockwise seen from the last one. Caps are fans."""
    after = np.roll(rings, -1, axis=1)
    low, low_after, high, high_after = rings[:-1], after[:-1], rings[1:], after[1:]
    skin = [np.stack([low, low_after, high_after], 2), np.stack([low, high_after, high], 2)]
    soup = [part.reshape(-1, 3, 3) for part in skin]
    if capped:
        middle = np.broadcast_to(rings.mean(1, keepdims=True), rings.shape)
        soup += [np.stack([middle[0], after[0], rings[0]], 1), np.stack([middle[-1], rings[-1], after[-1]], 1)]
    return np.concatenate(soup)


def lathe(profile: Sequence[tuple[float, float]], sides: int = SIDES, *, capped: bool = True) -> Soup:
    """A profile of (radius, z), from the bottom up along the outside, turned about the z axis."""
    radius, height = np.asarray(profile, float).T
    angle = np.arange(sides) * (2 * np.pi / sides)
    rings = np.empty((len(radius), sides, 3))
    rings[..., 0] = radius[:, None] * np.cos(angle)
    rings[..., 1] = radius[:, None] * np.sin(angle)
    rings[..., 2] = height[:, None]
    return loft(rings, capped=capped)


def prism(outline: np.ndarray, bottom: float, top: float, bevel: float = 0.0) -> Soup:
    """A counter-clockwise outline, float (n, 2), from z = bottom to top. bevel: metres cut off along both rims."""
    middle = (outline.max(0) + outline.min(0)) / 2
    inset = middle + (outline - middle) * (1 - 2 * bevel / np.ptp(outline, axis=0))
    levels = [(outline, bottom), (outline, top)]
    if bevel > 0:
        levels = [(inset, bottom), (outline, bottom + bevel), (outline, top - bevel), (inset, top)]
    return loft(np.stack([np.column_stack([ring, np.full(len(ring), z)]) for ring, z in levels]))


def block(low: Sequence[float], high: Sequence[float], bevel: float = 0.0) -> Soup:
    """The box between two corners (x, y, z)."""
    outline = np.array([(low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1])])
    return prism(outline, low[2], high[2], bevel)


def tube(path: np.ndarray, radius: float | np.ndarray, sides: int = 10, *, turned: float = 0.0) -> Soup:
    """A round bar along float (K, 3) with one radius, or K of them. Four sides make a square bar, turned by an angle.

    The rings are carried along without twist (parallel transport).
    """
    steps = np.diff(path, axis=0)
    along = np.concatenate([steps[:1], steps[:-1] + steps[1:], steps[-1:]])
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across = np.cross(along[0], (0.0, 1.0, 0.0) if abs(along[0][1]) < 0.9 else (1.0, 0.0, 0.0))
    angle = np.arange(sides) * (2 * np.pi / sides) + turned
    radii = np.broadcast_to(radius, len(path))
    rings = np.empty((len(path), sides, 3))
    for place, (centre, direction, size) in enumerate(zip(path, along, radii, strict=True)):
        across = across - direction * (across @ direction)
        across /= np.linalg.norm(across)
        upward = np.cross(direction, across)
        rings[place] = centre + size * (np.cos(angle)[:, None] * across + np.sin(angle)[:, None] * upward)
    return loft(rings)


def bar(start: Sequence[float], end: Sequence[float], radius: float, end_radius: float | None = None) -> Soup:
    """A straight round bar, tapered to `end_radius`."""
    radii = np.array([radius, radius if end_radius is None else end_radius])
    return tube(np.array([start, end], float), radii)


def rectangle(width: float, depth: float, corner: float = 0.0, steps: int = 4) -> np.ndarray:
    """The outline of a rectangle about the origin with round corners of that radius, float (n, 2)."""
    if corner <= 0:
        return np.array([(-width, -depth), (width, -depth), (width, depth), (-width, depth)]) / 2
    corner = min(corner, 0.499 * width, 0.499 * depth)
    angle = np.linspace(0, np.pi / 2, steps + 1)
    arc = corner * np.column_stack([np.cos(angle), np.sin(angle)])
    x, y = width / 2 - corner, depth / 2 - corner
    arcs = []
    for centre in ((x, y), (-x, y), (-x, -y), (x, -y)):
        arcs.append(arc + centre)
        arc = np.column_stack([-arc[:, 1], arc[:, 0]])
    return np.concatenate(arcs)


def ellipse(width: float, depth: float, sides: int = SIDES) -> np.ndarray:
    """The outline of an ellipse about the origin, float (sides, 2)."""
    angle = np.arange(sides) * (2 * np.pi / sides)
    return np.column_stack([np.cos(angle) * width / 2, np.sin(angle) * depth / 2])


def move(soup: Soup, by: Sequence[float]) -> Soup:
    return soup + np.asarray(by, float)


def stand(soup: Soup) -> Soup:
    """Set upright: its y axis becomes z, and its z axis -y, the front."""
    return np.stack([soup[..., 0], -soup[..., 2], soup[..., 1]], -1)


def lean(soup: Soup, angle: float, pivot: Sequence[float]) -> Soup:
    """Turned about the x axis through `pivot`; a positive angle (radians) leans the top towards +y, backwards."""
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[1, 0, 0], [0, cosine, sine], [0, -sine, cosine]])
    return np.asarray((soup - pivot) @ turn.T + pivot)


def spin(soup: Soup, angle: float) -> Soup:
    """Turned about the z axis by an angle in radians, counter-clockwise seen from above."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.asarray(soup @ np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]]))
