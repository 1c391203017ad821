"""Point clouds with a part for each point <-> sequences of about unit variance that a net over tokens can learn.

A cloud has no order, a sequence has one: points stand piece by piece, and inside a piece along Hilbert's curve through
its box, so that neighbours in the sequence are neighbours in space and the same place of a row is about the same place
of the object in every row. Coordinates are those inside the piece's box, in half sides of it: a board of 2 cm has its
two faces as far apart as a wardrobe its walls. Knows no poses: points are in the object's own frame.

    codec = fit_points_codec(data.train, pieces=data.details["pieces"])     # the part of each piece
    x = codec.encode(rows)                # (B, P, 3)
    codec.decode(x, rows)["points"]       # float32 (B, P, 3), in the order of the codec, `part` with it
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from ..boxes import bound_parts, count_parts, split_boxes
from ..diffusion.process import FLOW
from ..types import Columns, Condition, Process, WholeRows, thin_rows

BOX, PLACE = 6, 10  # channels that tell of a point's box, and of its place in the piece
FLAT = 0.004  # half a side of the thinnest box, in units of the object's size
BITS = 6  # of the curve's cells along each axis: 64, finer than 1,024 points on a surface lie apart
FIT_ROWS = 5000
NODES = 5  # of a descriptor's grid along each axis
REACH = 0.75  # its outer nodes: few points of any object lie farther from its middle along an axis
BOXES = 21  # parts whose boxes are in a descriptor, which then has 125 + 6 x 21 values
TAIL = 0.02  # of a part's points on either side of its box, so that a few stray ones do not move it
FAR = 2.0  # no point of an object lies so far out


@dataclass(frozen=True)
class PointsCodec(WholeRows):
    """x = scale · (points − middle) / half side, of the box of the point's piece."""

    process: ClassVar[Process] = FLOW
    shape: tuple[int, int]  # (P, 3)
    pieces: tuple[int, ...]  # the part of each piece
    scale: float
    size_mean: float  # of the logarithm of the training rows' sizes
    size_sd: float

    @property
    def parts(self) -> int:
        return max(self.pieces) + 1

    @property
    def told(self) -> int:
        """Channels that are known of each point."""
        return self.parts + BOX + PLACE

    def encode(self, columns: Columns) -> torch.Tensor:
        """float32 (B, P, 3), the points of each row ordered by piece and place."""
        points, piece = columns["points"], columns["piece"]
        middle, half = _frames(self._boxes(columns), piece)
        inside = (points - middle) / np.maximum(half, FLAT)
        order = order_points(inside, piece)
        return torch.from_numpy(np.take_along_axis(inside, order[..., None], 1) * np.float32(self.scale))

    def condition(self, columns: Columns) -> Condition:
        """ "label" int64 (B,); "elements" float32 (B, P, told), for each point in the order of the codec its part, the
        piece's box and the point's place among the piece's points; and "vector" float32 (B, 1): the logarithm of
        the size, in standard deviations from the mean of training rows."""
        piece = np.sort(columns["piece"], 1)
        part = np.array(self.pieces, np.uint8)[piece]
        middle, half = _frames(self._boxes(columns), piece)
        box = np.concatenate([middle * 2, np.log(np.maximum(half, FLAT)) * 0.7 + 1.2], 2)
        known = [np.eye(self.parts, dtype=np.float32)[part], box, _places(piece, len(self.pieces))]
        size = (np.log(columns["size"].astype(np.float64)) - self.size_mean) / self.size_sd
        return {
            "label": torch.from_numpy(columns["label"]).long(),
            "elements": torch.from_numpy(np.concatenate(known, 2).astype(np.float32)),
            "vector": torch.from_numpy(size.astype(np.float32)[:, None]),
        }

    def decode(self, x: torch.Tensor, columns: Columns) -> Columns:
        """`columns` with "points" float32 (B, P, 3), "piece" and "part" uint8 (B, P), all in the order of the codec.

        Points that would lie outside their piece's box are put on its surface.
        """
        piece = np.sort(columns["piece"], 1)
        part = np.array(self.pieces, np.uint8)[piece]
        middle, half = _frames(self._boxes(columns), piece)
        away = x.float().numpy() / np.float32(self.scale) * np.maximum(half, FLAT)
        return {**columns, "points": (middle + away.clip(-half, half)).astype(np.float32), "piece": piece, "part": part}

    def _boxes(self, columns: Columns) -> np.ndarray:
        """The boxes that are asked for, or those that the points have."""
        boxes = columns.get("boxes")
        return bound_parts(columns["points"], columns["piece"], len(self.pieces)) if boxes is None else boxes

    def describe(self, columns: Columns) -> np.ndarray:
        """float32 (N, 125 + 6 x parts, at most 251), whatever the order of the points: see `describe_clouds`."""
        return describe_clouds(columns["points"], columns["part"], self.parts)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1))


