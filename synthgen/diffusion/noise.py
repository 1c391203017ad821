"""Random numbers that belong to a row, whoever draws them and in whatever company.

Philox (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") turns (key, counter) into random words
without any state, so row i has the same numbers in every shard size, worker and process.

    noise = draw_noise(seed=0, indices=[5, 6], shape=(3, 64, 64))
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
import torch

Seed = int | np.ndarray  # of all rows, or of each
PROBED = (0.1, 0.3, 0.5, 0.7, 0.9)  # noise levels of a validation loss


@cache
def _stream_key(stream: str) -> int:
    return int.from_bytes(hashlib.blake2b(stream.encode(), digest_size=8).digest(), "little")


def row_generator(seed: int, index: int, stream: str) -> np.random.Generator:
    """The generator of row `index` for one purpose (`stream`), such as "noise" or "condition".

    The index fills the second word of the counter, so a row has 2^64 blocks before it meets the next row's.
    """
    key = np.array([seed, _stream_key(stream)], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=np.array([0, index, 0, 0], np.uint64)))


def row_generators(seed: Seed, indices: Sequence[int] | np.ndarray, stream: str) -> Iterator[np.random.Generator]:
    """The generators of many rows: of one seed, or each of its own, int64 (N,)."""
    for own, index in zip(np.broadcast_to(np.asarray(seed, np.int64), len(indices)), indices, strict=True):
        yield row_generator(int(own), int(index), stream)


def draw_noise(seed: Seed, indices: Sequence[int] | np.ndarray, shape: tuple[int, ...]) -> torch.Tensor:
    """Standard normal noise, float32 (len(indices), *shape); `seed` is one for all rows or int64 (N,)."""
    out = np.empty((len(indices), *shape), np.float32)
    for row, generator in zip(out, row_generators(seed, indices, "noise"), strict=True):
        generator.standard_normal(dtype=np.float32, out=row)
    return torch.from_numpy(out)


def step_generator(seed: int, step: int, stream: str) -> torch.Generator:
    """A torch generator for step `step` of a training: a resumed training draws what an undisturbed one draws."""
    digest = hashlib.blake2b(f"{seed}/{step}/{stream}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)
