"""A judge of image and class: how likely does an independent classifier find the row's own class?

Two classifiers, each trained on half of the real training rows; never on validation or held-out rows. Knows nothing of
the generator, nor of where the bar is: gates set it at a quantile of `reference`, class by class.

    judge = fit_classifier_judge(data, seed=0, folder=Path("runs/x/judges"))
    judge.examine({"image": images, "label": labels}).agreement  # (N,), in [0, 1]
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..networks.supervised import Schedule, as_targets, infer
from ..networks.vision import Classifier
from ..types import Columns, Data, Opinion
from .ensemble import Ensemble, Record, fingerprint, read, split_folds, write

TEMPERATURES = np.geomspace(0.25, 8.0, 81)


class ClassifierJudge:
    """Agreement is the probability of the row's class at a temperature that fits rows that were not trained on."""

    def __init__(self, ensemble: Ensemble, record: Record, reference: np.ndarray):
        self.ensemble, self.record, self.reference = ensemble, record, reference

    def examine(self, columns: Columns) -> Opinion:
        """image uint8 (N, H, W[, C]) and label integer (N,). A row's opinion does not depend on the other rows."""
        agree = partial(probability, temperature=self.record.temperature)
        return Opinion(*self.ensemble.ask(columns["image"], as_targets(columns["label"]), agree))

    def save(self, folder: Any) -> None:
        write(Path(folder), self.record, self.ensemble, self.reference)


def fit_classifier_judge(data: Data, seed: int, folder: Path | None) -> ClassifierJudge:
    """The judge of data.train: read from `folder` when it holds it unaltered, else fitted and saved there."""
    images, labels = data.train["image"], data.train["label"]
    mark = fingerprint(data, seed, "label")
    channels = images.shape[3] if images.ndim == 4 else 1
    architecture = {"channels": channels, "size": max(images.shape[1:3]), "classes": len(data.classes)}
    build = partial(Classifier, **architecture)
    found = read(folder, mark, build) if folder is not None else None
    if found is not None:
        record, ensemble, reference = found
        return ClassifierJudge(ensemble, record, reference)
    targets, folds = as_targets(labels), split_folds(labels, seed)
    ensemble = Ensemble.fit(build, images, targets, folds, choose_schedule(len(images)), seed)
    temperature = calibrate(ensemble, images, targets, folds)
    reference = ensemble.ask_out_of_fold(images, targets, folds, partial(probability, temperature=temperature))
    judge = ClassifierJudge(ensemble, Record(mark, architecture, data.classes, seed, temperature), reference)
    if folder is not None:
        judge.save(folder)
    return judge


def choose_schedule(rows: int) -> Schedule:
    """Twelve passes over the rows, at least 12,800 images and at most 64,000."""
    shown = min(max(12 * rows, 12_800), 64_000)
    batch_size = 32 if shown < 25_600 else 64
    return Schedule(shown // batch_size, batch_size)


def probability(logits: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """(B, K), (B,) -> softmax(logits / temperature) at the target, (B,)."""
    return F.softmax(logits / temperature, 1).gather(1, targets[:, None]).squeeze(1)


def calibrate(ensemble: Ensemble, images: np.ndarray, targets: Tensor, folds: np.ndarray) -> float:
    """The temperature with the least out-of-fold cross-entropy (Guo et al. 2017, arXiv:1706.04599, section 4.2)."""
    losses = np.zeros(len(TEMPERATURES))
    for fold, net in enumerate(ensemble.nets):
        kept = np.flatnonzero(folds == fold)
        for rows, logits, _ in infer(net, images[kept]):
            wanted = targets[torch.from_numpy(kept[rows])]
            losses += [float(F.cross_entropy(logits / t, wanted, reduction="sum")) for t in TEMPERATURES]
    return float(TEMPERATURES[losses.argmin()])
