"""How alike two sets of point clouds are, by distances between whole clouds. Knows no judge and no features.

Every number is about nearest clouds, so most of the assignments behind the earth mover's distances, which are dear, are
never solved: a bound from below tells that they cannot matter.

    compare_shapes(data.heldout, synthetic, data, seed=0)["one_nna_chamfer"]  # 0.5: not to be told apart
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance

from ..hardware import cores
from ..pieces import count_pieces, find_pieces
from ..types import Columns, Data, take_rows

CHAMFER_ROWS, CHAMFER_POINTS = 200, 512
MOVER_ROWS, MOVER_POINTS = 64, 256
DIRECTIONS = 32
MEANINGS = {
    **{f"one_nna_{name}": (f"share of clouds that their nearest neighbour ({distance}) gives away as real or synthetic",
       "near 0.5") for name, distance in (("chamfer", "Chamfer distance"), ("emd", "earth mover's distance"))},
    **{f"coverage_{name}": ("share of real clouds that are the nearest one of some synthetic cloud", "large")
       for name in ("chamfer", "emd")},
    **{f"mmd_{name}": ("mean distance of real clouds to the nearest synthetic one", "small")
       for name in ("chamfer", "emd")},
    **{f"rows_{name}": ("clouds of each kind that were compared", "") for name in ("chamfer", "emd")},
    "part_count_difference": ("difference in the number of pieces of a part", "near 0"),
}  # fmt: skip


@dataclass(frozen=True)
class Neighbours:
    """Of the clouds of both sets, real ones first: how far the nearest other cloud of each set is, and its number."""

    distance: np.ndarray  # float64 (2n, 2): to real clouds, to synthetic ones
    nearest: np.ndarray  # int64 (2n, 2)


def compare_shapes(real: Columns, synthetic: Columns, data: Data, seed: int) -> dict[str, Any]:
    """1-NN accuracy, coverage and minimum matching distance of columns points, part and label.

    Each class gives as many real as synthetic rows, at most 200 of either in all for Chamfer and 64 for the earth
    mover's distance, with 512 and 256 points a row, all drawn with `seed`. `<measure>_chamfer`: Chamfer distance, the
    sum of both mean squared distances to the nearest point; `<measure>_emd`: the least mean distance of a one-to-one
    assignment (Fan et al. 2017, arXiv:1612.00603, section 4.2).
    one_nna: share of clouds whose nearest other cloud is of their own set (Lopez-Paz & Oquab 2017, arXiv:1610.06545;
    Yang et al. 2019, arXiv:1906.12320, eq. 11), 0.5 is perfect, 1 tells all apart. coverage: share of real clouds that
    are some synthetic cloud's nearest; mmd: mean distance of real clouds to the nearest synthetic one (Achlioptas et
    al. 2018, arXiv:1707.02392, section 2). part_count_difference: `compare_part_counts`. nan without a shared class.
    """
    generator = np.random.Generator(np.random.Philox(seed))
    found: dict[str, Any] = {}
    for name, rows, points, search in (
        ("chamfer", CHAMFER_ROWS, CHAMFER_POINTS, search_chamfer),
        ("emd", MOVER_ROWS, MOVER_POINTS, search_mover),
    ):
        pair = pair_rows(real["label"], synthetic["label"], rows, generator)
        sides = (draw_points(columns["points"][index], points, generator) for columns, index in
                 zip((real, synthetic), pair, strict=True))  # fmt: skip
        found |= {f"{key}_{name}": value for key, value in judge_neighbours(search, *sides).items()}
        found[f"rows_{name}"] = len(pair[0])
    pair = pair_rows(real["label"], synthetic["label"], CHAMFER_ROWS, generator)
    found["part_count_difference"] = compare_part_counts(take_rows(real, pair[0]), take_rows(synthetic, pair[1]))
    return found


def pair_rows(
    real: np.ndarray, synthetic: np.ndarray, limit: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of both sets, at most `limit` each, such that every class has as many of one as of the other.

    Without that the class mix, which a recipe may choose, would tell the sets apart.
    """
    shuffled = [generator.permutation(len(labels)) for labels in (real, synthetic)]
    chosen: tuple[list[int], list[int]] = ([], [])
    rank: list[float] = []
    for k in np.intersect1d(real, synthetic):
        one, other = (order[labels[order] == k] for order, labels in zip(shuffled, (real, synthetic), strict=True))
        shared = min(len(one), len(other))
        chosen[0].extend(one[:shared])
        chosen[1].extend(other[:shared])
        rank.extend((np.arange(shared) + 0.5) / shared)  # so that a cut leaves the classes in proportion
    kept = np.sort(np.argsort(np.array(rank), kind="stable")[:limit])
    return np.array(chosen[0], np.int64)[kept], np.array(chosen[1], np.int64)[kept]


def draw_points(clouds: np.ndarray, points: int, generator: np.random.Generator) -> np.ndarray:
    """float32 (N, p, 3): p = min(P, points) points of each cloud at random: rows may have an order of their own."""
    kept = min(points, clouds.shape[1])
    index = np.argsort(generator.random(clouds.shape[:2]), axis=1)[:, :kept]
    return np.take_along_axis(clouds, index[..., None], 1).astype(np.float32)


