"""MiniRocket: which share of a series lies above a threshold, for thousands of small fixed convolutions of it.

Dempster, Schmidt and Webb 2021, "MiniRocket" (arXiv:2012.08791); aeon's transformer given the same parameters finds the
same features. This one is plain numpy: nothing is compiled, no thread pool is started and no global random state is
touched, so that judges and learners may use it beside torch, and several of them at once in threads. Knows arrays only:
neither classes nor judges.

    features = MiniRocket.fit(series, seed=0).transform(series)     # (N, T, C) -> float32 (N, about 2,000), in [0, 1]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

KERNEL = 9  # weights of a convolution: three are 2 and six are -1
TRIPLES = np.array(list(combinations(range(KERNEL), 3)))  # where the three are, (84, 3)
FEATURES = 2_000  # about as many as are made; 10,000 do no better on validation rows of motions and power
DILATIONS = 32  # at most so many distances between the weights
MOST_CHANNELS = 9  # summed under one convolution
GOLDEN = (np.sqrt(5) + 1) / 2
BLOCK = 2**17  # values at a time; of a quarter as many every transform takes twice as long


@dataclass(frozen=True)
class MiniRocket:
    """Dilations (D,), features of each kernel by dilation (D,), channels used (D, 84, C), biases and scales."""

    dilations: np.ndarray
    counts: np.ndarray
    channels: np.ndarray
    biases: np.ndarray
    center: np.ndarray
    scale: np.ndarray

    @staticmethod
    def fit(series: np.ndarray, seed: int, features: int = FEATURES) -> MiniRocket:
        """The convolutions for series (N, T, C) and their biases: quantiles of what they make of drawn rows.

        Channels are standardised first, as several are summed. The same rows and seed give the same parameters.
        """
        generator = np.random.Generator(np.random.Philox(seed))
        count, _, channels = series.shape
        center = series.mean((0, 1), dtype=np.float64).astype(np.float32)
        spread = series.std((0, 1), dtype=np.float64).astype(np.float32)
        scale = np.where(spread > 1e-6 * (1 + np.abs(center)), spread, 1).astype(np.float32)
        dilations, counts = spread_dilations(max(series.shape[1], KERNEL), features)
        used = draw_channels(len(dilations), channels, generator)
        rocket = MiniRocket(dilations, counts, used, np.zeros(0, np.float32), center, scale)
        rows = generator.integers(count, size=(len(dilations), len(TRIPLES)))
        return replace(rocket, biases=rocket._draw_biases(series, rows))

    def transform(self, series: np.ndarray) -> np.ndarray:
        """(N, T, C) -> float32 (N, F): shares of steps above the bias. A row's do not depend on the rows beside it."""
        length, channels = max(series.shape[1], KERNEL), series.shape[2]
        out = np.empty((len(series), len(self.biases)), np.float32)
        size = max(1, BLOCK // (length * min(channels, 4)))
        for start in range(0, len(series), size):
            planes, place = self._planes(series[start : start + size]), 0
            for d, dilation in enumerate(self.dilations):
                inner = _inner(int(dilation), length)
                for k, found in enumerate(convolve(planes, int(dilation), self.channels[d])):
                    kept = found[:, inner] if (d + k) % 2 else found
                    ones = np.ones(kept.shape[1], np.float32)  # products with it count exactly, and faster than sum
                    for bias in self.biases[place : place + self.counts[d]]:
                        out[start : start + size, place] = (kept > bias).astype(np.float32) @ ones / len(ones)
                        place += 1
        return out

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that it is made of, for safetensors: `MiniRocket(**arrays)` is the same again."""
        return dict(vars(self))

    def _planes(self, series: np.ndarray) -> np.ndarray:
        """Standardised channels, (C, N, T), filled up with zeros to the length of a kernel."""
        planes = ((series - self.center) / self.scale).astype(np.float32).transpose(2, 0, 1)
        missing = KERNEL - planes.shape[2]
        return np.ascontiguousarray(np.pad(planes, ((0, 0), (0, 0), (0, missing))) if missing > 0 else planes)

    def _draw_biases(self, series: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Quantiles, by multiples of the golden ratio, of each convolution of the row drawn for it, rows (D, 84)."""
        quantiles = (np.arange(1, len(TRIPLES) * int(self.counts.sum()) + 1) * GOLDEN) % 1
        biases, place = np.empty(len(quantiles), np.float32), 0
        for d, k in np.ndindex(*rows.shape):
            plane = self._planes(series[rows[d, k]][None])[self.channels[d, k]].sum(0)
            asked = slice(place, place + int(self.counts[d]))
            biases[asked] = np.quantile(_convolve_one(plane[0], int(self.dilations[d]), TRIPLES[k]), quantiles[asked])
            place = asked.stop
        return biases


def spread_dilations(length: int, features: int = FEATURES) -> tuple[np.ndarray, np.ndarray]:
    """Distances between weights, from 1 to where the kernel is as long as the series, and how many features of each of
    the 84 kernels go to each distance. Section 3.1 of the paper."""
    each = max(1, features // len(TRIPLES))
    steps = min(each, DILATIONS)
    longest = np.log2((length - 1) / (KERNEL - 1))
    dilations, counts = np.unique(np.logspace(0, longest, steps, base=2).astype(np.int64), return_counts=True)
    counts = (counts * (each / steps)).astype(np.int64)
    counts[np.arange(each - counts.sum()) % len(counts)] += 1
    return dilations, counts


def draw_channels(dilations: int, channels: int, generator: np.random.Generator) -> np.ndarray:
    """bool (D, 84, C): the channels summed under each convolution, one to nine, small numbers more often."""
    most = np.log2(min(channels, MOST_CHANNELS) + 1)
    many = (2 ** generator.uniform(0, most, (dilations, len(TRIPLES)))).astype(np.int64)
    order = generator.random((dilations, len(TRIPLES), channels)).argsort(2).argsort(2)
    return order < many[..., None]


def convolve(planes: np.ndarray, dilation: int, channels: np.ndarray) -> Iterator[np.ndarray]:
    """Each of the 84 convolutions of planes (C, N, T) summed over its channels (84, C): float32 (N, T), one buffer."""
    shifted = _shift(planes, dilation)
    base = -shifted[0]
    for plane in shifted[1:]:
        base -= plane
    tripled = _shift(3 * planes, dilation)
    total = np.empty(planes.shape[1:], np.float32)
    for triple, used in zip(TRIPLES, channels, strict=True):
        first, *rest = np.flatnonzero(used)
        total[:] = base[first]
        for channel in rest:
            total += base[channel]
        for tap in triple:
            for channel in (first, *rest):
                total += tripled[tap][channel]
        yield total


def _convolve_one(values: np.ndarray, dilation: int, triple: np.ndarray) -> np.ndarray:
    shifted = np.stack(_shift(values, dilation))
    return 3 * shifted[triple].sum(0) - shifted.sum(0)


def _shift(values: np.ndarray, dilation: int) -> list[np.ndarray]:
    """Views of values (..., T) as each of the nine weights meets them, zeros beyond the ends."""
    length, reach = values.shape[-1], dilation * (KERNEL // 2)
    padded = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(reach, reach)])
    return [padded[..., tap * dilation : tap * dilation + length] for tap in range(KERNEL)]


def _inner(dilation: int, length: int) -> slice:
    """The steps at which the whole kernel lies inside the series."""
    reach = dilation * (KERNEL // 2)
    return slice(reach, length - reach)
