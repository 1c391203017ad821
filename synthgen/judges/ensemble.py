"""The networks of a judge, one a fold of the real training rows: fitted, kept on disk, and asked together.

Knows networks and arrays, not what agreement means: a judge passes that in as `agree(logits, targets) -> (B,)`.

    ensemble = Ensemble.fit(build, images, targets, folds, schedule, seed)
    features, agreement = ensemble.ask(images, targets, agree)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import UserError
from ..networks.supervised import Schedule, fit, infer
from ..networks.vision import Classifier, Segmenter
from ..types import Data
from .keeping import Arrays, keep, load_state, recall, state_arrays

VERSION = 2  # of the networks and their training: whoever changes them raises it
FOLDS = 2
Net = Classifier | Segmenter
Build = Callable[[], Net]
Agree = Callable[[Tensor, Tensor], Tensor]


def split_folds(strata: np.ndarray, seed: int) -> np.ndarray:
    """Fold of each row, int64 (N,): every stratum is dealt out in a random order, so that the folds are alike."""
    if len(strata) < FOLDS:
        raise UserError(f"source: {len(strata)} training row is too few for a judge; give at least {FOLDS}")
    shuffled = np.random.Generator(np.random.Philox(seed)).permutation(len(strata))
    dealt = shuffled[np.argsort(strata[shuffled], kind="stable")]
    folds = np.empty(len(strata), np.int64)
    folds[dealt] = np.arange(len(strata)) % FOLDS
    return folds


def fingerprint(data: Data, seed: int, column: str) -> str:
    """SHA-256 of everything that a judge is made from; another version of this package makes another judge."""
    head = {"version": VERSION, "seed": seed, "classes": data.classes, "ignore": data.ignore}
    total = hashlib.sha256(json.dumps(head).encode())
    for name in ("image", column):
        values = np.ascontiguousarray(data.train[name])
        total.update(f"{name} {values.dtype.str} {values.shape}".encode())
        total.update(values.data)
    return total.hexdigest()


@dataclass(frozen=True)
class Ensemble:
    nets: tuple[Net, ...]  # net k never saw the rows of fold k

    @staticmethod
    def fit(
        build: Build, images: np.ndarray, targets: Tensor, folds: np.ndarray, schedule: Schedule, seed: int
    ) -> Ensemble:
        """One network a fold, each trained on the rows of the other folds."""
        nets = []
        for fold in range(FOLDS):
            kept = np.flatnonzero(folds != fold)
            nets.append(fit(build(), images[kept], targets[torch.from_numpy(kept)], schedule, seed=seed + fold))
        return Ensemble(tuple(nets))

    def ask(self, images: np.ndarray, targets: Tensor, agree: Agree) -> tuple[np.ndarray, np.ndarray]:
        """Features of the first network, float32 (N, D), and the mean agreement of all, float32 (N,)."""
        width = self.nets[0].feature_width
        features, agreement = np.empty((len(images), width), np.float32), np.zeros(len(images), np.float32)
        for number, net in enumerate(self.nets):
            for rows, logits, found in infer(net, images):
                agreement[rows] += agree(logits, targets[rows]).numpy() / np.float32(len(self.nets))
                if number == 0:
                    features[rows] = found.numpy()
        return features, agreement

    def ask_out_of_fold(self, images: np.ndarray, targets: Tensor, folds: np.ndarray, agree: Agree) -> np.ndarray:
        """Agreement of each training row with the network that never saw it. float32 (N,)."""
        agreement = np.empty(len(images), np.float32)
        for fold, net in enumerate(self.nets):
            kept = np.flatnonzero(folds == fold)
            part = Ensemble((net,)).ask(images[kept], targets[torch.from_numpy(kept)], agree)
            agreement[kept] = part[1]
        return agreement


@dataclass(frozen=True)
class Record:
    """What is kept beside the weights, in judge.json."""

    fingerprint: str
    architecture: dict[str, Any]  # the network's class and what it was built with
    classes: tuple[str, ...]
    seed: int  # of the folds and of the weights
    temperature: float


def write(folder: Path, record: Record, ensemble: Ensemble, reference: np.ndarray) -> None:
    described = {**vars(record), "version": VERSION, "folds": FOLDS}
    keep(folder, described, {**state_arrays(ensemble.nets), "reference": reference})


def read(folder: Path, wanted: str, build: Build) -> tuple[Record, Ensemble, np.ndarray] | None:
    """The judge in `folder`; None if there is none, or one of other data, or one that was altered."""

    def restore(described: dict[str, Any], arrays: Arrays) -> tuple[Record, Ensemble, np.ndarray]:
        names = ("fingerprint", "architecture", "seed", "temperature")
        record = Record(classes=tuple(described["classes"]), **{name: described[name] for name in names})
        nets = tuple(load_state(build(), arrays, number) for number in range(FOLDS))
        return record, Ensemble(nets), arrays["reference"]

    return recall(folder, wanted, restore)
