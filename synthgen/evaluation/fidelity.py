"""How close two clouds of features are: precision, recall, density, coverage and the Fréchet distance.

Knows arrays of features only: not what a row is, nor which model made the features.

    measure_fidelity(judge.examine(real).features, judge.examine(synthetic).features, seed=0)["recall"]
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

BLOCK = 2**22  # distances held at once: 32 MiB of float64
TOLERANCE = 1e-10  # of the squared scale of the data: the noise of |a|² + |b|² - 2ab


def measure_fidelity(
    real: np.ndarray, synthetic: np.ndarray, *, k: int = 5, seed: int, limit: int = 5_000
) -> dict[str, float]:
    """Compares two sets of features, real (N, D) and synthetic (M, D).

    Both are cut to the same number of rows, min(N, M, limit), drawn with `seed`: the measures depend on the number of
    rows, so only equal sizes compare. precision, recall: Kynkäänniemi et al. 2019, eq. 1 and 2; density, coverage:
    Naeem et al. 2020, section 3; frechet: Heusel et al. 2017, eq. 6. With fewer than two rows all are nan.
    """
    assert real.ndim == synthetic.ndim == 2 and real.shape[1] == synthetic.shape[1], "features must be (N, D), (M, D)"
    rows = min(len(real), len(synthetic), limit)
    k = min(k, rows - 1)
    if rows < 2:
        names = ("precision", "recall", "density", "coverage", "frechet")
        return {**dict.fromkeys(names, float("nan")), "rows": float(rows), "k": 0.0}
    generator = np.random.Generator(np.random.Philox(seed))
    real_nd = _subset(real, rows, generator)
    synthetic_nd = _subset(synthetic, rows, generator)
    return {
        **_manifolds(real_nd, synthetic_nd, k),
        "frechet": frechet_distance(real_nd, synthetic_nd),
        "rows": float(rows),
        "k": float(k),
    }


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """|μa - μb|² + tr(Σa + Σb - 2 (Σa Σb)^½) of rows a (N, D) and b (M, D), each at least two rows.

    tr (Σa Σb)^½ is the sum of the singular values of Σa^½ Σb^½. Singular values keep their precision where Σ has no
    full rank (few rows, many features); the square roots of tiny eigenvalues do not.
    """
    root_a, root_b = _covariance_root(a), _covariance_root(b)
    overlap = np.linalg.svd(root_a @ root_b, compute_uv=False).sum()
    shift = a.mean(0, dtype=np.float64) - b.mean(0, dtype=np.float64)
    distance = shift @ shift + np.sum(root_a**2) + np.sum(root_b**2) - 2 * overlap
    return max(float(distance), 0.0)


def _covariance_root(x: np.ndarray) -> np.ndarray:
    covariance = np.atleast_2d(np.cov(x.astype(np.float64), rowvar=False))
    values, vectors = np.linalg.eigh(covariance)
    root: np.ndarray = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    return root


def _subset(x: np.ndarray, rows: int, generator: np.random.Generator) -> np.ndarray:
    index = np.sort(generator.permutation(len(x))[:rows])
    return x[index].astype(np.float64)


def _manifolds(real: np.ndarray, synthetic: np.ndarray, k: int) -> dict[str, float]:
    centre = real.mean(0)
    real, synthetic = real - centre, synthetic - centre
    slack = TOLERANCE * max(float(np.square(real).sum(1).max()), float(np.square(synthetic).sum(1).max()))
    real_radius = _squared_radii(real, k) + slack
    synthetic_radius = _squared_radii(synthetic, k) + slack
    inside_real = np.zeros(len(synthetic), bool)
    balls = 0
    recalled, covered = np.zeros(len(real), bool), np.zeros(len(real), bool)
    for rows, squared in _blocks(real, synthetic):
        in_ball = squared <= real_radius[rows, None]
        inside_real |= in_ball.any(0)
        balls += int(in_ball.sum())
        covered[rows] = in_ball.any(1)
        recalled[rows] = (squared <= synthetic_radius[None]).any(1)
    return {
        "precision": float(inside_real.mean()),
        "recall": float(recalled.mean()),
        "density": balls / (k * len(synthetic)),
        "coverage": float(covered.mean()),
    }


def _squared_radii(x: np.ndarray, k: int) -> np.ndarray:
    """Squared distance of each row to its k-th neighbour, itself not counted."""
    radii = np.empty(len(x))
    for rows, squared in _blocks(x, x):
        squared[np.arange(len(squared)), np.arange(rows.start, rows.stop)] = -1.0
        radii[rows] = np.partition(squared, k, axis=1)[:, k]
    return radii


def _blocks(a: np.ndarray, b: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Squared distances (block, M) of consecutive rows of a to all rows of b."""
    b_squared = np.square(b).sum(1)
    size = max(1, BLOCK // len(b))
    for start in range(0, len(a), size):
        rows = slice(start, min(start + size, len(a)))
        squared = np.square(a[rows]).sum(1)[:, None] + b_squared - 2 * a[rows] @ b.T
        yield rows, squared.clip(min=0)
