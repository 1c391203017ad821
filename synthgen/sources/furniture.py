"""The built-in source of 3D shapes: parametric objects with named parts, drawn from scratch. Knows no files.

How a class is made stands in `carpentry`. Row i of a part depends on (seed, i) alone; classes take turns.

    build_object("chair", np.random.default_rng(0))      # [("seat", <Trimesh>), ("leg", <Trimesh>), ...]
    draw_objects(12, 1024, seed=0, stream="furniture train")["points"].shape         # (12, 1024, 3)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..diffusion.noise import row_generator
from ..soups import frame_points, measure_areas, sample_surface
from ..types import Columns, Data, Origin
from .carpentry import BUILDERS
from .splits import HELDOUT_SEED, VALIDATION_SEED

if TYPE_CHECKING:
    import trimesh

CLASSES = tuple(BUILDERS)
PARTS_OF_CLASS = {
    "chair": ("seat", "backrest", "leg", "armrest"),
    "table": ("top", "leg", "board"),
    "lamp": ("base", "pole", "shade"),
    "shelf": ("board", "side", "back"),
    "mug": ("body", "handle", "bottom"),
    "car": ("body", "cabin", "wheel"),
    "bed": ("frame", "mattress", "headboard", "pillow", "leg"),
    "sofa": ("seat", "backrest", "armrest", "leg"),
}
PARTS = tuple(dict.fromkeys(part for parts in PARTS_OF_CLASS.values() for part in parts))

TRAIN_ROWS, VALIDATION_ROWS, HELDOUT_ROWS = 1200, 200, 400
LEAST_POINTS = 8  # of every part that is there

ORIGIN = Origin(
    name="furniture: parametric objects drawn by synthgen",
    license="CC0-1.0",
    citation="drawn by the program itself (synthgen.sources.furniture); no data of others went in",
    labels="exact, from the construction: every point knows the part that it was drawn on",
    splits="objects are drawn anew for each part, train by the recipe's seed, validation and held-out by fixed numbers",
    notes=("surfaces that lie hidden inside another part, such as the end of a leg in a seat, also have points",),
)


def load_furniture(rows: int | None, points: int, seed: int) -> Data:
    """`rows` training objects (1,200 by default) of `points` points each; validation and held-out ignore the seed."""
    return Data(
        train=draw_objects(rows or TRAIN_ROWS, points, seed, "furniture train"),
        validation=draw_objects(VALIDATION_ROWS, points, VALIDATION_SEED, "furniture validation"),
        heldout=draw_objects(HELDOUT_ROWS, points, HELDOUT_SEED, "furniture heldout"),
        classes=CLASSES,
        origin=ORIGIN,
        details={
            "parts": PARTS,
            "points": points,
            "parts_of": {name: tuple(PARTS.index(part) for part in parts) for name, parts in PARTS_OF_CLASS.items()},
        },
    )


def draw_objects(count: int, points: int, seed: int, stream: str) -> Columns:
    """points float32 (N, P, 3), part uint8 (N, P), label int64 (N,), size float32 (N,), center float32 (N, 3).

    points: at least 8 for each of the parts of a class. Sizes and centres are in metres.
    """
    columns: Columns = {
        "points": np.empty((count, points, 3), np.float32),
        "part": np.empty((count, points), np.uint8),
        "label": np.arange(count, dtype=np.int64) % len(CLASSES),
        "size": np.empty(count, np.float32),
        "center": np.empty((count, 3), np.float32),
    }
    for row, label in enumerate(columns["label"].tolist()):
        generator = row_generator(seed, row, stream)
        pieces = BUILDERS[CLASSES[label]](generator)
        owner = np.repeat([PARTS.index(part) for part, _ in pieces], [len(soup) for _, soup in pieces])
        soup = np.concatenate([soup for _, soup in pieces])
        drawn, columns["part"][row] = sample_surface(soup, owner, points, generator, LEAST_POINTS)
        columns["points"][row], columns["size"][row], columns["center"][row] = frame_points(drawn)
    return columns


def build_object(name: str, generator: np.random.Generator) -> list[tuple[str, trimesh.Trimesh]]:
    """An object of the class `name` as closed meshes in metres, each with the part it belongs to (a leg at a time)."""
    import trimesh

    built = []
    for part, soup in BUILDERS[name](generator):
        solid = soup[measure_areas(soup) > 0]
        built.append((part, trimesh.Trimesh(solid.reshape(-1, 3), np.arange(3 * len(solid)).reshape(-1, 3))))
    return built
