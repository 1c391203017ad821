"""Nearest neighbours among up to some 100,000 fixed rows, on one core. Knows nothing of what the rows are.

A search along the first principal axes finds candidates, and since distances only shrink under that projection it also
proves which answers are final. Rows that it cannot settle are searched in all dimensions if they could be closer than
`limit`; for the others the nearest of 24 candidates is given (Fashion-MNIST, 60,000 × 196: the right one for 99 %).

    near = Bank(train).search(queries, limit=0.5)
    near.first, near.second        # float64 (N,), Euclidean; exact wherever first < 0.5
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

AXES = 32  # principal axes of the coarse search
GROUP = 16  # bank rows that share one entry of the coarse table
BLOCK = 2048  # bank rows a matrix product: with 256 queries the result stays in the cache
QUERIES = 256
GROUPS_KEPT, ROWS_KEPT = 12, 24
SLACK = 1e-5  # of |a|² + |b|²: more than float32 products lose


@dataclass(frozen=True)
class Neighbours:
    nearest: np.ndarray  # int64 (N,): the nearest bank row
    first: np.ndarray  # float64 (N,): distance to it
    second: np.ndarray  # float64 (N,): distance to the second nearest; inf if the bank has one row


def exact_distances(queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Euclidean distances of queries (N, D) to rows (N, M, D), float64 (N, M); the same for a pair in any company."""
    difference = rows.astype(np.float64) - queries.astype(np.float64)[:, None]
    distances: np.ndarray = np.sqrt(np.square(difference).sum(-1))
    return distances


@dataclass(frozen=True)
class Axes:
    """A projection that never lengthens a distance: leading principal axes, and the length of what they leave out."""

    mean: torch.Tensor  # (D,)
    basis: torch.Tensor  # (D, k)

    @staticmethod
    def fit(rows: np.ndarray) -> Axes:
        """Axes of `rows` float32 (n, D), n ≥ 1, from at most 8,192 of them."""
        sample = torch.from_numpy(rows[:: 1 + len(rows) // 8192]).double()
        mean = sample.mean(0)
        _, vectors = torch.linalg.eigh((sample - mean).T @ (sample - mean))
        return Axes(mean.float(), vectors.flip(1)[:, :AXES].float().contiguous())

    def project(self, rows: np.ndarray) -> torch.Tensor:
        """float32 (n, k + 1). The last column is |residual|: by the triangle inequality it only shrinks distances."""
        centred = torch.from_numpy(rows) - self.mean
        kept = centred @ self.basis
        rest = (centred.square().sum(1) - kept.square().sum(1)).clamp(min=0).sqrt()
        return torch.cat([kept, rest[:, None]], 1)


class Bank:
    def __init__(self, rows: np.ndarray) -> None:
        """`rows` float32 (n, D), n ≥ 1, finite."""
        assert rows.ndim == 2 and len(rows) > 0, "the bank needs at least one row"
        self._rows = np.ascontiguousarray(rows, np.float32)
        self._axes = Axes.fit(self._rows)
        coarse = self._axes.project(self._rows)
        padding = -len(rows) % GROUP
        self._norms = torch.nn.functional.pad(coarse.square().sum(1), (0, padding), value=float("inf"))
        self._coarse = torch.nn.functional.pad(coarse, (0, 0, 0, padding))
        self._table = torch.cat([-2 * self._coarse, self._norms[:, None]], 1)

    def search(self, queries: np.ndarray, limit: float = float("inf")) -> Neighbours:
        """The two nearest bank rows of each query float32 (N, D); exact wherever the nearest is closer than `limit`."""
        queries = np.ascontiguousarray(queries, np.float32)
        parts = [self._search_chunk(queries[i : i + QUERIES], limit) for i in range(0, len(queries), QUERIES)]
        if not parts:
            return Neighbours(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
        nearest, first, second = (np.concatenate(column) for column in zip(*parts, strict=True))
        return Neighbours(nearest, first, second)

    def _search_chunk(self, queries: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        candidates, bound = self._candidates(self._axes.project(queries))
        nearest, first, second = self._two_nearest(queries, candidates)
        unsettled = np.flatnonzero((np.square(second) > bound) & ((bound < limit**2) | (first < limit)))
        if len(unsettled):
            again = self._search_all_dimensions(queries[unsettled])
            nearest[unsettled], first[unsettled], second[unsettled] = self._two_nearest(queries[unsettled], again)
        return nearest, first, second

    def _candidates(self, queries: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Bank rows (N, ≤24) near `queries` (N, k), and the squared coarse distance that no other row beats."""
        count, groups = len(queries), len(self._table) // GROUP
        lifted = torch.cat([queries, torch.ones(count, 1)], 1)
        best = torch.empty(groups, count)
        for start in range(0, len(self._table), BLOCK):
            product = torch.mm(self._table[start : start + BLOCK], lifted.T)
            torch.amin(product.view(-1, GROUP, count), 1, out=best[start // GROUP : (start + BLOCK) // GROUP])
        kept = min(GROUPS_KEPT, groups)
        values, which = best.T.contiguous().topk(min(kept + 1, groups), largest=False)
        rows = (which[:, :kept, None] * GROUP + torch.arange(GROUP)).flatten(1)
        distances = torch.bmm(self._table[rows], lifted[:, :, None])[:, :, 0]
        near, order = distances.topk(min(ROWS_KEPT + 1, distances.shape[1]), largest=False)
        inf = torch.full((count,), float("inf"))
        bound = torch.minimum(
            values[:, kept] if groups > kept else inf, near[:, ROWS_KEPT] if near.shape[1] > ROWS_KEPT else inf
        )
        norms = queries.square().sum(1)
        bound = bound + norms - SLACK * (bound + 2 * norms).abs().nan_to_num(posinf=0.0)
        return rows.gather(1, order[:, :ROWS_KEPT]).numpy(), bound.double().numpy()

    def _search_all_dimensions(self, queries: np.ndarray) -> np.ndarray:
        """The nearest rows (N, ≤24) by float32 products in all dimensions."""
        q = torch.from_numpy(queries) - self._axes.mean
        distances = torch.empty(len(q), len(self._rows))
        for start in range(0, len(self._rows), BLOCK):
            rows = torch.from_numpy(self._rows[start : start + BLOCK]) - self._axes.mean
            distances[:, start : start + BLOCK] = torch.addmm(rows.square().sum(1), q, rows.T, alpha=-2)
        return distances.topk(min(ROWS_KEPT, len(self._rows)), largest=False).indices.numpy()

    def _two_nearest(self, queries: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Exact distances to the candidates `rows` (N, M); padding is infinitely far, ties go to the lower row."""
        rows = np.sort(rows, 1)
        distances = exact_distances(queries, self._rows[np.minimum(rows, len(self._rows) - 1)])
        distances[rows >= len(self._rows)] = np.inf
        order = np.argsort(distances, 1, kind="stable")[:, :2]
        at = np.arange(len(rows))
        second = distances[at, order[:, 1]] if order.shape[1] > 1 else np.full(len(rows), np.inf)
        return rows[at, order[:, 0]], distances[at, order[:, 0]], second
