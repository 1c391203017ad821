"""Rows of Parquet, JSON-lines and CSV files, a few hundred at a time. Knows columns, not classes, splits or pixels.

read_header(Path("train.parquet")).names        # {"label": ("cat", "dog")}
for row in read_table(Path("train.parquet"), "image", "label", "label"): ...
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import UserError
from .rows import BadRow, Row, Target, find_stored

SUFFIXES = (".parquet", ".jsonl", ".ndjson", ".json", ".csv")  # typed formats first
BATCH_ROWS = 256
LONGEST_CELL = 64 * 2**20

NO_VALUE = {"", "nan", "null", "n/a", "#n/a"}
WHOLE = re.compile(r"-?\d+\.0+")  # a column of whole numbers with gaps is written so by pandas

Names = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Header:
    columns: tuple[str, ...]
    names: Names  # names of the classes of a column, where the file's features have them
    rows: int | None  # where the file says so


def read_header(file: Path) -> Header:
    """The columns of a table without its rows; a UserError if it is not the table that its suffix promises."""
    try:
        if file.suffix == ".parquet":
            with pq.ParquetFile(file) as table:
                schema = table.schema_arrow
                return Header(tuple(schema.names), class_names(schema), table.metadata.num_rows)
        return Header(_first_columns(file), {}, None)
    except (pa.ArrowException, OSError, ValueError, csv.Error) as error:
        raise _unreadable(file, error) from None


def check_columns(columns: tuple[str, ...], wanted: dict[str, str], place: str) -> None:
    """A UserError if a wanted column (ours -> theirs) is not among those of the table."""
    for ours, theirs in wanted.items():
        if theirs not in columns:
            near = get_close_matches(theirs, columns, 1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            has = ", ".join(columns[:20]) or "none"
            raise UserError(
                f"source.columns.{ours}: {place} has no column {theirs!r}{hint}; set it to one of its columns: {has}"
            )


def read_table(file: Path, image: str, column: str, target: Target) -> Iterator[Row]:
    """The table's rows in order. A row that cannot be read has a `fault`; a broken file is a UserError."""
    read = {".parquet": _parquet_cells, ".csv": _csv_cells}.get(file.suffix, _json_cells)
    try:
        for number, cells in enumerate(read(file, image, column)):
            yield make_row(f"{file.name} row {number}", cells, target, (file.parent,))
    except (pa.ArrowException, OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(file, error) from None


def make_row(where: str, cells: tuple[Any, Any] | BadRow, target: Target, folders: tuple[Path, ...]) -> Row:
    """A row of the cells (image, target); the files that cells name must be inside `folders`."""
    try:
        if isinstance(cells, BadRow):
            raise cells
        image = find_stored(cells[0], folders, where)
        if target == "mask":
            return Row(where, image, _find_mask(cells[1], folders, where))
        return Row(where, image, cells[1])
    except BadRow as bad:
        return Row(where, fault=str(bad))


def _find_mask(cell: Any, folders: tuple[Path, ...], where: str) -> Any:
    try:
        return find_stored(cell, folders, where)
    except BadRow as bad:
        raise BadRow(f"mask: {bad}") from None


def class_names(schema: pa.Schema) -> Names:
    """The names of the ClassLabel columns in the features that `datasets` stores in a Parquet schema."""
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}")).get("info", {}).get("features", {})
        return {
            column: tuple(str(name) for name in feature["names"])
            for column, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and feature.get("names")
        }
    except (ValueError, AttributeError, TypeError):
        return {}  # not written by `datasets`: then the values themselves are the classes


def _parquet_cells(file: Path, image: str, column: str) -> Iterator[tuple[Any, Any]]:
    with pq.ParquetFile(file) as table:
        for batch in table.iter_batches(BATCH_ROWS, columns=[image, column]):
            yield from zip(batch[image].to_pylist(), batch[column].to_pylist(), strict=True)


def _csv_cells(file: Path, image: str, column: str) -> Iterator[tuple[Any, Any] | BadRow]:
    csv.field_size_limit(LONGEST_CELL)
    with file.open(newline="", encoding="utf-8-sig") as lines:
        for cells in csv.DictReader(lines):
            yield (cells.get(image), _typed(cells.get(column)))


def _typed(cell: str | None) -> str | float | None:
    """A cell of CSV with what other programs write for "no value" and for whole numbers told from words."""
    text = (cell or "").strip()
    if text.lower() in NO_VALUE:
        return math.nan if "nan" in text.lower() else None
    return float(text) if WHOLE.fullmatch(text) else text


def _json_cells(file: Path, image: str, column: str) -> Iterator[tuple[Any, Any] | BadRow]:
    for record in json_records(file):
        yield (record.get(image), record.get(column)) if isinstance(record, dict) else record


def json_records(file: Path) -> Iterator[dict[str, Any] | BadRow]:
    """The records of JSON lines; a BadRow where a line is none."""
    with file.open(encoding="utf-8-sig") as lines:
        for line in lines:
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                record = None
            yield record if isinstance(record, dict) else BadRow("not a JSON record")


def _first_columns(file: Path) -> tuple[str, ...]:
    with file.open(newline="", encoding="utf-8-sig") as lines:
        if file.suffix == ".csv":
            return tuple(next(csv.reader(lines), []))
        line = next((line for line in lines if line.strip()), "")
    try:
        cells = json.loads(line) if line else {}
    except RecursionError:
        cells = None
    if not isinstance(cells, dict):
        raise ValueError("the first line is not a JSON record; write one record a line")
    return tuple(cells)


def _unreadable(file: Path, error: Exception) -> UserError:
    words = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    return UserError(f"source.path: {file.name} is not a readable {file.suffix[1:]} file ({words}); write it again")
