"""Scores as they are stored and compared: float32 of 6 significant digits, so that a last bit never decides.

significant(np.array([0.123456789])) == np.float32(0.123457)
"""

from __future__ import annotations

import numpy as np

DIGITS = 6


def significant(values: np.ndarray) -> np.ndarray:
    """`values` rounded to 6 significant digits, float32; zeros, inf and nan stay as they are."""
    wide = np.asarray(values, np.float64)
    usual = np.isfinite(wide) & (wide != 0)
    power = DIGITS - 1 - np.floor(np.log10(np.abs(wide, where=usual, out=np.ones_like(wide))))
    scale = 10.0 ** np.clip(power, -300, 300)
    return np.where(usual, np.round(np.where(usual, wide, 0) * scale) / scale, wide).astype(np.float32)
