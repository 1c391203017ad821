"""A judge of image and mask: how well does an independent segmenter find the mask in the image?

Two U-Nets, each trained on half of the real training rows; never on validation or held-out rows. Knows nothing of the
generator, nor of where the bar is.

    judge = fit_segmenter_judge(data, seed=0, folder=Path("runs/x/judges"))
    judge.examine({"image": images, "mask": masks}).agreement  # (N,), in [0, 1]
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from ..networks.supervised import IGNORED, Schedule, as_targets
from ..networks.vision import Segmenter
from ..types import Columns, Data, Opinion
from .ensemble import Ensemble, Record, fingerprint, read, split_folds, write

SCHEDULE = Schedule(steps=300, batch_size=16, rate=2e-2, muon_rate=0.1, frozen=0.5)


class SegmenterJudge:
    """Agreement is the geometric mean probability of a class's own pixels, with all classes of the mask alike."""

    def __init__(self, ensemble: Ensemble, record: Record, reference: np.ndarray, ignore: int | None):
        self.ensemble, self.record, self.reference, self.ignore = ensemble, record, reference, ignore

    def examine(self, columns: Columns) -> Opinion:
        """image uint8 (N, H, W[, C]) and mask (N, H, W). A row's opinion does not depend on the other rows."""
        targets = as_targets(columns["mask"], self.ignore)
        return Opinion(*self.ensemble.ask(columns["image"], targets, balanced_agreement))

    def save(self, folder: Any) -> None:
        write(Path(folder), self.record, self.ensemble, self.reference)


def fit_segmenter_judge(data: Data, seed: int, folder: Path | None) -> SegmenterJudge:
    """The judge of data.train: read from `folder` when it holds it unaltered, else fitted and saved there."""
    images = data.train["image"]
    mark = fingerprint(data, seed, "mask")
    channels = images.shape[3] if images.ndim == 4 else 1
    architecture = {"channels": channels, "classes": len(data.classes), "width": 16}
    build = partial(Segmenter, **architecture)
    found = read(folder, mark, build) if folder is not None else None
    if found is not None:
        record, ensemble, reference = found
        return SegmenterJudge(ensemble, record, reference, data.ignore)
    targets, folds = as_targets(data.train["mask"], data.ignore), split_folds(np.zeros(len(images), np.int64), seed)
    ensemble = Ensemble.fit(build, images, targets, folds, SCHEDULE, seed)
    reference = ensemble.ask_out_of_fold(images, targets, folds, balanced_agreement)
    record = Record(mark, architecture, data.classes, seed, 1.0)
    judge = SegmenterJudge(ensemble, record, reference, data.ignore)
    if folder is not None:
        judge.save(folder)
    return judge


def balanced_agreement(logits: Tensor, targets: Tensor) -> Tensor:
    """exp(-mean over the mask's classes of the mean cross-entropy of that class's pixels).

    logits (B, K, H, W), targets (B, H, W) -> (B,), in [0, 1]; 1 where the whole mask is ignored. Real masks of tissue's
    validation rows against the same masks made wrong, area under the ROC curve: 1.00 for a shift by 1 pixel, two
    classes swapped, a mirrored or another row's mask; 0.95 for a block of 20x20 with one class. On average over nine
    mistakes 0.994, against 0.993 for the plain mean over pixels and 0.988 for soft IoU.
    """
    classes = logits.shape[1]
    targets = targets.long()
    known = targets != IGNORED
    loss = F.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="none").flatten(1)
    place = targets.where(known, classes).flatten(1)
    total = loss.new_zeros(len(loss), classes + 1).scatter_add_(1, place, loss)[:, :classes]
    pixels = loss.new_zeros(len(loss), classes + 1).scatter_add_(1, place, loss.new_ones(loss.shape))[:, :classes]
    mean = total / pixels.clamp(min=1)
    return (-mean.sum(1) / (pixels > 0).sum(1).clamp(min=1)).exp()
