"""The parts of point clouds: how many points each has, and the boxes around them along the axes. Knows arrays only.

counts = count_parts(part, parts=3)  # int64 (N, 3)
boxes = bound_parts(points, part, parts=3)  # float32 (N, 3, 2, 3): of each part the lower and the upper corner
middle, half = split_boxes(boxes)  # each (N, 3, 3)
"""

from __future__ import annotations

import numpy as np


def count_parts(part: np.ndarray, parts: int) -> np.ndarray:
    """int64 (N, parts): points of each part in `part` (N, P)."""
    return np.stack([(part == k).sum(1) for k in range(parts)], 1)


def sort_by_part(points: np.ndarray, part: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (N · P, 3) row by row and in each row part by part, their parts (N, P), and where each part of each row
    begins among the points, int64."""
    order = np.argsort(part, axis=1, kind="stable")
    flat = np.take_along_axis(points, order[..., None], 1).reshape(-1, 3)
    numbers = np.take_along_axis(part, order, 1)
    return flat, numbers, np.flatnonzero(np.diff(numbers.astype(np.int64), axis=1, prepend=-1))


def bound_parts(points: np.ndarray, part: np.ndarray, parts: int) -> np.ndarray:
    """float32 (N, parts, 2, 3): lower and upper corner of each part of points (N, P, 3) with numbers `part` (N, P).

    Zeros for a part without points.
    """
    rows, count = part.shape
    flat, numbers, starts = sort_by_part(points, part)
    boxes = np.zeros((rows, parts, 2, 3), np.float32)
    at = starts // max(count, 1), numbers.ravel()[starts]
    if len(starts):
        boxes[(*at, 0)], boxes[(*at, 1)] = np.minimum.reduceat(flat, starts), np.maximum.reduceat(flat, starts)
    return boxes


def split_boxes(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(middles, half sides), each (…, 3), of boxes (…, 2, 3)."""
    return (boxes[..., 0, :] + boxes[..., 1, :]) / 2, (boxes[..., 1, :] - boxes[..., 0, :]) / 2
