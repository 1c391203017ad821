"""The learners that tell what rows are worth: small networks of the kind a user would train on the dataset.

They know rows and a seed, not where the rows come from; the same rows, seed and threads give the same score, bit for
bit. Their rates and default steps were chosen on validation rows.

    learner = ImageClassifierLearner(data)
    learner.measure(data.train, data.heldout, steps=400, batch_size=32, seed=0, augment=False).value
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch

from ..networks.supervised import IGNORED, Schedule, as_targets, fit, infer
from ..networks.vision import Classifier, Segmenter
from ..types import Columns, Data, Score
from .augmentation import vary_labelled, vary_masked


class ImageClassifierLearner:
    """A residual CNN that reads classes."""

    metric = "accuracy"

    def __init__(self, data: Data):
        images = data.train["image"]
        channels, size = images.shape[3] if images.ndim == 4 else 1, max(images.shape[1:3])
        self.classes = len(data.classes)
        self.build = partial(Classifier, channels, size, self.classes)
        self.default_steps, self.default_batch_size = (400, 32) if size <= 12 else (1000, 64)
        self.description = (
            f"residual CNN, {count_parameters(self.build())}, Muon and AdamW; augmented: turns up to "
            "15 degrees, shifts up to 10 %, scale, brightness and contrast, no flips"
        )

    def measure(self, train: Columns, test: Columns, *, steps: int, batch_size: int, seed: int, augment: bool) -> Score:
        """Accuracy over all rows of `test`, and of each class (recall); columns image and label."""
        schedule = Schedule(steps, batch_size)
        targets = as_targets(train["label"])
        vary = vary_labelled if augment else None
        net = fit(self.build(), train["image"], targets, schedule, seed=seed, augment=vary)
        found = np.concatenate([logits.argmax(1).numpy() for _, logits, _ in infer(net, test["image"])])
        right = confusion(test["label"], found, self.classes)
        return Score(float(right.trace() / right.sum()), ratios(right.diagonal(), right.sum(1)))


class ImageSegmenterLearner:
    """A small U-Net that reads masks."""

    metric = "mIoU"

    def __init__(self, data: Data):
        images = data.train["image"]
        self.classes, self.ignore = len(data.classes), data.ignore
        self.build = partial(Segmenter, images.shape[3] if images.ndim == 4 else 1, self.classes)
        self.default_steps, self.default_batch_size = 400, 16
        self.description = (
            f"U-Net, {count_parameters(self.build())}, Muon and AdamW; augmented: turns and flips of the "
            "square, scale, small elastic warps"
        )

    def measure(self, train: Columns, test: Columns, *, steps: int, batch_size: int, seed: int, augment: bool) -> Score:
        """Mean over classes of intersection over union, both summed over all pixels of `test`; columns image and mask.

        A class with no pixel in `test` is nan and left out of the mean. Pixels with the ignore value count nowhere.
        """
        schedule = Schedule(steps, batch_size, rate=2e-2, muon_rate=0.1, frozen=0.5)
        targets = as_targets(train["mask"], self.ignore)
        vary = vary_masked if augment else None
        net = fit(self.build(), train["image"], targets, schedule, seed=seed, augment=vary)
        total = np.zeros((self.classes, self.classes), np.int64)
        wanted = as_targets(test["mask"], self.ignore)
        for rows, logits, _ in infer(net, test["image"]):
            total += confusion(wanted[rows].numpy(), logits.argmax(1).numpy(), self.classes)
        return intersection_over_union(total)


def intersection_over_union(confused: np.ndarray) -> Score:
    """Counts (K, K) by true and found class -> IoU of each class with a true pixel, and their mean."""
    both = confused.diagonal()
    true = confused.sum(1)
    each = ratios(both, np.where(true > 0, true + confused.sum(0) - both, 0))
    known = [value for value in each if not math.isnan(value)]
    return Score(sum(known) / len(known) if known else math.nan, each)


def confusion(true: np.ndarray, found: np.ndarray, classes: int) -> np.ndarray:
    """int64 (K, K): how often true class i was found to be j; true values that are IGNORED count nowhere."""
    true, found = true.ravel().astype(np.int64), found.ravel()
    known = true != IGNORED
    pairs = true[known] * classes + found[known]
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def ratios(parts: np.ndarray, wholes: np.ndarray) -> tuple[float, ...]:
    return tuple(float(part / whole) if whole else math.nan for part, whole in zip(parts, wholes, strict=True))


def count_parameters(net: torch.nn.Module) -> str:
    """Such as "0.3 M parameters"."""
    count = sum(parameter.numel() for parameter in net.parameters())
    return f"{count / 1e6:.1f} M parameters" if count >= 1e6 else f"{count / 1e3:.0f} k parameters"