def describe_clouds(points: np.ndarray, part: np.ndarray, parts: int) -> np.ndarray:
    """float32 (N, 125 + 6 x parts, at most 251) of points (N, P, 3) with parts (N, P), whatever their order.

    The roots of the share of points near each node of a 5x5x5 grid (roots have the same sampling noise everywhere:
    Euclidean distance is Hellinger's), and the box of each part. Another sampling of an object was nearer than the
    nearest other object with probability 0.92 for made-up tables, chairs and lamps; with the grid alone, 0.82.
    """
    found = []
    for start in range(0, len(points), 256):
        some, of = points[start : start + 256], part[start : start + 256]
        found.append(np.concatenate([np.sqrt(_share_out(some)), _bound_parts(some, of, min(parts, BOXES))], 1))
    return np.concatenate(found)


def load_points_codec(path: Path) -> PointsCodec:
    state = json.loads(path.read_text())
    return PointsCodec(**{**state, "shape": tuple(state["shape"]), "pieces": tuple(state["pieces"])})


def fit_points_codec(train: Columns, pieces: tuple[int, ...]) -> PointsCodec:
    """Scale and sizes of the training rows, of 5,000 of them at most."""
    rows = thin_rows(train, FIT_ROWS)
    size = np.log(rows["size"].astype(np.float64))
    middle, half = _frames(rows["boxes"], rows["piece"])
    spread = float(np.sqrt(np.square((rows["points"] - middle) / np.maximum(half, FLAT), dtype=np.float64).mean()))
    shape = (rows["points"].shape[1], 3)
    return PointsCodec(shape, pieces, 1 / max(spread, 0.1), float(size.mean()), max(float(size.std()), 1e-3))


