"""Tables of time series, in files and on the Hub: which there are, of which part, and how each is read.

Knows neither windows nor numbers of classes.

    collection = open_tables(SeriesSourceOptions(kind="files", path="load.csv", columns={"time": "date"}))
    collection.channels, collection.recordings[0].times[:2]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from ..errors import UserError
from . import folders, hub
from .files import find_files
from .recordings import Collection, Recording
from .rows import PARTS, BadRow
from .series_cells import Cells, Words, name_channels, name_kinds, read_series, read_table
from .series_columns import Layout, find_layout, is_number
from .series_options import SeriesSourceOptions
from .tables import check_columns, class_names, json_records

SUFFIXES = (".parquet", ".jsonl", ".ndjson", ".csv", ".csv.gz")
BATCH = 64
SAMPLE = 100  # lines of JSON that tell the columns


def open_tables(options: SeriesSourceOptions) -> Collection:
    """The recordings under `source.path` or of `source.id`. A UserError if there are none or a column is missing."""
    words = Words()
    opened = _open_hub(options, words) if options.kind == "hub" else _open_files(options, words)
    recordings = opened.recordings
    if not recordings:
        words.faults.settle(words.total)
        raise UserError(f"source: {opened.title} holds no series; fill it")
    kinds, table = name_kinds(words.kinds, options.kinds, any(r.events is not None for r in recordings))
    recordings = [replace(r, events=None if r.events is None else table[r.events]) for r in recordings]
    return replace(
        opened,
        recordings=recordings,
        values=tuple(words.labels),
        kinds=kinds,
        faults=words.faults,
        total=words.total,
    )


def describe_tables(options: SeriesSourceOptions) -> str:
    """One line about the source, from headers alone."""
    if options.kind == "hub":
        return hub.describe_dataset(
            options, check=lambda features: find_layout(features.arrow_schema, options, str(options.id))
        )
    folder, by_part, _ = find_tables(options)
    file = by_part["train"][0]
    layout = find_layout(read_schema(file), options, file.name)
    row = f"a row is a step, {len(layout.channels)} channels" if layout.form == "long" else "a row is a series"
    title = folder.name if sum(map(len, by_part.values())) > 1 else file.name
    return f"{title}: {', '.join(by_part)}; {row}"


def find_tables(options: SeriesSourceOptions) -> tuple[Path, dict[str, list[Path]], list[str]]:
    """The folder, the files of each part (by their names, else their folders' names), and what is not read."""
    folder, files = find_files(options.path or "")
    suffix = next((suffix for suffix in SUFFIXES if any(file.name.endswith(suffix) for file in files)), "")
    chosen = [file for file in files if suffix and file.name.endswith(suffix)]
    if not chosen:
        raise UserError(f"source.path: {options.path!r} holds no {', '.join(SUFFIXES)} file; name a path that does")
    left = [file for file in files if file.name.endswith(SUFFIXES) and file not in chosen]
    if len(chosen) == 1:
        return folder, {"train": chosen}, [file.name for file in left]
    names = folders.part_names(options.split)
    found: dict[str, list[Path]] = {}
    for file in chosen:
        places = [file.name, *reversed(file.relative_to(folder).parts[:-1])]
        found.setdefault(next((p for place in places if (p := folders.find_part(place, names))), ""), []).append(file)
    if options.split is None and set(found) == {""}:
        found = {"train": chosen}
    left += found.pop("", [])
    if "train" not in found:
        raise UserError(f"source.path: {options.path!r} has no rows to train on; name a train part in source.split")
    return folder, {part: found[part] for part in PARTS if part in found}, [file.name for file in left]


def _open_files(options: SeriesSourceOptions, words: Words) -> Collection:
    folder, by_part, left = find_tables(options)
    first = by_part["train"][0]
    schema = read_schema(first)
    layout = find_layout(schema, options, first.name)
    recordings: list[Recording] = []
    for part, files in by_part.items():
        for file in files:
            wanted = {**{c: c for c in layout.channels}, **layout.roles}
            check_columns(tuple(read_schema(file).names), wanted, file.name)
            recordings += read_file(file, layout, part, words)
    channels = layout.channels if layout.form == "long" else name_channels(words.channels or 1, options)
    count = sum(map(len, by_part.values()))
    copy_of = f", a copy of {options.id} of the Hub" if options.id else ""
    return _describe(
        Collection(
            recordings,
            channels,
            title=f"{folder.name if count > 1 else first.name}{copy_of}",
            license=options.license or "unknown",
            citation=options.origin or (f"Hugging Face Hub, {options.id}" if options.id else "not stated"),
            labels="",
            names=class_names(schema).get(layout.roles.get("label", "")),
        ),
        layout,
        left,
    )


def _describe(opened: Collection, layout: Layout, left: list[str]) -> Collection:
    notes = []
    if left:
        notes.append(f"files that were not read: {', '.join(left[:10])}{' and more' if len(left) > 10 else ''}")
    if layout.unread:
        notes.append(f"columns that were not read: {', '.join(layout.unread[:20])}")
    columns = [f"column {layout.roles[role]!r}" for role in ("label", "events") if role in layout.roles]
    there = " and ".join(columns)
    labels = f"as they stand in {there}; who made them is not stated" if columns else "none: the source has no labels"
    return replace(opened, labels=labels, notes=tuple(notes))


def read_schema(file: Path) -> pa.Schema:
    """Names and types of a table's columns; of CSV and JSON from its beginning."""
    try:
        if file.suffix == ".parquet":
            return pq.read_schema(file)
        if file.suffix in (".csv", ".gz"):
            with pyarrow.csv.open_csv(file) as reader:
                return reader.schema
        records = [record for record in islice(json_records(file), SAMPLE) if isinstance(record, dict)]
        if not records:
            raise ValueError("no line is a JSON record")
        return pa.Table.from_pylist(records).schema
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(file, error) from None


def read_file(file: Path, layout: Layout, part: str, words: Words) -> list[Recording]:
    """The recordings of one file. A broken file is a UserError."""
    try:
        if layout.form == "nested":
            cells = _parquet_cells(file, layout) if file.suffix == ".parquet" else _json_cells(file, layout)
            return read_series(cells, file.name, part, words)
        return read_table(_load_table(file, layout), layout, file.name, part, words)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _unreadable(file, error) from None


def _load_table(file: Path, layout: Layout) -> pa.Table:
    columns = [*layout.channels, *layout.roles.values()]
    if file.suffix == ".parquet":
        return pq.read_table(file, columns=columns, partitioning=None)
    if file.suffix not in (".csv", ".gz"):
        return pyarrow.json.read_json(file).select(columns)
    # Arrow looks at the beginning alone to tell the types, where a column may still be whole or empty.
    types = dict.fromkeys(layout.channels, pa.float64())
    types |= {layout.roles[role]: pa.string() for role in ("label", "events", "id") if role in layout.roles}
    time = layout.roles.get("time")
    if time:
        kind = read_schema(file).field(time).type
        stamp = pa.timestamp("ns", tz=getattr(kind, "tz", None))
        types[time] = pa.float64() if is_number(kind) else stamp if pa.types.is_temporal(kind) else pa.string()
    convert = pyarrow.csv.ConvertOptions(column_types=types, include_columns=columns, strings_can_be_null=True)
    return pyarrow.csv.read_csv(file, convert_options=convert)


def _parquet_cells(file: Path, layout: Layout) -> Iterator[Cells]:
    with pq.ParquetFile(file) as table:
        for batch in table.iter_batches(BATCH, columns=list(layout.roles.values())):
            yield from _batch_cells(batch, layout)


def _batch_cells(batch: Any, layout: Layout) -> Iterator[Cells]:
    """The rows of a batch or table: the series still in Arrow, which is faster and smaller than Python's lists."""
    columns = {role: batch[name] for role, name in layout.roles.items()}
    for row in range(batch.num_rows):
        yield {role: column[row] if role == "series" else column[row].as_py() for role, column in columns.items()}


def _json_cells(file: Path, layout: Layout) -> Iterator[Cells | BadRow]:
    for record in json_records(file):
        if isinstance(record, dict):
            yield {role: record.get(name) for role, name in layout.roles.items()}
        else:
            yield record


def _unreadable(file: Path, error: Exception) -> UserError:
    words = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    return UserError(f"source.path: {file.name} is not a readable table ({words}); write it again")


# The Hub


def _open_hub(options: SeriesSourceOptions, words: Words) -> Collection:
    parts = hub.load_parts(options)
    train = parts["train"]
    layout = find_layout(train.features.arrow_schema, options, str(options.id))
    recordings: list[Recording] = []
    for part, dataset in parts.items():
        wanted = {**{c: c for c in layout.channels}, **layout.roles}
        check_columns(tuple(dataset.column_names), wanted, str(options.id))
        arrow = dataset.select_columns(list(dict.fromkeys(wanted.values()))).with_format("arrow")
        if layout.form == "nested":
            cells = (cell for table in arrow.iter(BATCH) for cell in _batch_cells(table, layout))
            recordings += read_series(cells, f"{part} part", part, words)
        else:
            recordings += read_table(arrow[:], layout, f"{part} part", part, words)
    channels = layout.channels if layout.form == "long" else name_channels(words.channels or 1, options)
    here = Path(str(options.id)).exists()
    names = hub.names_of_classes(train.features, layout.roles["label"]) if "label" in layout.roles else None
    return _describe(
        Collection(
            recordings,
            channels,
            title=f"{options.id}{f' ({options.config})' if options.config else ''} of the Hugging Face Hub",
            license=options.license or hub.find_license(options, train, ask=not here),
            citation=options.origin or train.info.citation.strip() or f"https://huggingface.co/datasets/{options.id}",
            labels="",
            names=names,
        ),
        layout,
        [],
    )
