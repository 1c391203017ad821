"""Scenes as a second configuration that `load_dataset` reads."""

from __future__ import annotations

import datasets
import numpy as np

from synthgen.export.header import card_header
from synthgen.export.scenes import write_scenes


def scene(objects: int, seed: int) -> dict:
    generator = np.random.Generator(np.random.Philox(seed))
    points = 8 * objects
    return {
        "points": generator.normal(size=(points, 3)).astype(np.float32),
        "object": np.repeat(np.arange(1, objects + 1), 8).astype(np.uint8),
        "class": np.repeat(np.arange(objects) % 2, 8).astype(np.int64),
        "part": np.zeros(points, np.uint8),
        "boxes": [{"class": k % 2, "center": [0, 0, 1], "extents": [1, 2, 3], "yaw": 0.5} for k in range(objects)],
        "shapes": list(range(objects)),
        "camera": {"intrinsics": np.eye(3), "extrinsics": np.eye(4), "width": 6, "height": 4},
        "depth": generator.random((4, 6)).astype(np.float32),
        "instance": generator.integers(0, objects + 1, (4, 6)).astype(np.uint8),
    }


def test_scenes_come_back_as_they_were(tmp_path) -> None:
    made = [scene(2 + number % 3, number) for number in range(60)]
    names = {"classes": ("chair", "table"), "parts": ("leg",)}
    assert write_scenes(tmp_path / "scenes", iter(made), split="train", **names) == 60
    features = datasets.Features({"label": datasets.Value("int32")})
    (tmp_path / "data").mkdir()
    datasets.Dataset.from_dict({"label": [1, 2]}, features=features).to_parquet(tmp_path / "data" / "train-0.parquet")
    header = card_header("x", features, {"train": {"num_examples": 2}}, {}, "mit", (), ["scenes"])
    (tmp_path / "README.md").write_text(f"---\n{header.to_yaml()}\n---\n")
    read = datasets.load_dataset(str(tmp_path), "scenes", split="train", cache_dir=str(tmp_path / "cache"))
    assert len(read) == 60 and read.features["class"].feature.names == ["chair", "table"]
    for number in (0, 59):
        row, wanted = read[number], made[number]
        np.testing.assert_allclose(row["points"], wanted["points"])
        np.testing.assert_allclose(row["depth"], wanted["depth"])
        np.testing.assert_array_equal(np.asarray(row["instance"]), wanted["instance"])
        assert row["boxes"] == wanted["boxes"] and row["object"] == wanted["object"].tolist()
    rows = datasets.load_dataset(str(tmp_path), split="train", cache_dir=str(tmp_path / "cache"))
    assert rows["label"][:] == [1, 2]
