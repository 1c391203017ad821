"""Ridge regression onto classes, and the principal axes it works in. Knows arrays only.

spectrum = decompose(features)                     # (N, F), whichever of N and F is larger
ridge = fit_ridge(spectrum, targets, choose_penalty(spectrum, targets))
ridge.decide(features).argmax(1)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PENALTIES = np.logspace(-3, 3, 13)
BLOCK = 256  # rows multiplied at a time: always as many, so that a row's product does not depend on its company
NEGLIGIBLE = 1e-10  # of the largest variance: directions below it hold rounding errors


@dataclass(frozen=True)
class Spectrum:
    """Standardised rows as left @ diag(singular) @ axes.T, weighted by how often each row counts; float64."""

    center: np.ndarray  # (F,)
    scale: np.ndarray  # (F,)
    weights: np.ndarray  # (N,), summing to the number of rows
    left: np.ndarray  # (N, R)
    singular: np.ndarray  # (R,), falling
    axes: np.ndarray  # (F, R)


@dataclass(frozen=True)
class Ridge:
    """float32 weights (F, K) and bias (K,) of unstandardised features."""

    weights: np.ndarray
    bias: np.ndarray

    def decide(self, features: np.ndarray) -> np.ndarray:
        """(N, F) -> (N, K), about -1 or 1: the larger, the more likely the class."""
        return multiply(features, self.weights) + self.bias


def decompose(features: np.ndarray, weights: np.ndarray | None = None) -> Spectrum:
    """Singular value decomposition of standardised features (N, F) by the smaller of its two products with itself.

    A feature that does not vary is left as it is, at 0. An SVD proper takes eight times as long for 2,500 rows.
    """
    weight = np.ones(len(features)) if weights is None else weights.astype(np.float64)
    x = features.astype(np.float64)
    total = weight.sum()
    center = weight @ x / total
    x -= center
    spread = np.sqrt(weight @ np.square(x) / total)
    scale = np.where(spread > 1e-6 * (1 + np.abs(center)), spread, 1.0)
    x *= np.sqrt(weight)[:, None] / scale
    wide = x.shape[0] <= x.shape[1]
    values, vectors = np.linalg.eigh(x @ x.T if wide else x.T @ x)
    kept = values > NEGLIGIBLE * max(values[-1], 1e-300)
    singular, vectors = np.sqrt(values[kept][::-1]), vectors[:, kept][:, ::-1]
    other = (x.T if wide else x) @ vectors / singular
    left, axes = (vectors, other) if wide else (other, vectors)
    return Spectrum(center, scale, weight, left, singular, axes)


def fit_ridge(spectrum: Spectrum, targets: np.ndarray, penalty: float) -> Ridge:
    """Least squares onto targets (N, K) with `penalty` times the squared weights of the standardised features."""
    mean, centred = _centre(spectrum, targets)
    shrunk = spectrum.singular / (spectrum.singular**2 + penalty)
    weights = spectrum.axes @ (shrunk[:, None] * (spectrum.left.T @ centred)) / spectrum.scale[:, None]
    return Ridge(weights.astype(np.float32), (mean - spectrum.center @ weights).astype(np.float32))


def choose_penalty(spectrum: Spectrum, targets: np.ndarray) -> float:
    """The penalty with the least squared error of rows left out one at a time (Hastie et al. 2009, eq. 7.64).

    A row that counts several times is left out as a whole.
    """
    _, centred = _centre(spectrum, targets)
    inside = spectrum.left.T @ centred
    losses = []
    for penalty in PENALTIES:
        shrunk = spectrum.singular**2 / (spectrum.singular**2 + penalty)
        leverage = np.square(spectrum.left) @ shrunk + spectrum.weights / spectrum.weights.sum()
        residual = centred - spectrum.left @ (shrunk[:, None] * inside)
        losses.append(np.square(residual / np.maximum(1 - leverage, 1e-9)[:, None]).sum())
    return float(PENALTIES[int(np.argmin(losses))])


def one_against_rest(labels: np.ndarray, classes: int) -> np.ndarray:
    """(N,) -> float64 (N, K): 1 for the row's class, -1 for every other."""
    return 2.0 * (labels[:, None] == np.arange(classes)) - 1.0


def multiply(rows: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """float32 rows (N, F) times matrix (F, K), in blocks of one size."""
    out = np.empty((len(rows), matrix.shape[1]), np.float32)
    block = np.zeros((BLOCK, rows.shape[1]), np.float32)
    for start in range(0, len(rows), BLOCK):
        part = rows[start : start + BLOCK]
        block[: len(part)] = part
        out[start : start + BLOCK] = (block @ matrix)[: len(part)]
    return out


def _centre(spectrum: Spectrum, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The weighted mean of the targets, and what is left of them, each row times the root of its weight."""
    mean = spectrum.weights @ targets / spectrum.weights.sum()
    return mean, (targets - mean) * np.sqrt(spectrum.weights)[:, None]
