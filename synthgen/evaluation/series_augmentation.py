"""Classical augmentation of series: the baseline that synthetic rows must beat. Knows arrays only.

Um et al. 2017 (arXiv:1706.00527) and Le Guennec et al. 2016: noise, scaling, warped time and a window stretched to the
whole. Every row is varied on its own by the generator, and events move with the steps that they name.

    series, events = vary_series(series, events, np.random.Generator(np.random.Philox(0)))
"""

from __future__ import annotations

import numpy as np

JITTER = 0.03  # standard deviation of the noise, in a channel's own
SCALING = 0.1  # standard deviation of each channel's factor
BENDS = 4  # pieces of a warped time axis
STRETCH = 0.25  # standard deviation of the logarithm of a piece's speed
SHORTEST = 0.9  # share of the steps that a window keeps, at least


def vary_series(
    series: np.ndarray, events: np.ndarray, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Noise, scaling, warped time and a window of each row. series float32 (N, T, C), events (N, T) of integers.

    Noise and scaling are about each row's own mean, and in its own spread, so that the units do not matter.
    """
    count, length, channels = series.shape
    middle = series.mean(1, keepdims=True)
    spread = series.std(1, keepdims=True)
    noise = JITTER * spread * generator.standard_normal(series.shape, dtype=np.float32)
    factors = 1 + SCALING * generator.standard_normal((count, 1, channels), dtype=np.float32)
    varied = middle + (series - middle) * factors + noise
    places = draw_times(count, length, generator)
    return read_at(varied, places), np.take_along_axis(events, np.rint(places).astype(np.int64), 1)


def draw_times(count: int, length: int, generator: np.random.Generator) -> np.ndarray:
    """Where each step is read: float64 (count, T), rising, within 0 and T - 1, smooth."""
    knots = np.linspace(0, 1, BENDS + 1)
    speeds = np.exp(STRETCH * generator.standard_normal((count, BENDS + 1)))
    share = np.linspace(0, 1, length)
    piece = np.minimum((share * BENDS).astype(np.int64), BENDS - 1)
    part = (share - knots[piece]) * BENDS
    speed = speeds[:, piece] * (1 - part) + speeds[:, piece + 1] * part
    passed = np.cumsum(speed, 1) - speed[:, :1]
    passed /= np.maximum(passed[:, -1:], 1e-9)
    window = generator.uniform(SHORTEST, 1, (count, 1))
    start = generator.uniform(0, 1, (count, 1)) * (1 - window)
    places: np.ndarray = (start + passed * window) * (length - 1)
    return places.clip(0, length - 1)


def read_at(series: np.ndarray, places: np.ndarray) -> np.ndarray:
    """series (N, T, C) at fractional steps (N, T), linearly between neighbours; float32."""
    before = np.minimum(places.astype(np.int64), series.shape[1] - 2)
    part = (places - before)[..., None].astype(np.float32)
    left = np.take_along_axis(series, before[..., None], 1)
    right = np.take_along_axis(series, before[..., None] + 1, 1)
    return (left * (1 - part) + right * part).astype(np.float32)