def _frames(boxes: np.ndarray, piece: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(middle, half sides) of the box of each point's piece, float32 (N, P, 3)."""
    row = np.arange(len(piece))[:, None]
    middle, half = split_boxes(boxes.astype(np.float32))
    return middle[row, piece], half[row, piece]


def _places(piece: np.ndarray, pieces: int) -> np.ndarray:
    """float32 (N, P, 10): where among the points of its piece each point of `piece` (N, P, ascending) stands, as waves
    of 1, 2, 4 and 8 periods and as a share; and the piece's share of the points."""
    rows, count = piece.shape
    held = count_parts(piece, pieces)
    first = np.cumsum(held, 1) - held
    row, own = np.arange(rows)[:, None], held[np.arange(rows)[:, None], piece]
    share = ((np.arange(count) - first[row, piece] + 0.5) / own).astype(np.float32)
    angle = share[..., None] * (2 * math.pi * 2.0 ** np.arange(4)).astype(np.float32)
    rest = np.stack([share * 2 - 1, np.log(own / count) * 0.5 + 1], 2)
    return np.concatenate([np.sin(angle), np.cos(angle), rest], 2, dtype=np.float32)


def order_points(points: np.ndarray, piece: np.ndarray) -> np.ndarray:
    """int64 (N, P): which point comes first, second, ...: by piece, then along Hilbert's curve through its box.

    points float (N, P, 3) in [-1, 1], piece uint8 (N, P). Points of one cell keep their order. Steps between neighbours
    were 18 % shorter than along Morton's curve (made-up tables, chairs and lamps, their parts undivided).
    """
    side = 1 << BITS
    cell = ((points + 1) * (side / 2)).clip(0, side - 1).astype(np.int32)
    place = curve()[(cell[..., 0] * side + cell[..., 1]) * side + cell[..., 2]]
    return np.argsort((piece.astype(np.int32) << 3 * BITS) + place, axis=1, kind="stable")


@cache
def curve() -> np.ndarray:
    """int32 (64³,): the place of cell (i, j, k), at (i · 64 + j) · 64 + k, on Hilbert's curve.

    J. Skilling 2004, "Programming the Hilbert curve", AIP Conf. Proc. 707, 381, all cells at once.
    """
    axes = np.indices((1 << BITS,) * 3, np.int32).reshape(3, -1)
    for bit in reversed(range(1, BITS)):
        low = (1 << bit) - 1
        for axis in range(3):
            there = (axes[axis] >> bit & 1).astype(bool)
            swap = np.where(there, 0, (axes[0] ^ axes[axis]) & low)
            axes[0] ^= np.where(there, low, swap)
            axes[axis] ^= swap
    axes[1] ^= axes[0]
    axes[2] ^= axes[1]
    turn = np.zeros_like(axes[0])
    for bit in range(1, BITS):
        turn ^= np.where(axes[2] >> bit & 1, (1 << bit) - 1, 0)
    axes ^= turn
    place = np.zeros_like(turn)
    for bit in reversed(range(BITS)):
        for axis in range(3):
            place = place << 1 | axes[axis] >> bit & 1
    return place


def _share_out(points: np.ndarray) -> np.ndarray:
    """float32 (N, 125), each row adds up to 1. A point is shared out among the eight nodes around it (trilinear)."""
    rows, count, _ = points.shape
    at = ((points / (2 * REACH) + 0.5) * (NODES - 1)).clip(0, NODES - 1)
    low = np.minimum(at.astype(np.int64), NODES - 2)
    high = at - low
    total = np.zeros(rows * NODES**3)
    first = np.arange(rows)[:, None] * NODES**3
    for corner in np.ndindex(2, 2, 2):
        node = low + np.array(corner)
        weight = np.where(corner, high, 1 - high).prod(2)
        place = first + (node[..., 0] * NODES + node[..., 1]) * NODES + node[..., 2]
        total += np.bincount(place.ravel(), weight.ravel(), len(total))
    return (total.reshape(rows, -1) / count).astype(np.float32)


def _bound_parts(points: np.ndarray, part: np.ndarray, parts: int) -> np.ndarray:
    """float32 (N, 6 * parts): where the box of each part begins and ends on each axis; 0 for parts a row lacks."""
    count = count_parts(part, parts)
    start = np.stack([(part < k).sum(1) for k in range(parts)], 1)
    trim = (TAIL * count).astype(np.int64)
    ends = np.stack([start + trim, start + np.maximum(count - 1, 0) - trim], 2).clip(max=part.shape[1] - 1)
    found = np.empty((len(points), parts, 3, 2), np.float32)
    for axis in range(3):
        # one number holds part and place, so that one plain sort serves both
        held = part * (4 * FAR) + points[..., axis].astype(np.float64).clip(-FAR, FAR)
        held.sort(1)
        bounds = np.take_along_axis(held, ends.reshape(len(points), -1), 1).reshape(ends.shape)
        found[:, :, axis] = np.where(count[..., None] > 0, bounds - np.arange(parts)[:, None] * (4 * FAR), 0)
    return found.reshape(len(points), -1)
