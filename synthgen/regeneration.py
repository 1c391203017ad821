"""One row again, from what a run's folder says of its making, and whether it is the row that is there.

print(regenerate(Path("runs/digits"), 17))
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .errors import UserError
from .pipeline import open_maker
from .remote.address import Address, Place
from .remote.loan import borrow


@dataclass(frozen=True)
class Comparison:
    """A candidate that was made anew, beside the one of the run."""

    index: int
    differing: tuple[str, ...]  # columns

    def __str__(self) -> str:
        if not self.differing:
            return f"row {self.index}: identical"
        return f"row {self.index}: different in {', '.join(self.differing)}"


def regenerate(run: Place, index: int) -> Comparison:
    """Candidate `index` of the run, made with the whole shard that it belongs to. Raises UserError."""
    folder = borrow(run) if isinstance(run, Address) else run
    try:
        document = (folder / "state" / "recipe.json").read_text()
        shard_size = int(json.loads(document)["sample"]["shard_size"])
    except (OSError, ValueError, KeyError):
        raise UserError(f"RUN: {str(folder)!r} is not a run's folder; name one that `synthgen run` made") from None
    number, place = divmod(index, shard_size)
    shard = f"state/shards/{number:06d}.parquet"
    if isinstance(run, Address):
        borrow(run, shard)
    stored = _read(folder / shard, index, place)
    made = open_maker((document, str(folder.absolute())))
    data, _ = made.make_shard(number)
    again = pq.read_table(io.BytesIO(data)).slice(place, 1).to_pylist()[0]
    return Comparison(index, tuple(name for name in stored if stored[name] != again[name]))


def _read(path: Path, index: int, place: int) -> dict[str, Any]:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid):
        raise UserError(
            f"INDEX: {index} was never made in this run; look for numbers in the column provenance"
        ) from None
    row: dict[str, Any] = table.slice(place, 1).to_pylist()[0]
    return row
