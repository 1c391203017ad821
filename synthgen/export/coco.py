"""Rows as COCO instance annotations, with their images as files; written row by row, so memory does not grow.

Knows images and masks: neither tasks nor Parquet.

    write_coco(folder / "coco", rows, ("background", "nucleus", "stain"), info={"description": "tissue"})
    COCO(folder / "coco/annotations/instances_train.json")      # images lie in coco/train/
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from PIL import Image
from scipy import ndimage

PNG = b"\x89PNG\r\n\x1a\n"


def write_coco(
    folder: Path,
    rows: Iterable[Mapping[str, Any]],
    classes: Sequence[str],
    *,
    split: str = "train",
    background: int | None = 0,
    ignore: int | None = None,
    info: Mapping[str, Any] | None = None,
    license: str = "unknown",
) -> dict[str, int]:
    """Writes folder/<split>/*.png and folder/annotations/instances_<split>.json; gives back how many of each.

    A row has "image": uint8 (H, W), (H, W, C) or PNG bytes, and "mask": integers (H, W) or PNG bytes; a row without
    masks has "objects": [{"class": index, "box": [x, y, w, h]}]. With a mask, an annotation is one 4-connected region
    of one class, as run lengths (exact for holes and single pixels). A class's category id is its index in `classes`;
    `background` is no category and `ignore` no object. Raises ValueError for a mask of another size than its image.
    """
    images, annotations = folder / split, folder / "annotations"
    images.mkdir(parents=True, exist_ok=True)
    annotations.mkdir(parents=True, exist_ok=True)
    target = annotations / f"instances_{split}.json"
    partial, spool = annotations / f".{split}.json.tmp", annotations / f".{split}.spool.tmp"
    categories = [
        {"id": value, "name": name, "supercategory": ""} for value, name in enumerate(classes) if value != background
    ]
    head = {
        "info": {"description": "", "version": "1.0", **(info or {})},
        "licenses": [{"id": 1, "name": license, "url": ""}],
        "categories": categories,
    }
    drawn = {value for value in range(len(classes)) if value not in (background, ignore)}
    with partial.open("w", encoding="utf-8") as out, spool.open("w+", encoding="utf-8") as held:
        out.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "images": [')
        count = _write_rows(out, held, rows, images, drawn)
        out.write('], "annotations": [')
        held.seek(0)
        for line in held:
            out.write(line)
        out.write("]}\n")
    spool.unlink()
    os.replace(partial, target)
    return count


def regions(mask: np.ndarray, values: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
    """(class value, bool (H, W)) of every 4-connected region, by class and then from the top left."""
    for value in sorted(set(values) & set(np.unique(mask).tolist())):
        labelled, _ = ndimage.label(mask == value)
        for number, window in enumerate(ndimage.find_objects(labelled), start=1):
            region = np.zeros(mask.shape, bool)
            region[window] = labelled[window] == number
            yield value, region


def run_lengths(region: np.ndarray) -> dict[str, list[int]]:
    """COCO's uncompressed run lengths of bool (H, W): column by column, beginning with what is outside."""
    flat = region.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    counts = np.diff(np.concatenate([[0], changes, [flat.size]])).tolist()
    return {"size": [int(side) for side in region.shape], "counts": [0, *counts] if flat[0] else counts}


def _write_rows(
    out: TextIO, held: TextIO, rows: Iterable[Mapping[str, Any]], images: Path, drawn: set[int]
) -> dict[str, int]:
    count, total = 0, 0
    for count, row in enumerate(rows, start=1):
        name = f"{count:08d}.png"
        height, width = _write_image(images / name, row["image"])
        record = {"id": count, "file_name": name, "width": width, "height": height, "license": 1}
        out.write((", " if count > 1 else "") + json.dumps(record))
        for annotation in _annotations(row, drawn, (height, width), count):
            total += 1
            line = json.dumps({"id": total, "image_id": count, "iscrowd": 0, **annotation})
            held.write((",\n" if total > 1 else "") + line)
    return {"images": count, "annotations": total}


def _annotations(
    row: Mapping[str, Any], drawn: set[int], size: tuple[int, int], number: int
) -> Iterator[dict[str, Any]]:
    if row.get("mask") is None:
        yield from (_boxed(item) for item in row.get("objects") or [] if int(item["class"]) in drawn)
        return
    mask = _array(row["mask"])
    if mask.shape != size:
        raise ValueError(f"row {number}: the mask is {mask.shape}, but its image {size}")
    for value, region in regions(mask, drawn):
        yield {"category_id": value, "segmentation": run_lengths(region), **_extent(region)}


def _extent(region: np.ndarray) -> dict[str, Any]:
    ys, xs = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
    left, top = int(xs[0]), int(ys[0])
    return {"bbox": [left, top, int(xs[-1]) - left + 1, int(ys[-1]) - top + 1], "area": int(region.sum())}


def _boxed(item: Mapping[str, Any]) -> dict[str, Any]:
    x, y, width, height = (float(side) for side in item["box"])
    corners = [x, y, x + width, y, x + width, y + height, x, y + height]
    area = float(item.get("area") or width * height)
    return {
        "category_id": int(item["class"]),
        "segmentation": [corners],
        "bbox": [x, y, width, height],
        "area": area,
    }


def _write_image(path: Path, image: np.ndarray | bytes) -> tuple[int, int]:
    """Gives back (height, width)."""
    if isinstance(image, bytes) and image.startswith(PNG):
        path.write_bytes(image)
        return int.from_bytes(image[20:24], "big"), int.from_bytes(image[16:20], "big")
    pixels = _array(image)
    plane = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels
    Image.fromarray(np.ascontiguousarray(plane)).save(path, "PNG", compress_level=1)
    return int(plane.shape[0]), int(plane.shape[1])


def _array(image: np.ndarray | bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(image))) if isinstance(image, bytes) else np.asarray(image)
