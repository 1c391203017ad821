"""The training rows as tensors, and which of them a batch has.

rows = EncodedRows(codec, data.train, folder)
x, condition = rows.take(rows.batch(number, batch_size, seed))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from ..diffusion.noise import step_generator
from ..types import Codec, Columns, Condition, Keeping, count_rows, group_by_width, take_rows
from .processes import ALONE, Processes

HELD_BYTES = 2**29  # of encoded training rows that are kept in memory; more rows are encoded batch by batch
LATENTS = "latents.npy"
CHUNK = 64  # rows that are encoded together where the codec keeps them
TOGETHER = 256  # rows that are encoded and written together


class EncodedRows:
    """What the net learns from: the rows as tensors, encoded once where all of them fit into half a gigabyte, or where
    encoding is dear.

    The latents of an autoencoder that do not fit wait on disk, in `folder`; of several `processes` that see it the
    first writes them.
    """

    def __init__(
        self, codec: Codec, columns: Columns, folder: Path | None = None, processes: Processes = ALONE,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:  # fmt: skip
        self.codec, self.columns = codec, codec.views(columns)
        self.widths = codec.widths(self.columns)
        self.groups = group_by_width(self.widths, len(self))
        widest = self.groups[-1][:1]
        x, condition = self._encode(widest)
        size = sum(tensor.nbytes for tensor in (x, *condition.values())) * len(self)
        if isinstance(codec, Keeping):  # before the clock of the training runs
            for start in range(0, len(self), CHUNK):
                self._encode(slice(start, start + CHUNK))
                tell(f"{min(start + CHUNK, len(self)):,} of {len(self):,} rows encoded")
        self.held = self._encode(slice(None)) if size <= HELD_BYTES else None
        self.path = None if folder is None or self.held is not None or not codec.components() else folder / LATENTS
        if self.path is not None:
            if processes.leads and not self.path.is_file():
                self._write(self.path, tuple(x.shape[1:]))
            processes.tell(0)
            self.kept: np.ndarray = np.load(self.path, mmap_mode="r")

    def __len__(self) -> int:
        return count_rows(self.columns)

    def batch(self, number: int, batch_size: int, seed: int) -> np.ndarray:
        """The rows of batch `number`; all of one width."""
        if self.widths is None:
            return batch_index(len(self), number, batch_size, seed)
        return batch_of_groups(tuple(map(len, self.groups)), number, batch_size, seed, self.groups)

    def take(self, index: np.ndarray) -> tuple[torch.Tensor, Condition]:
        """Encoded rows (B, *shape) and their condition, copies that may be written to."""
        if self.path is not None:
            return torch.from_numpy(self.kept[index]), self.codec.condition(take_rows(self.columns, index))
        if self.held is None:
            return self._encode(index)
        x, condition = self.held
        if self.widths is None:
            return x[index], {name: values[index] for name, values in condition.items()}
        width, widest = int(self.widths[index[0]]), x.shape[1]
        cut = {
            name: values[index, :width] if values.ndim > 1 and values.shape[1] == widest else values[index]
            for name, values in condition.items()
        }
        return x[index, :width], cut

    def forget(self) -> None:
        """Delete what was written."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def _write(self, path: Path, shape: tuple[int, ...]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        written = np.lib.format.open_memmap(temporary, "w+", np.float32, (len(self), *shape))
        for start in range(0, len(self), TOGETHER):
            part = slice(start, start + TOGETHER)
            written[part] = self.codec.encode(take_rows(self.columns, part)).numpy()
        written.flush()
        temporary.replace(path)

    def _encode(self, index: slice | np.ndarray) -> tuple[torch.Tensor, Condition]:
        rows = self.codec.lay_out(take_rows(self.columns, index))
        return self.codec.encode(rows), self.codec.condition(rows)


def batch_of_groups(
    sizes: tuple[int, ...], batch: int, batch_size: int, seed: int, groups: Sequence[np.ndarray]
) -> np.ndarray:
    """Row numbers of batch `batch`, all of one group.

    In an epoch each group is a permutation of its own, cut into batches, the last filled up with the group's first
    rows; the batches of all groups come in a random order.
    """
    counts = [-(-size // batch_size) for size in sizes]
    epoch, place = divmod(batch, sum(counts))
    chosen = int(_permutation(sum(counts), epoch, seed)[place])
    group = int(np.searchsorted(np.cumsum(counts), chosen, side="right"))
    start = (chosen - sum(counts[:group])) * batch_size
    order = _permutation(sizes[group], len(sizes) * epoch + group, seed + 1).numpy()
    found: np.ndarray = groups[group][order[np.arange(start, start + batch_size) % sizes[group]]]
    return found


def batch_index(rows: int, batch: int, batch_size: int, seed: int) -> np.ndarray:
    """Row numbers of batch `batch`: each epoch is a permutation of its own, and batches run across epochs."""
    places = range(batch * batch_size, (batch + 1) * batch_size)
    return torch.stack([_permutation(rows, place // rows, seed)[place % rows] for place in places]).numpy()


@lru_cache(maxsize=64)
def _permutation(rows: int, epoch: int, seed: int) -> torch.Tensor:
    return torch.randperm(rows, generator=step_generator(seed, epoch, "epoch"))
