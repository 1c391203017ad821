"""What to draw of a shape: its class, the box of each piece and how many points it has, its size and its pose.

Inventories come from real rows, so that parts that exclude one another (four legs, a pedestal) never meet. Knows counts
of points and the boxes around them, not where in the boxes they are. A piece is what of a part hangs together: one leg.

    labels = build_inventories(data, ShapeConditionOptions(required={"chair": ["armrest"]}), seed=0)
    labels.draw(np.arange(8))  # label (8,), piece uint8 (8, P) ascending, boxes (8, pieces, 2, 3), size (8,), yaw (8,)
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..boxes import bound_parts, count_parts, split_boxes
from ..diffusion.noise import row_generator
from ..errors import UserError
from ..types import Columns, Data
from .class_mix import ClassMix, build_class_mix
from .shape_options import ShapeConditionOptions

NEAR = 5  # rows on either side in size
NEARER = 0.65  # boxes lie between those of a real row and so far on the way to another's


@dataclass(frozen=True)
class Examples:
    """The real rows of one class that may be taken as examples, by size."""

    counts: np.ndarray  # int64 (n, pieces): points of each piece
    boxes: np.ndarray  # float32 (n, pieces, 2, 3): of each piece
    part_counts: np.ndarray  # int64 (n, parts)
    part_boxes: np.ndarray  # float32 (n, parts, 2, 3)
    size: np.ndarray  # float32 (n,), ascending
    kin: tuple[np.ndarray, ...]  # of each row, the rows that have the same parts


@dataclass(frozen=True)
class Inventories:
    """A LabelGenerator of the columns `label`, `piece`, `part`, `boxes`, `size` and `yaw`."""

    mix: ClassMix
    pieces: np.ndarray  # uint8 (pieces,): the part of each
    examples: tuple[Examples | None, ...]  # by class; None for a class that is never drawn
    options: ShapeConditionOptions
    seed: int

    def with_seed(self, seed: int) -> Inventories:
        return replace(self, mix=self.mix.with_seed(seed), seed=seed)

    def draw(self, indices: np.ndarray) -> Columns:
        """label int64 (N,), piece and part uint8 (N, P) ascending, boxes float32 (N, pieces, 2, 3) in the object's own
        frame, size float32 (N,), yaw float32 (N,) in [0, 2π)."""
        label = self.mix.draw(indices)["label"]
        some = next(examples for examples in self.examples if examples is not None)
        piece, boxes = np.empty((len(label), some.counts[0].sum()), np.uint8), []
        size, yaw = np.empty(len(label), np.float32), np.zeros(len(label), np.float32)
        for row, (index, k) in enumerate(zip(indices.tolist(), label.tolist(), strict=True)):
            examples = self.examples[k]
            assert examples is not None, "the mix draws a class without examples"
            u = row_generator(self.seed, index, "shape").random(6)
            counts, layout, size[row] = self._draw_row(examples, u)
            piece[row] = np.repeat(np.arange(len(counts)), counts)
            boxes.append(layout)
            if self.options.yaw == "any":
                yaw[row] = 2 * math.pi * u[5]
        shape = (len(label), *some.boxes.shape[1:])
        return {
            "label": label,
            "piece": piece,
            "part": self.pieces[piece],
            "boxes": np.array(boxes, np.float32).reshape(shape),
            "size": size,
            "yaw": yaw,
        }

    def _draw_row(self, examples: Examples, u: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Counts (pieces,), boxes (pieces, 2, 3) and a size from uniform numbers `u` (≥ 5,)."""
        n = len(examples.size)
        row = int(u[0] * n)
        counts, boxes = examples.counts[row], examples.boxes[row]
        if self.options.parts == "vary":
            kin = examples.kin[row]
            other, share = kin[int(u[1] * len(kin))], 1 - NEARER * u[2]
            of_part, around = examples.part_counts, examples.part_boxes
            blended = share * of_part[row] + (1 - share) * of_part[other]
            there = counts > 0
            counts = share_points(counts * (blended / np.maximum(of_part[row], 1))[self.pieces], there)
            target = share * around[row] + (1 - share) * around[other]
            boxes = centre_boxes(move_boxes(boxes, around[row][self.pieces], target[self.pieces]), there)
        # another row's size, so that the condition is not that of one real row
        low, high = max(0, row - NEAR), min(n, row + NEAR + 1)
        size = float(examples.size[low + int(u[3] * (high - low))])
        if self.options.size == "vary":
            size = math.exp(u[4] * math.log(examples.size[row]) + (1 - u[4]) * math.log(size))
        return counts, boxes, size


