"""The learner that tells what shapes are worth: a small point network of the kind a user would train on the dataset.

It knows rows and a seed, not where the rows come from; the same rows, seed and threads give the same score, bit for
bit. Its rates and default steps were chosen on validation rows.

    learner = ShapeLearner(data)
    net = learner.train(data.train, steps=300, batch_size=32, seed=0, augment=False)
    class_accuracy, part_miou = score_shapes(net, data.heldout)
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Generator, Tensor

from ..networks.points import SCHEDULE, PointNet, fit_points, infer_points
from ..types import Columns, Data, Score
from .learners import confusion, count_parameters, intersection_over_union, ratios

STRETCH = 0.1  # each axis by up to so much either way
JITTER = 0.005
DROPPED = 0.1  # of a row's points, at most; with 0.3 part mIoU on furniture's validation rows fell by 2 points


class ShapeLearner:
    """A point network that reads class and parts."""

    def __init__(self, data: Data):
        self.classes, self.parts = len(data.classes), len(data.details["parts"])
        self.build = partial(PointNet, self.classes, self.parts)
        self.metric = (
            "accuracy" if self.parts == 1 else "part mIoU" if self.classes == 1
            else "shape score"
        )  # fmt: skip
        self.default_steps, self.default_batch_size = 300, SCHEDULE.batch_size
        self.description = (
            f"PointNet, {count_parameters(self.build())}, Muon and AdamW; augmented: axes stretched by up to 10 %, "
            "mirrored left and right, jitter, up to 10 % of the points dropped, no turns"
            + ("; shape score: the mean of class accuracy and part mIoU" if self.metric == "shape score" else "")
        )

    def train(self, train: Columns, *, steps: int, batch_size: int, seed: int, augment: bool) -> PointNet:
        """A fresh network trained on `train`; columns points, part and label."""
        schedule = replace(SCHEDULE, steps=steps, batch_size=batch_size)
        vary = vary_points if augment else None
        columns = (train["points"], train["label"], train["part"])
        return fit_points(self.build(), *columns, schedule, seed=seed, augment=vary)

    def measure(self, train: Columns, test: Columns, *, steps: int, batch_size: int, seed: int, augment: bool) -> Score:
        """The shape score (what there is only one of is left out), and each class's recall."""
        net = self.train(train, steps=steps, batch_size=batch_size, seed=seed, augment=augment)
        classes, parts = confuse_shapes(net, test)
        accuracy, part_miou = _summarise(classes, parts)
        told = [value for value, kinds in ((accuracy, self.classes), (part_miou, self.parts)) if kinds > 1]
        value = sum(told) / len(told) if told else accuracy
        return Score(value, ratios(classes.diagonal(), classes.sum(1)))


def score_shapes(net: PointNet, test: Columns) -> tuple[float, float]:
    """(class accuracy over the rows, part mIoU) of `test`.

    Part mIoU: intersection over union of each part, both summed over all points of all rows, and the mean over the
    parts that have a point in `test`. The literature's mean over shapes weighs a part by the shapes that have it.
    """
    return _summarise(*confuse_shapes(net, test))


def confuse_shapes(net: PointNet, test: Columns) -> tuple[np.ndarray, np.ndarray]:
    """Counts by true and found: of classes over rows (K, K), and of parts over points (parts, parts)."""
    kinds, parts = net.classify.out_features, net.segment.out_features
    classes, pieces = np.zeros((kinds, kinds), np.int64), np.zeros((parts, parts), np.int64)
    for rows, class_logits, part_logits, _ in infer_points(net, test["points"]):
        classes += confusion(test["label"][rows], class_logits.argmax(1).numpy(), kinds)
        pieces += confusion(test["part"][rows], part_logits.argmax(1).numpy(), parts)
    return classes, pieces


def vary_points(points: Tensor, part: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Stretch, mirror, jitter and thin each row for itself. points (B, P, 3), part (B, P).

    Points are not turned: rows stand in their own frame, and a chair on its side is none. Dropped points become copies
    of the row's first one, so that shapes stay fixed (Qi et al. 2017, arXiv:1706.02413, section 3.3).
    """
    rows, count, _ = points.shape
    stretch = 1 + STRETCH * (2 * torch.rand(rows, 1, 3, generator=generator) - 1)
    stretch[..., 0] *= 1 - 2 * torch.randint(2, (rows, 1), generator=generator)
    points = points * stretch + JITTER * torch.randn(points.shape, generator=generator)
    share = DROPPED * torch.rand(rows, 1, generator=generator)
    dropped = torch.rand(rows, count, generator=generator) < share
    points = torch.where(dropped[..., None], points[:, :1], points)
    return points, torch.where(dropped, part[:, :1], part)


def _summarise(classes: np.ndarray, parts: np.ndarray) -> tuple[float, float]:
    total = classes.sum()
    return float(classes.trace() / total) if total else math.nan, intersection_over_union(parts).value
