"""Objects of a mask: its connected regions, as boxes. Knows class ids only; background (0) and ignore are no objects.

find_objects(mask, classes=3)        # [{"class": 1, "box": [x, y, width, height], "area": 57}, …]
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage
from skimage.measure import label

APART = 1 << 20  # more than any class id


def number_regions(masks: np.ndarray) -> np.ndarray:
    """Number the 4-connected regions of equal value in masks (N, H, W), all masks in one pass: int (N, H, W) from 1.

    Numbers rise in raster order of a region's first pixel, mask by mask.
    """
    count, height, width = masks.shape
    odd = (np.arange(count, dtype=np.int32) % 2)[:, None, None]
    tower = (masks.astype(np.int32) + APART * odd).reshape(count * height, width)  # neighbouring masks never join
    return np.asarray(label(tower, connectivity=1, background=-1)).reshape(masks.shape)


def annotate_masks(masks: np.ndarray, classes: int) -> np.ndarray:
    """Objects of each mask (N, H, W): object (N,), a list of {"class", "box", "area"} a mask.

    Boxes are [x, y, width, height] in pixels, areas pixels. Objects come in raster order of their first pixel. Values
    from `classes` on (ignore) are no objects.
    """
    found: list[list[dict[str, Any]]] = [[] for _ in masks]
    if masks.size:
        count, height, width = masks.shape
        tower = number_regions(masks).reshape(count * height, width)
        areas = np.bincount(tower.ravel()).tolist()
        values = np.zeros(len(areas), np.int64)
        values[tower.ravel()] = masks.ravel()
        kinds = values.tolist()
        for number, (rows, columns) in enumerate(ndimage.find_objects(tower), start=1):
            if 0 < kinds[number] < classes:
                which, y = divmod(rows.start, height)
                box = [columns.start, y, columns.stop - columns.start, rows.stop - rows.start]
                found[which].append({"class": kinds[number], "box": box, "area": areas[number]})
    out = np.empty(len(masks), object)
    out[:] = found
    return out


def find_objects(mask: np.ndarray, classes: int) -> list[dict[str, Any]]:
    """Objects of one mask (H, W), as in `annotate_masks`."""
    objects: list[dict[str, Any]] = annotate_masks(mask[None], classes)[0]
    return objects
