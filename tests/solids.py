"""Rows for the tests of 3D shapes: tables, chairs and lamps out of boxes and drums, in the columns of real rows.

data = make_solids(rows=60, points=128, seed=0)     # a third of the rows in each part
"""

import numpy as np

from synthgen.labels.pieces import add_pieces
from synthgen.types import Columns, Data, Origin, take_rows

CLASSES = ("table", "chair", "lamp")
PARTS = ("top", "leg", "seat", "back", "armrest", "base", "pole", "shade")
ORIGIN = Origin("made up", "CC0-1.0", "none", "by construction", "none")
Solid = tuple[str, str, np.ndarray, np.ndarray]  # part, kind, centre, half sides


def make_solids(rows: int, points: int, seed: int = 0) -> Data:
    columns = make_rows(rows, points, seed)
    third = rows // 3
    parts = [take_rows(columns, slice(start, start + third)) for start in (0, third, 2 * third)]
    return add_pieces(Data(*parts, CLASSES, ORIGIN, details={"parts": PARTS, "points": points}))


def make_rows(rows: int, points: int, seed: int = 0, again: int = 0) -> Columns:
    """`again`: another sampling of the same objects."""
    found: dict[str, list] = {name: [] for name in ("points", "part", "label", "size", "center")}
    for row in range(rows):
        solids = design(row % 3, np.random.default_rng((seed, row)))
        xyz, part = sample(solids, points, np.random.default_rng((seed, row, again, 7)))
        centre = (xyz.min(0) + xyz.max(0)) / 2
        size = np.linalg.norm(xyz.max(0) - xyz.min(0)) / 2
        values = ((xyz - centre) / size, part, row % 3, size, centre)
        for name, value in zip(found, values, strict=True):
            found[name].append(value)
    kinds = {"part": np.uint8, "label": np.int64}
    return {name: np.array(values).astype(kinds.get(name, np.float32)) for name, values in found.items()}


def design(label: int, draw: np.random.Generator) -> list[Solid]:
    wide, deep, high = draw.uniform([0.4, 0.3, 0.3], [1.0, 0.6, 0.8]) / 2
    thick = draw.uniform(0.01, 0.04)
    if CLASSES[label] == "lamp":
        foot, shade = draw.uniform(0.05, 0.2, 2)
        return [
            ("base", "drum", np.array([0, 0, 0.02]), np.array([foot, foot, 0.02])),
            ("pole", "drum", np.array([0, 0, high]), np.array([0.02, 0.02, high])),
            ("shade", "drum", np.array([0, 0, 2 * high]), np.array([shade, shade, draw.uniform(0.05, 0.15)])),
        ]
    if CLASSES[label] == "chair":
        wide, deep, high = 0.22, 0.22, draw.uniform(0.18, 0.25)
    legs = [
        ("leg", "box", np.array([x * (wide - thick), y * (deep - thick), high]), np.array([thick, thick, high]))
        for x in (-1, 1)
        for y in (-1, 1)
    ]
    flat = np.array([0, 0, 2 * high + thick]), np.array([wide, deep, thick])
    if CLASSES[label] == "table":
        return [*legs, ("top", "box", *flat)]
    tall = draw.uniform(0.15, 0.35)
    back = ("back", "box", np.array([0, deep, 2 * high + tall]), np.array([wide, 0.02, tall]))
    arms = [("armrest", "box", np.array([x * wide, 0, 2 * high + 0.2]), np.array([0.02, deep, 0.02])) for x in (-1, 1)]
    return [*legs, ("seat", "box", *flat), back, *(arms if draw.random() < 0.5 else [])]


def sample(solids: list[Solid], points: int, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points (P, 3) on the surfaces, by area, in no order; and their parts (P,)."""
    area = np.array([8 * (h[0] * h[1] + h[1] * h[2] + h[2] * h[0]) for _, _, _, h in solids])
    which = draw.choice(len(solids), points, p=area / area.sum())
    which[: len(solids)] = np.arange(len(solids))
    middle, half = (np.array([solid[k] for solid in solids])[which] for k in (2, 3))
    faces = np.stack([half[:, 1] * half[:, 2], half[:, 0] * half[:, 2], half[:, 0] * half[:, 1]], 1)
    axis = (draw.random((points, 1)) > np.cumsum(faces, 1) / faces.sum(1, keepdims=True)).sum(1).clip(max=2)
    at = draw.uniform(-1, 1, (points, 3))
    at[np.arange(points), axis] = draw.choice([-1, 1], points)
    drum = np.array([solid[1] == "drum" for solid in solids])[which]
    turn, reach = draw.uniform(0, 2 * np.pi, points), np.where(axis == 2, np.sqrt(draw.random(points)), 1)
    disc = reach[:, None] * np.stack([np.cos(turn), np.sin(turn)], 1)
    at[:, :2] = np.where(drum[:, None], disc, at[:, :2])
    part = np.array([PARTS.index(solid[0]) for solid in solids])[which]
    return middle + half * at, part
