"""Masks of smooth random regions with the class shares of the real masks. Knows shares and roughness, no real outline.

masks = SmoothRegions.fit(data.train["mask"], classes=3, seed=0)
masks.draw(np.arange(256))        # {"mask": uint8 (256, 64, 64)}
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from ..diffusion.noise import row_generator
from ..types import Columns
from .fields import smooth

CHUNK = 32  # rows at once: their arrays stay in the cache
LAYERS = 8  # classes a mask, at most: those with the largest shares
KNOTS = (4, 5, 6, 8, 11, 15, 20, 28)  # from few large regions to many small ones


@dataclass(frozen=True)
class SmoothRegions:
    """A LabelGenerator of the column `mask`. Each row borrows the classes and their shares from one real mask.

    Class after class, from the smallest share, takes the pixels where its own normal field exceeds a quantile, out of
    what the classes before have left: so the expected shares are the asked ones, without any fitting.
    """

    shares: np.ndarray  # float64 (n, L): shares of the classes of each real mask, rising
    kinds: np.ndarray  # (n, L): their class ids, in the masks' type
    knots: int
    size: tuple[int, int]
    seed: int

    @staticmethod
    def fit(masks: np.ndarray, classes: int, seed: int) -> SmoothRegions:
        """Shares of each mask (n, H, W) of class ids below `classes`; the grid that gives as much outline."""
        counts = np.stack([np.bincount(mask.ravel(), minlength=classes) for mask in masks])
        kinds = np.argsort(counts, 1, kind="stable")[:, -LAYERS:]
        shares = np.take_along_axis(counts, kinds, 1).astype(np.float64)
        shares /= shares.sum(1, keepdims=True)
        height, width = masks.shape[1:]
        tries = [SmoothRegions(shares, kinds.astype(masks.dtype), knots, (height, width), seed) for knots in KNOTS]
        real = _outline(masks)
        return min(tries, key=lambda each: abs(_outline(each.draw(np.arange(CHUNK))["mask"]) - real))

    def with_seed(self, seed: int) -> SmoothRegions:
        return replace(self, seed=seed)

    def draw(self, indices: np.ndarray) -> Columns:
        """{"mask": (N, H, W) class ids}, of the real masks' type."""
        out = np.empty((len(indices), *self.size), self.kinds.dtype)
        for start in range(0, len(indices), CHUNK):
            out[start : start + CHUNK] = self._draw_chunk(np.asarray(indices[start : start + CHUNK]))
        return {"mask": out}

    def _draw_chunk(self, indices: np.ndarray) -> np.ndarray:
        layers = self.shares.shape[1]
        which = np.empty(len(indices), np.int64)
        grids = np.empty((len(indices), layers, self.knots, self.knots), np.float32)
        for row, index in enumerate(indices):
            rng = row_generator(self.seed, int(index), "mask")
            which[row] = int(rng.random() * len(self.shares))
            rng.standard_normal(dtype=np.float32, out=grids[row])
        shares, kinds = self.shares[which], self.kinds[which]
        left = np.cumsum(shares[:, ::-1], 1)[:, ::-1]  # the share of this class and of those after it
        bars = ndtri(1 - np.divide(shares, left, out=np.ones_like(shares), where=left > 0)).astype(np.float32)
        out = np.broadcast_to(kinds[:, -1, None, None], (len(indices), *self.size)).copy()
        for layer in reversed(range(layers - 1)):  # the smallest share is painted last, so it lies on top
            taken = smooth(grids[:, layer], self.size) > bars[:, layer, None, None]
            out = np.where(taken, kinds[:, layer, None, None], out)
        return out


def _outline(masks: np.ndarray) -> float:
    """The share of neighbouring pixels that differ in class."""
    return float(np.mean(masks[:, 1:] != masks[:, :-1]) + np.mean(masks[:, :, 1:] != masks[:, :, :-1]))
