"""Near-duplicates among accepted rows, settled in index order. Knows descriptors only.

Rows come in blocks of any size; the answer is the same as for one row at a time.

    duplicates = Duplicates.fit(train, DuplicateOptions())
    admission = duplicates.admit(descriptors, indices)
    admission.kept        # bool (N,)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from .bank import SLACK, Axes, Bank, exact_distances
from .options import DuplicateOptions
from .scores import significant

SAMPLE = 2048  # real rows whose nearest neighbours set the threshold
BLOCK = 4096  # kept rows a block of memory
PAIRS = 4096  # pairs measured at once


@dataclass(frozen=True)
class Admission:
    kept: np.ndarray  # bool (N,)
    twin: np.ndarray  # int64 (N,): index of the first kept row that this one repeats, or -1
    distance: np.ndarray  # float32 (N,): to the twin; nan where there is none


def usual_distance(train: np.ndarray, quantile: float) -> float:
    """That quantile of the distances from training rows (n, D) to their nearest other row; 0 for fewer than 2 rows."""
    if len(train) < 2:
        return 0.0
    sample = train[:: 1 + len(train) // SAMPLE]
    second = Bank(train).search(sample).second  # the nearest is the row itself
    return float(significant(np.array([np.quantile(second, quantile)]))[0])


class Duplicates:
    """Keeps the descriptors of kept rows as float16 (in units of the training rows), 4,096 a block."""

    def __init__(self, axes: Axes, scale: float, threshold: float) -> None:
        """`threshold` is a Euclidean distance; `scale` the size of a descriptor's entries."""
        self.threshold = threshold
        self._axes, self._scale = axes, scale
        self._rows: list[np.ndarray] = []  # float16 (BLOCK, D) each
        self._coarse: list[torch.Tensor] = []  # float32 (BLOCK, k + 2): projections, squared length
        self._indices: list[int] = []

    @staticmethod
    def fit(train: np.ndarray, options: DuplicateOptions) -> Duplicates:
        """The threshold is a quantile of the distances between neighbouring training rows, float32 (n, D), n ≥ 1."""
        scale = float(np.abs(train).max()) or 1.0
        return Duplicates(Axes.fit(train), scale, usual_distance(train, options.quantile))

    def admit(
        self, descriptors: np.ndarray, indices: np.ndarray, wanted: Callable[[int], bool] = lambda i: True
    ) -> Admission:
        """Which rows (N, D) to keep. Row i is kept if no earlier kept row is within the threshold and then `wanted(i)`.

        `indices` (N,) name the rows in reasons; they rise from call to call. Exactly equal rows are always duplicates.
        """
        rows = (descriptors / np.float32(self._scale)).astype(np.float16)
        coarse = self._project(rows)
        return self._settle(rows, coarse, indices, wanted, self._close_pairs(rows, coarse))

    def _settle(
        self, rows: np.ndarray, coarse: torch.Tensor, indices: np.ndarray, wanted: Callable[[int], bool],
        close: tuple[np.ndarray, ...],
    ) -> Admission:  # fmt: skip
        earlier, later, distance = close
        count, known = len(rows), len(self._indices)
        kept, twin = np.zeros(count, bool), np.full(count, -1, np.int64)
        apart = np.full(count, np.nan, np.float32)
        starts = np.searchsorted(later, np.arange(count + 1))  # the pairs are sorted by `later`, then by `earlier`
        for i in range(count):
            for at in range(starts[i], starts[i + 1]):
                j = int(earlier[at])
                if j < known or kept[j - known]:
                    twin[i] = self._indices[j] if j < known else indices[j - known]
                    apart[i] = distance[at]
                    break
            else:
                kept[i] = wanted(i)
        self._add(rows[kept], coarse[torch.from_numpy(kept)], indices[kept])
        return Admission(kept, twin, significant(apart))

    def _project(self, rows: np.ndarray) -> torch.Tensor:
        projected = self._axes.project(rows.astype(np.float32) * np.float32(self._scale))
        return torch.cat([projected, projected.square().sum(1, keepdim=True)], 1)

    def _close_pairs(self, rows: np.ndarray, coarse: torch.Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pairs within the threshold: position of the earlier row (kept rows first), of the later one, distance."""
        found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        blocks = [*zip(self._rows, self._coarse, strict=True), (rows, coarse)]
        for number, (block, block_coarse) in enumerate(blocks):
            own = number == len(self._rows)
            later, earlier = self._candidates(coarse, block_coarse)
            if own:
                later, earlier = later[earlier < later], earlier[earlier < later]
            for start in range(0, len(later), PAIRS):
                i, j = later[start : start + PAIRS], earlier[start : start + PAIRS]
                distance = exact_distances(rows[i], block[j][:, None])[:, 0] * self._scale
                close = distance <= self.threshold
                found.append((j[close] + (len(self._indices) if own else number * BLOCK), i[close], distance[close]))
        if not found:
            return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
        before, after, apart = (np.concatenate(column) for column in zip(*found, strict=True))
        order = np.lexsort((before, after))
        return before[order], after[order], apart[order]

    def _candidates(self, coarse: torch.Tensor, block: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """(row, row of the block) of every pair that the projection does not show to be further than the threshold."""
        lengths = coarse[:, -1:] + block[:, -1]
        squared = torch.addmm(lengths, coarse[:, :-1], block[:, :-1].T, alpha=-2)
        limit = self.threshold**2 + SLACK * lengths + 1e-6 * self._scale**2
        row, other = torch.nonzero(squared <= limit, as_tuple=True)
        return row.numpy(), other.numpy()

    def _add(self, rows: np.ndarray, coarse: torch.Tensor, indices: np.ndarray) -> None:
        """Append, filling the last block up first, so that every block but the last is full."""
        self._indices.extend(int(i) for i in indices)
        if self._rows and len(self._rows[-1]) < BLOCK:
            rows = np.concatenate([self._rows.pop(), rows])
            coarse = torch.cat([self._coarse.pop(), coarse])
        for start in range(0, len(rows), BLOCK):
            self._rows.append(rows[start : start + BLOCK].copy())
            self._coarse.append(coarse[start : start + BLOCK].clone())
