"""Records of a user's files or of the Hub, by part: dictionaries from column to value. Knows no task.

records = open_records(options)
records.columns, len(records.parts["train"])
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ...errors import UserError
from .. import folders, hub
from ..files import find_files
from ..options import SourceOptions
from ..rows import PARTS, BadRow
from ..tables import LONGEST_CELL, json_records

SUFFIXES = (".parquet", ".jsonl", ".ndjson", ".tsv", ".csv", ".json")  # typed formats first
LARGEST_JSON = 2**30  # bytes of a file that is one JSON value: it is held in memory
BATCH_ROWS = 1_000

Unfold = Callable[[Any, str], Iterator["Record"]]
"""(the value of a JSON file, its name): the records in it, where a task knows nested files."""


@dataclass(frozen=True)
class Record:
    where: str  # file and row number (from 0)
    cells: dict[str, Any]
    fault: str = ""  # why it cannot be read


@dataclass(frozen=True)
class Records:
    """Everything that a source holds, in its order."""

    parts: dict[str, list[Record]]  # train, and validation and heldout where the source has them
    columns: tuple[str, ...]  # of the train part's first records
    title: str
    license: str
    citation: str
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        return sum(map(len, self.parts.values()))


def open_records(options: SourceOptions, unfold: Unfold | None = None) -> Records:
    """The records under `source.path` or of `source.id`. A UserError if there are none."""
    records = _open_hub(options) if options.kind == "hub" else _open_files(options, unfold)
    if not records.parts["train"]:
        raise UserError(f"source: {records.title} holds no rows to train on; fill it")
    return records


def describe_records(options: SourceOptions) -> str:
    """One line about the source, from names and headers alone."""
    if options.kind == "hub":
        return hub.describe_dataset(options)
    folder, by_part, _ = find_tables(options)
    files = [file for part in by_part.values() for file in part]
    title = folder.name if len(files) > 1 else files[0].name
    return f"{title}: {', '.join(f'{part} {len(files)} files' for part, files in by_part.items())}"


def find_tables(options: SourceOptions) -> tuple[Path, dict[str, list[Path]], list[str]]:
    """The folder, the files of each part (by their names, else their folders' names), and what is not read."""
    folder, files = find_files(options.path or "")
    suffix = next((suffix for suffix in SUFFIXES if any(file.suffix == suffix for file in files)), "")
    chosen = [file for file in files if suffix and file.suffix == suffix]
    if not chosen:
        raise UserError(f"source.path: {options.path!r} holds no {', '.join(SUFFIXES)} file; name a path that does")
    left = [file.name for file in files if file.suffix in SUFFIXES and file not in chosen]
    if len(chosen) == 1:
        return folder, {"train": chosen}, left
    names, found = folders.part_names(options.split), dict[str, list[Path]]()
    for file in chosen:
        places = [file.stem, *reversed(file.relative_to(folder).parts[:-1])]
        found.setdefault(next((p for place in places if (p := folders.find_part(place, names))), ""), []).append(file)
    if options.split is None and set(found) == {""}:
        found = {"train": chosen}
    left += [file.name for file in found.pop("", [])]
    if "train" not in found:
        raise UserError(f"source.path: {options.path!r} has no rows to train on; name a train part in source.split")
    return folder, {part: found[part] for part in PARTS if part in found}, left


def _open_files(options: SourceOptions, unfold: Unfold | None) -> Records:
    folder, by_part, left = find_tables(options)
    parts = {part: [r for file in files for r in read_file(file, unfold)] for part, files in by_part.items()}
    count, first = sum(map(len, by_part.values())), by_part["train"][0]
    copy_of = f", a copy of {options.id} of the Hub" if options.id else ""
    more = " and more" if len(left) > 10 else ""
    return Records(
        parts,
        find_columns(parts["train"]),
        title=f"{folder.name if count > 1 else first.name}{copy_of}",
        license=options.license or "unknown",
        citation=options.origin or (f"Hugging Face Hub, {options.id}" if options.id else "not stated"),
        notes=(f"files that were not read: {', '.join(left[:10])}{more}",) if left else (),
    )


def find_columns(records: list[Record]) -> tuple[str, ...]:
    """The columns of the first hundred records, in order: JSON records need not all have the same."""
    return tuple(dict.fromkeys(name for record in records[:100] for name in record.cells))


def read_file(file: Path, unfold: Unfold | None = None) -> Iterator[Record]:
    """The records of one file. A broken file is a UserError, a broken line a record with a fault."""
    read = {".parquet": _read_parquet, ".csv": _read_csv, ".tsv": _read_csv}.get(file.suffix, _read_lines)
    try:
        if file.suffix == ".json":
            yield from _read_json(file, unfold)
            return
        for number, cells in enumerate(read(file)):
            where = f"{file.name} row {number}"
            yield Record(where, {}, str(cells)) if isinstance(cells, BadRow) else Record(where, cells)
    except (pa.ArrowException, OSError, ValueError, RecursionError, csv.Error) as error:
        words = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise UserError(f"source.path: {file.name} is not a readable {file.suffix[1:]} file ({words})") from None


def _read_parquet(file: Path) -> Iterator[dict[str, Any]]:
    with pq.ParquetFile(file) as table:
        for batch in table.iter_batches(BATCH_ROWS):
            yield from batch.to_pylist()


def _read_csv(file: Path) -> Iterator[dict[str, Any]]:
    csv.field_size_limit(LONGEST_CELL)
    # the cells of a .tsv are as they stand: translations are full of single quotation marks
    style: dict[str, Any] = {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if file.suffix == ".tsv" else {}
    with file.open(newline="", encoding="utf-8-sig") as lines:
        for cells in csv.DictReader(lines, **style):
            cells.pop(None, None)  # type: ignore[call-overload]  # where csv puts cells beyond the header
            yield dict(cells)


def _read_lines(file: Path) -> Iterator[dict[str, Any] | BadRow]:
    return json_records(file)


def _read_json(file: Path, unfold: Unfold | None) -> Iterator[Record]:
    """A list of records, a record with a list in "data", JSON lines after all, or what `unfold` makes of the value."""
    if file.stat().st_size > LARGEST_JSON:
        raise ValueError(f"larger than {LARGEST_JSON:,} bytes; write JSON lines")
    try:
        value = json.loads(file.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError:
        for number, cells in enumerate(json_records(file)):
            where = f"{file.name} row {number}"
            yield Record(where, {}, str(cells)) if isinstance(cells, BadRow) else Record(where, cells)
        return
    if unfold is not None:
        found = list(unfold(value, file.name))
        if found:
            yield from found
            return
    rows = value.get("data", value) if isinstance(value, dict) else value
    if not isinstance(rows, list):
        raise ValueError("neither a list of records nor JSON lines")
    for number, cells in enumerate(rows):
        where = f"{file.name} row {number}"
        yield Record(where, cells) if isinstance(cells, dict) else Record(where, {}, "not a JSON record")


def _open_hub(options: SourceOptions) -> Records:
    parts = hub.load_parts(options)
    train, here = parts["train"], Path(str(options.id)).exists()
    config = f" ({options.config})" if options.config else ""
    return Records(
        {
            part: [Record(f"{part} row {i}", dict(cells)) for i, cells in enumerate(rows)]
            for part, rows in parts.items()
        },
        tuple(train.column_names),
        title=f"{options.id}{config} of the Hugging Face Hub",
        license=options.license or hub.find_license(options, train, ask=not here),
        citation=options.origin or train.info.citation.strip() or f"https://huggingface.co/datasets/{options.id}",
        notes=(f"read from the local folder {options.id}, not from the Hub",) if here else (),
    )
