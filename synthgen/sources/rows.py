"""What a reader hands over: rows still encoded, and where each stands. Knows no file format and decodes nothing.

Row(where="train.parquet row 17", image=b"\\x89PNG...", target=3)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any, Literal

from ..errors import UserError

Stored = bytes | Path
Target = Literal["label", "mask"]
PARTS = ("train", "validation", "heldout")

BAD_SHARE = 0.01  # of all rows, rounded up: so many bad rows are left out and named, more are an error
NAMED_ROWS = 20  # a note names so many of them


class BadRow(Exception):
    """A row that cannot be used, with the reason."""


@dataclass(frozen=True)
class Row:
    where: str  # file and row number (from 0), or the image's file
    image: Stored | None = None
    target: Any = None  # a label as it stands in the source, or a stored mask
    fault: str = ""  # why the reader could not read the row


@dataclass(frozen=True)
class Opened:
    """A source whose columns have been checked and whose rows have not been read."""

    parts: Mapping[str, Callable[[], Iterator[Row]]]  # train, and validation and heldout where the source has them
    title: str
    names: tuple[str, ...] | None = None  # of the classes, in the order of their numbers
    license: str = "unknown"
    citation: str = "not stated"
    labels: str = "as they stand in the source; who made them is not stated"
    notes: tuple[str, ...] = ()


@dataclass
class Faults:
    """The bad rows met so far."""

    found: list[tuple[str, str]] = field(default_factory=list)

    def add(self, where: str, reason: str) -> None:
        self.found.append((where, reason))

    def settle(self, total: int) -> tuple[str, ...]:
        """The note about rows that were left out; a UserError if they are more than 1 % of `total`, rounded up."""
        if not self.found:
            return ()
        where, reason = self.found[0]
        count = f"{len(self.found)} of {total} rows cannot be used" if total > 1 else "the only row cannot be used"
        if len(self.found) > ceil(BAD_SHARE * total) or len(self.found) == total:
            raise UserError(f"source: {count}, first {where}: {reason}; mend or remove them (at most 1 % may be bad)")
        named = "; ".join(f"{where}: {reason}" for where, reason in self.found[:NAMED_ROWS])
        more = f"; and {len(self.found) - NAMED_ROWS} more" if len(self.found) > NAMED_ROWS else ""
        return (f"{len(self.found)} of {total} rows were left out: {named}{more}",)


def find_stored(value: Any, folders: tuple[Path, ...], where: str) -> Stored:
    """The bytes or the file behind a cell: bytes, a {bytes, path} record, or a path relative to the first folder.

    A BadRow if the cell is empty; a UserError if the path leads out of `folders`: a table from elsewhere must not
    make us read, and perhaps publish, other files of this machine.
    """
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes) and value:
        return value
    if not isinstance(value, str) or not value or "\0" in value:
        raise BadRow("no image" if value in (None, "", b"") else f"a {type(value).__name__} is not an image")
    file = (folders[0] / value).resolve() if folders else Path(value)
    if not any(file.is_relative_to(folder.resolve()) for folder in folders):
        raise UserError(f"source: {where} points to {value!r}, outside the source's folder; use files inside it")
    return file
