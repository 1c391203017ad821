"""A few rows out of large Parquet files, without reading the rest.

What was read last is kept, up to a number of bytes: neighbours are usually asked for next.

    cells = Cells(index.files)
    cells.read(file=0, row=17, column="image")      # {"bytes": b"…", "path": None}
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 64  # of a column that are read together: a page of 48 rows lies in one or two of them
BYTES = 64 * 2**20  # of chunks that are kept

Key = tuple[int, str, int, int]  # file, column, row group, chunk


class Cells:
    def __init__(self, files: Sequence[Path], budget: int = BYTES) -> None:
        self.files, self.budget = tuple(files), budget
        self._footers = [pq.read_metadata(path) for path in files]
        counts = [[footer.row_group(k).num_rows for k in range(footer.num_row_groups)] for footer in self._footers]
        self._starts = [np.cumsum([0, *sizes]) for sizes in counts]
        self._kept: OrderedDict[Key, pa.Array] = OrderedDict()
        self._size, self._lock = 0, Lock()

    def has(self, file: int, column: str) -> bool:
        """Whether that file has the column: rejected rows lack what only accepted ones get."""
        return column in self._footers[file].schema.to_arrow_schema().names

    def read(self, file: int, row: int, column: str) -> Any:
        """The value of one cell, as Arrow gives it: a scalar."""
        group = int(np.searchsorted(self._starts[file], row, side="right")) - 1
        chunk, place = divmod(row - int(self._starts[file][group]), ROWS)
        return self._chunk((file, column, group, chunk))[place]

    def _chunk(self, key: Key) -> pa.Array:
        with self._lock:  # readers of one page ask for the same chunk: one of them reads it
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            for number, values in self._batches(key):
                self._keep((*key[:3], number), values)
            return self._kept[key]

    def _batches(self, key: Key) -> Any:
        """The chunks of a row group from the first up to the wanted one; only that one is worth keeping."""
        file, column, group, wanted = key
        # without buffering ahead, pages behind the wanted chunk are not read
        with pq.ParquetFile(self.files[file], metadata=self._footers[file], pre_buffer=False) as source:
            batches = source.iter_batches(ROWS, row_groups=[group], columns=[column], use_threads=False)
            for number, batch in enumerate(batches):
                if number == wanted:
                    yield number, batch.column(0)
                    return

    def _keep(self, key: Key, values: pa.Array) -> None:
        self._kept[key] = values
        self._size += values.nbytes
        while self._size > self.budget and len(self._kept) > 1:
            _, gone = self._kept.popitem(last=False)
            self._size -= gone.nbytes
