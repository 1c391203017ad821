"""Adds to drawn masks how their rows shall look: the appearance of a real row, moved part of the way to a similar one.

New points between neighbours are those of SMOTE (Chawla et al. 2002, §4.2), here in the space of a row's mean colours
and contrast. A mask made out of real ones takes the appearance that goes with them; another mask that of a real row
with similar shares of the classes. Knows no images.

    labels = MasksWithAppearance.fit(masks, appearance, data.train["mask"], seed=0)
    labels.draw(np.arange(256))        # {"mask": (256, H, W), "appearance": float32 (256, K + 2, C)}
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from ..diffusion.noise import row_generator
from ..types import Columns, LabelGenerator

NEIGHBOURS = 5  # of a real row: towards one of them its appearance is moved
CANDIDATES = 8  # real rows of which a mask without a model takes the one with the most similar shares


@dataclass(frozen=True)
class MasksWithAppearance:
    """A LabelGenerator of the columns `mask` and `appearance`."""

    masks: LabelGenerator  # its column `like`, if there is one, names the real row that a mask was made out of
    appearance: np.ndarray  # float32 (n, K + 2, C): of the real rows, without gaps
    neighbours: np.ndarray  # int64 (n, ≤ 5)
    shares: np.ndarray  # float32 (n, K): of the classes in the real masks
    seed: int

    @staticmethod
    def fit(masks: LabelGenerator, appearance: np.ndarray, real: np.ndarray, seed: int) -> MasksWithAppearance:
        """`appearance` (n, K + 2, C), nan where a row lacks a class, and masks `real` (n, H, W): the training rows."""
        whole = fill_gaps(appearance)
        flat = _standardise(whole)
        near = cKDTree(flat).query(flat, k=np.arange(1, min(NEIGHBOURS + 1, len(flat)) + 1))[1]
        neighbours = near[:, 1:] if near.shape[1] > 1 else near
        return MasksWithAppearance(masks, whole, neighbours, measure_shares(real, appearance.shape[1] - 2), seed)

    def with_seed(self, seed: int) -> MasksWithAppearance:
        return replace(self, masks=self.masks.with_seed(seed), seed=seed)

    def draw(self, indices: np.ndarray) -> Columns:
        columns = dict(self.masks.draw(indices))
        part, choice, rows = self._draw_numbers(indices)
        like = columns.pop("like", None)
        if like is None:
            shares = measure_shares(columns["mask"], self.shares.shape[1])
            apart = np.abs(self.shares[rows] - shares[:, None]).sum(2)
            like = rows[np.arange(len(rows)), apart.argmin(1)]
        one, other = self.appearance[like], self.appearance[self.neighbours[like, choice]]
        return {**columns, "appearance": one + part[:, None, None] * (other - one)}

    def _draw_numbers(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each row: how far it moves (N,), to which neighbour (N,), and real rows to choose from (N, 8)."""
        count = len(indices)
        part, choice = np.empty(count, np.float32), np.empty(count, np.int64)
        rows = np.empty((count, CANDIDATES), np.int64)
        for row, index in enumerate(indices):
            rng = row_generator(self.seed, int(index), "appearance")
            part[row], choice[row] = rng.random(dtype=np.float32), rng.integers(self.neighbours.shape[1])
            rows[row] = rng.integers(len(self.appearance), size=CANDIDATES)
        return part, choice, rows


def measure_shares(masks: np.ndarray, classes: int) -> np.ndarray:
    """The classes' shares of the pixels of each mask (N, H, W), float32 (N, K)."""
    counts = [np.bincount(mask.ravel(), minlength=classes)[:classes] for mask in masks]
    return np.array(counts, np.float32).reshape(-1, classes) / masks[0].size


def fill_gaps(appearance: np.ndarray) -> np.ndarray:
    """`appearance` (n, K + 2, C) with the colour of a missing class taken from the most alike row that has it.

    A class that no row has stays black; it is never drawn.
    """
    out = appearance.copy()
    out[:, np.isnan(out).all((0, 2))] = 0
    known = np.nan_to_num(_standardise(out))
    for entry in range(out.shape[1]):
        missing = np.isnan(out[:, entry]).any(1)
        if missing.any():
            nearest = cKDTree(known[~missing]).query(known[missing])[1]
            out[missing, entry] = out[~missing, entry][nearest]
    return out


def _standardise(values: np.ndarray) -> np.ndarray:
    flat = values.reshape(len(values), -1)
    scaled: np.ndarray = (flat - np.nanmean(flat, 0)) / np.maximum(np.nanstd(flat, 0), 1e-6)
    return scaled