def build_inventories(data: Data, options: ShapeConditionOptions, seed: int, folder: Path | None = None) -> Inventories:
    """Inventories of the training rows; `folder` is not used, nothing is trained.

    UserError for classes and parts that the data does not know, and for a class to be drawn that has no fitting row.
    """
    mix = build_class_mix(data, options, seed)
    parts: tuple[str, ...] = tuple(data.details["parts"])
    required = _required_parts(options.required, data.classes, parts)
    pieces = np.array(data.details["pieces"], np.uint8)
    counts, of_part = count_parts(data.train["piece"], len(pieces)), count_parts(data.train["part"], len(parts))
    boxes, around = data.train["boxes"], bound_parts(data.train["points"], data.train["part"], len(parts))
    examples: list[Examples | None] = []
    for k, name in enumerate(data.classes):
        of_class = data.train["label"] == k
        fits = of_class & (of_part[:, required[k]] > 0).all(1)
        if mix.shares[k] == 0:
            examples.append(None)
            continue
        if not of_class.any():
            raise UserError(
                f"conditions.balance: no training row is a {name!r}; give weights to the other classes only"
            )
        if not fits.any():
            asked = " and ".join(repr(parts[p]) for p in required[k])
            raise UserError(f"conditions.required: no training row of class {name!r} has {asked}; ask for fewer parts")
        examples.append(_gather(*(values[fits] for values in (counts, boxes, of_part, around, data.train["size"]))))
    return Inventories(mix, pieces, tuple(examples), options, seed)


def share_points(exact: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Whole numbers near `exact` (pieces,), int64, with the same sum, which is whole; 1 or more where `there` is True.

    What is left over after rounding down goes to the largest remainders (Hamilton's method).
    """
    counts = np.maximum(np.floor(exact + 1e-9).astype(np.int64), there)
    left = round(float(exact.sum())) - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[: max(left, 0)]] += 1
    for _ in range(-left):  # what the smallest got beyond their share, the largest gives
        counts[counts.argmax()] -= 1
    return counts


def move_boxes(boxes: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Boxes (…, 2, 3) that lie in boxes `old` as they lie, moved and stretched with those, in boxes `new`."""
    (middle, half), (there, reach) = split_boxes(old), split_boxes(new)
    scale = reach / np.maximum(half, 1e-6)
    return (boxes - middle[..., None, :]) * scale[..., None, :] + there[..., None, :]


def centre_boxes(boxes: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Boxes (pieces, 2, 3) moved and scaled as real rows are: the box around those that are `there` (pieces,) has its
    middle in the origin and half a diagonal of 1; the others are zeros."""
    low, high = boxes[there, 0].min(0), boxes[there, 1].max(0)
    size = max(float(np.linalg.norm(high - low)) / 2, 1e-6)
    return np.where(there[:, None, None], (boxes - (low + high) / 2) / size, 0).astype(np.float32)


def _gather(
    counts: np.ndarray, boxes: np.ndarray, part_counts: np.ndarray, part_boxes: np.ndarray, size: np.ndarray
) -> Examples:
    order = np.argsort(size, kind="stable")
    groups = np.unique(part_counts[order] > 0, axis=0, return_inverse=True)[1].ravel()
    members = [np.flatnonzero(groups == group) for group in range(groups.max() + 1)]
    kin = tuple(members[group] for group in groups)
    return Examples(counts[order], boxes[order], part_counts[order], part_boxes[order], size[order], kin)


def _required_parts(
    required: dict[str, list[str]], classes: Sequence[str], parts: Sequence[str]
) -> tuple[list[int], ...]:
    """The required parts of each class."""
    found: tuple[list[int], ...] = tuple([] for _ in classes)
    for name, asked in required.items():
        if name not in classes:
            raise UserError(f"conditions.required: {name!r} is not a class of the data; {_suggest(name, classes)}")
        for part in asked:
            if part not in parts:
                raise UserError(f"conditions.required.{name}: {part!r} is not a part; {_suggest(part, parts)}")
            found[classes.index(name)].append(parts.index(part))
    return found


def _suggest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, 1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known[:20])}"