def judge_neighbours(
    search: Callable[[np.ndarray], Neighbours], real: np.ndarray, synthetic: np.ndarray
) -> dict[str, float]:
    """one_nna, coverage and mmd of clouds real (n, P, 3) and synthetic (n, P, 3), n ≥ 2; else nan.

    A cloud that is equally near to both sets counts as half told apart.
    """
    n = len(real)
    if n < 2:
        return dict.fromkeys(("one_nna", "coverage", "mmd"), float("nan"))
    found = search(np.concatenate([real, synthetic]))
    own, other = np.where(np.arange(2 * n)[:, None] < n, found.distance, found.distance[:, ::-1]).T
    return {
        "one_nna": float(((own < other) + 0.5 * (own == other)).mean()),
        "coverage": len(np.unique(found.nearest[n:, 0])) / n,
        "mmd": float(found.distance[:n, 1].mean()),
    }


def search_chamfer(clouds: np.ndarray) -> Neighbours:
    """Of clouds (2n, P, 3), by the Chamfer distance of all pairs."""
    x = torch.from_numpy(clouds)
    squared, one = x.square().sum(2, keepdim=True), torch.ones(*x.shape[:2], 1)
    # |a|² + |b|² - 2ab as one product of matrices, which is four times faster than a tree of the points
    left, right = torch.cat([x, squared, one], 2), torch.cat([-2 * x, one, squared], 2).mT.contiguous()
    apart = np.full((len(x), len(x)), np.inf)

    def compare(i: int) -> None:
        for j in range(i):
            pairs = left[i] @ right[j]
            apart[i, j] = apart[j, i] = float(pairs.amin(0).mean() + pairs.amin(1).mean())

    # small products, which several threads would rather wait for each other in than share
    with ThreadPoolExecutor(cores(), "chamfer", torch.set_num_threads, (1,)) as pool:
        list(pool.map(compare, reversed(range(len(x)))))
    sides = np.split(apart.clip(min=0), 2, axis=1)
    nearest = np.stack([side.argmin(1) for side in sides], 1)
    return Neighbours(np.stack([side.min(1) for side in sides], 1), nearest)


def search_mover(clouds: np.ndarray) -> Neighbours:
    """Of clouds (2n, P, 3), by the earth mover's distance; assignments that cannot be the nearest are not solved."""
    n, bound = len(clouds) // 2, bound_mover(clouds)
    solved: dict[tuple[int, int], float] = {}
    distance, nearest = np.full((2 * n, 2), np.inf), np.zeros((2 * n, 2), np.int64)
    for i in range(2 * n):
        for side in (0, 1):
            for j in np.argsort(bound[i, side * n : side * n + n], kind="stable").tolist():
                if bound[i, side * n + j] >= distance[i, side]:
                    break
                pair = (min(i, side * n + j), max(i, side * n + j))
                if pair not in solved:
                    solved[pair] = measure_mover(clouds[pair[0]], clouds[pair[1]])
                if solved[pair] < distance[i, side]:
                    distance[i, side], nearest[i, side] = solved[pair], j
    return Neighbours(distance, nearest)


def measure_mover(one: np.ndarray, other: np.ndarray) -> float:
    """Mean distance of the best one-to-one assignment of points (P, 3) to points (P, 3)."""
    apart = cdist(one, other)
    return float(apart[linear_sum_assignment(apart)].mean())


def bound_mover(clouds: np.ndarray) -> np.ndarray:
    """float64 (N, N), no more than the earth mover's distance of each pair of clouds (N, P, 3); inf for a cloud itself.

    A projection onto a line shortens no distance and none can be lengthened by it, and on a line the sorted points are
    the best assignment: the largest of that over 32 directions is the bound (Rabin et al. 2012).
    """
    step = np.arange(DIRECTIONS) + 0.5
    height, turn = 1 - step / DIRECTIONS, np.pi * (1 + 5**0.5) * step  # Fibonacci's spiral on a half sphere
    flat = np.sqrt(1 - height**2)
    directions = np.stack([flat * np.cos(turn), flat * np.sin(turn), height])
    shadows = np.sort(clouds.astype(np.float64) @ directions, axis=1)
    bound = np.stack([np.abs(shadows - shadow).mean(1).max(1) for shadow in shadows])
    np.fill_diagonal(bound, np.inf)
    return bound


def compare_part_counts(real: Columns, synthetic: Columns) -> float:
    """How much the numbers of pieces of a part differ: chairs with three legs, or with a leg in two pieces.

    For each part of each class that both sets have, the earth mover's distance between the numbers of connected pieces
    in real and in synthetic rows; the mean over those parts, each class alike.
    """
    by_class = []
    parts = 1 + int(max(real["part"].max(initial=0), synthetic["part"].max(initial=0)))
    counts = [
        count_pieces(columns["part"], find_pieces(columns["points"], columns["part"]), parts)
        for columns in (real, synthetic)
    ]
    for k in np.intersect1d(real["label"], synthetic["label"]):
        of_class = [side[columns["label"] == k] for side, columns in zip(counts, (real, synthetic), strict=True)]
        pairs = [[side[side[:, p] > 0, p] for side in of_class] for p in range(parts)]
        apart = [wasserstein_distance(*pair) for pair in pairs if all(len(found) for found in pair)]
        by_class += [np.mean(apart)] if apart else []
    return float(np.mean(by_class)) if by_class else float("nan")
