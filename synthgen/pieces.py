"""The connected pieces of the parts of point clouds: a chair's four legs, a shelf's boards. Knows arrays only.

piece = find_pieces(points, part)  # uint8 (N, P): 0, 1, ... within each part
count_pieces(part, piece, parts=2)  # int64 (N, 2): 1 seat, 4 legs
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

LINKED = 4.0  # times the median distance to the nearest point of the same part: such points are of one piece
TOUCHING = 0.15  # in half diagonals of the object: so near are neighbours where a part has few points
STRAYS = 0.02  # a piece with a smaller share of its part's points is none
USUAL, MOST = 0.99, 8  # a part in more pieces than this share of its rows have, or than so many, counts as one
CELL = 0.2  # middles of pieces that are so near along an axis count as level


def split_part(points: np.ndarray) -> np.ndarray:
    """int64 (n,): the number of the piece of each point (n, 3) of one part, from below upwards, then left to right.

    Points closer than four times the median distance to the nearest one, or than 0.15, are connected. Pieces of fewer
    than 2 % of the points are strays and go to the piece with the nearest middle.
    """
    count = len(points)
    if count < 3:
        return np.zeros(count, np.int64)
    tree = cKDTree(points)
    reach = max(LINKED * float(np.median(tree.query(points, k=2)[0][:, 1])), TOUCHING)
    i, j = tree.query_pairs(reach, output_type="ndarray").T
    pieces, own = connected_components(coo_array((np.ones(len(i), bool), (i, j)), (count, count)), directed=False)
    if pieces == 1:
        return np.zeros(count, np.int64)
    size = np.bincount(own)
    middles = np.stack([np.bincount(own, points[:, axis]) / size for axis in range(3)], 1)
    large = np.flatnonzero(size >= STRAYS * count)
    level = np.round(middles[large] / CELL)
    large = large[np.lexsort((level[:, 1], level[:, 0], level[:, 2]))]
    apart = np.square(middles[:, None] - middles[large]).sum(2)
    place = apart.argmin(1)
    place[large] = np.arange(len(large))
    return place[own]


def find_pieces(points: np.ndarray, part: np.ndarray) -> np.ndarray:
    """uint8 (N, P): the piece of each of points (N, P, 3), counted within its part (N, P); at most 255."""
    found = np.zeros(part.shape, np.uint8)
    for row in range(len(part)):
        for k in np.flatnonzero(np.bincount(part[row])).tolist():
            there = part[row] == k
            found[row, there] = split_part(points[row][there]).clip(max=255)
    return found


def count_pieces(part: np.ndarray, piece: np.ndarray, parts: int) -> np.ndarray:
    """int64 (N, parts): of each row, how many pieces each part has; `piece` is counted within the part."""
    return np.stack([np.where(part == k, piece.astype(np.int64) + 1, 0).max(1) for k in range(parts)], 1)


def choose_limits(counts: np.ndarray, room: int) -> tuple[int, ...]:
    """How many pieces of each part are told apart, from counts (N, parts) in training rows, 0 for a part that a row
    lacks: as many as 99 % of the rows with the part have at most, and 8 at most; 1 for every part where all together
    would be more than `room`."""
    usual = [np.quantile(own[own > 0], USUAL, method="lower") if own.any() else 1 for own in counts.T]
    most = np.clip(usual, 1, MOST).astype(np.int64)
    return tuple(int(m) for m in (most if most.sum() <= room else np.ones_like(most)))
