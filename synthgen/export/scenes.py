"""Scenes as a second configuration of a dataset: `load_dataset(folder, "scenes")`. Knows no geometry.

write_scenes(folder, scenes, split="train", classes=("chair", "table"), parts=("leg", "seat"))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from .parquet import ShardedWriter, encode_png, rows_to_table

SCENES_PER_FILE = 2000
BATCH = 50  # scenes in memory at once


def scene_features(classes: Sequence[str], parts: Sequence[str]) -> datasets.Features:
    """Depth is metres along the camera's z, or whatever unit the objects have; 0: nothing is seen there."""
    number, whole = datasets.Value("float32"), datasets.Value("int32")
    vector, row = datasets.List(number, length=3), datasets.List(number)
    named = datasets.ClassLabel(names=list(classes))
    return datasets.Features({
        "points": datasets.List(vector),
        "object": datasets.List(datasets.Value("uint8")),
        "class": datasets.List(named),
        "part": datasets.List(datasets.ClassLabel(names=list(parts))),
        "boxes": [{"class": named, "center": vector, "extents": vector, "yaw": number}],
        "camera": {
            "intrinsics": datasets.List(vector, length=3),
            "extrinsics": datasets.List(datasets.List(number, length=4), length=4),
            "width": whole,
            "height": whole,
        },
        "depth": datasets.List(row),
        "instance": datasets.Image(mode="L"),
    })  # fmt: skip


def write_scenes(
    folder: Path, scenes: Iterable[Mapping[str, Any]], *, split: str, classes: Sequence[str], parts: Sequence[str]
) -> int:
    """folder/<split>-0000i-of-0000N.parquet; gives back the number of scenes."""
    features = scene_features(classes, parts)
    writer = ShardedWriter(folder, split, features, SCENES_PER_FILE)
    batch: list[dict[str, Any]] = []
    count = 0
    for scene in scenes:
        batch.append(_encode(scene))
        count += 1
        if len(batch) == BATCH:
            writer.add(_table(batch, features))
            batch = []
    if batch:
        writer.add(_table(batch, features))
    writer.close()
    return count


def _encode(scene: Mapping[str, Any]) -> dict[str, Any]:
    camera = {name: np.asarray(value).tolist() for name, value in scene["camera"].items()}
    flat = {name: scene[name].tolist() for name in ("points", "object", "class", "part", "depth")}
    return {**flat, "boxes": scene["boxes"], "camera": camera, "instance": encode_png(scene["instance"])}


def _table(batch: list[dict[str, Any]], features: datasets.Features) -> Any:
    return rows_to_table({name: [row[name] for row in batch] for name in features}, features, {})
