"""Smooth random fields: independent normal numbers on a coarse grid, interpolated by cubic B-splines.

field = smooth(rng.standard_normal((8, 6, 6)), size=(64, 64))        # (8, 64, 64), N(0, 1) at every pixel
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np


@lru_cache(maxsize=64)
def spline_weights(size: int, knots: int) -> np.ndarray:
    """Uniform cubic B-splines (de Boor 1978), float32 (size, knots), knots ≥ 4: rows scaled to unit length.

    With unit rows, independent N(0, 1) coefficients give N(0, 1) at every pixel.
    """
    at = (np.arange(size) + 0.5) / size * (knots - 3)
    distance = np.abs(at[:, None] - (np.arange(knots)[None] - 1))
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = np.clip(2 - distance, 0, None) ** 3 / 6
    weights = np.where(distance < 1, near, far)
    weights = (weights / np.linalg.norm(weights, axis=1, keepdims=True)).astype(np.float32)
    weights.flags.writeable = False
    return weights


def smooth(coefficients: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Fields float32 (…, H, W) of coefficients (…, k, k); each field is computed by itself, whatever the batch."""
    down, across = spline_weights(size[0], coefficients.shape[-2]), spline_weights(size[1], coefficients.shape[-1])
    fields: np.ndarray = down @ coefficients.astype(np.float32) @ across.T
    return fields
