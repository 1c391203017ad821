"""Small real sources on disk, made for each test."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image


def png(pixels: np.ndarray) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def noise(count: int, *shape: int, seed: int = 0) -> list[np.ndarray]:
    """Images that differ from each other."""
    generator = np.random.Generator(np.random.Philox(key=seed))
    return list(generator.integers(0, 256, (count, *shape), dtype=np.uint8))


def halves(count: int, height: int, width: int, top: int = 1) -> list[np.ndarray]:
    """Masks with 0 on the left and `top` on the right, the border differing from mask to mask."""
    masks = [np.zeros((height, width), np.uint8) for _ in range(count)]
    for number, mask in enumerate(masks):
        mask[:, width // 2 + number % 3 - 1 :] = top
    return masks


@pytest.fixture
def make_png() -> Any:
    return png


@pytest.fixture
def make_noise() -> Any:
    return noise


@pytest.fixture
def make_halves() -> Any:
    return halves


@pytest.fixture
def write_parquet() -> Any:
    """Write records whose images are bytes as a table with the features of `datasets`."""

    def write(file: Path, columns: dict[str, list[Any]], names: dict[str, list[str]] | None = None) -> Path:
        arrays: dict[str, Any] = {}
        struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        features: dict[str, Any] = {}
        for column, values in columns.items():
            if column in ("image", "mask"):
                arrays[column] = pa.array(
                    [{"bytes": v, "path": None} if isinstance(v, bytes) else v for v in values], struct
                )
                features[column] = {"_type": "Image"}
            else:
                arrays[column] = pa.array(values)
                features[column] = {"dtype": "int64", "_type": "Value"}
        for column, words in (names or {}).items():
            features[column] = {"names": words, "_type": "ClassLabel"}
        metadata = {"huggingface": json.dumps({"info": {"features": features}})}
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(arrays).replace_schema_metadata(metadata), file)
        return file

    return write


@pytest.fixture
def labelled(write_parquet: Any, tmp_path: Path) -> Any:
    """A folder with train.parquet and perhaps test.parquet: grey noise of `side` pixels, classes in turn."""

    def make(train: int = 40, test: int = 0, classes: int = 2, side: int = 8, names: bool = True) -> Path:
        folder = tmp_path / "pictures"
        words = {"label": [f"kind {number}" for number in range(classes)]} if names else None
        for part, count, seed in (("train", train, 0), ("test", test, 1)):
            if count:
                columns = {
                    "image": [png(image) for image in noise(count, side, side, seed=seed)],
                    "label": [row % classes for row in range(count)],
                }
                write_parquet(folder / f"{part}.parquet", columns, words)
        return folder

    return make
