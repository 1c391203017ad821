"""Where shapes stand: folders a class, a labels.csv, tables, the Hub; and which part each belongs to. Knows no points.

opened = open_shapes(ShapeSourceOptions(kind="files", path="shop"))
sorted(opened.parts), opened.count        # (["train"], 175)
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import UserError
from . import folders, hub
from .clouds import BATCH_ROWS, Shape, check_parquet, find_names, needed_columns, read_batches, read_npz, read_parquet
from .files import find_files
from .meshes import SUFFIXES, import_trimesh, read_mesh
from .rows import PARTS, Row
from .shape_options import ShapeSourceOptions
from .tables import Names, check_columns, read_header

LABELS = "labels.csv"
Reading = Callable[[], Iterator[Shape]]


@dataclass(frozen=True)
class OpenedShapes:
    """A source whose columns have been checked and whose shapes have not been read."""

    parts: dict[str, Reading]
    title: str
    count: str  # how much there is, as far as headers and names say
    labels: str
    names: Names = field(default_factory=dict)  # of label and part, where the source has them
    license: str = "unknown"
    citation: str = "not stated"
    left: tuple[str, ...] = ()  # files that belong to nothing


def open_shapes(options: ShapeSourceOptions) -> OpenedShapes:
    """The shapes of files or of the Hub, by part. A UserError if there are none or a column is missing."""
    return _open_hub(options) if options.kind == "hub" else _open_files(options)


def describe_hub_shapes(options: ShapeSourceOptions) -> str:
    """The header of a dataset of the Hub, without its rows."""
    wanted = needed_columns(options.columns)
    return hub.describe_dataset(options, wanted)


def _open_hub(options: ShapeSourceOptions) -> OpenedShapes:
    datasets = hub.load_parts(options)
    for dataset in datasets.values():
        check_columns(tuple(dataset.column_names), needed_columns(options.columns), str(options.id))
    train = datasets["train"]
    here = Path(str(options.id)).exists()
    return OpenedShapes(
        parts={part: partial(_read_dataset, dataset, part, options) for part, dataset in datasets.items()},
        title=f"{options.id}{f' ({options.config})' if options.config else ''} of the Hugging Face Hub",
        count=", ".join(f"{part} {len(dataset)}" for part, dataset in datasets.items()),
        labels=f"as they stand in the dataset's column {options.columns.get('label', 'label')!r}; who made them is not "
        "stated here",
        names=find_names(train.features.arrow_schema, options.columns),
        license=options.license or hub.find_license(options, train, ask=not here),
        citation=options.origin or train.info.citation.strip() or f"https://huggingface.co/datasets/{options.id}",
    )


def _read_dataset(dataset: Any, part: str, options: ShapeSourceOptions) -> Iterator[Shape]:
    names = {role: options.columns.get(role, role) for role in ("points", "part", "label")}
    wanted = [name for name in names.values() if name in dataset.column_names]
    batches = dataset.select_columns(wanted).with_format("arrow").iter(BATCH_ROWS)
    return read_batches(batches, f"{part} part", options.columns, options.points)


def _open_files(options: ShapeSourceOptions) -> OpenedShapes:
    folder, files = find_files(options.path or "")
    if [file.name for file in files] == [LABELS]:
        files = list(folders.walk(folder))
    tables = [file for file in files if file.suffix == ".parquet"]
    shapes = [file for file in files if file.suffix.lower() in (*SUFFIXES, ".npz")]
    if not tables and not shapes:
        raise UserError(
            f"source.path: {options.path!r} holds no GLB, glTF, OBJ, PLY, OFF, STL, NPZ or Parquet; "
            "name a path that does"
        )
    opened = _open_tables(folder, tables, options) if tables else _open_shapes(folder, shapes, options)
    if "train" not in opened.parts:
        raise UserError(f"source.path: {options.path!r} has no shapes to train on; name a train part in source.split")
    return opened


def _open_tables(folder: Path, files: list[Path], options: ShapeSourceOptions) -> OpenedShapes:
    by_part, left = _divide(folder, files, options)
    names: Names = {}
    rows = 0
    for file in (file for members in by_part.values() for file in members):
        found, count = check_parquet(file, options.columns)
        if names and found and found != names:
            raise UserError(f"source.path: {file.name} names other classes than the files before it; write them alike")
        names, rows = names or found, rows + count
    return OpenedShapes(
        parts={part: partial(_read_tables, by_part[part], folder, options) for part in PARTS if part in by_part},
        title=_title(folder, files, options),
        count=f"{rows} rows",
        labels=f"as they stand in the column {options.columns.get('label', 'label')!r}; who made them is not stated",
        names=names,
        license=options.license or "unknown",
        citation=_citation(options),
        left=tuple(left),
    )


def _open_shapes(folder: Path, files: list[Path], options: ShapeSourceOptions) -> OpenedShapes:
    if any(file.suffix.lower() in SUFFIXES for file in files):
        import_trimesh()
    table = _find_labels(folder, options)
    if table:
        (listed, left), place = _list_labelled(table, folder, files, options), table.name
    elif all(file.suffix.lower() == ".npz" and file.parent == folder for file in files):
        by_part, left = _divide(folder, files, options)
        listed = {part: [Row(file.name, file) for file in members] for part, members in by_part.items()}
        place = f"array {options.columns.get('label', 'label')!r}"
    else:
        (listed, left), place = folders.list_classes(folder, files, folders.part_names(options.split)), "folder names"
    count = sum(len(rows) for rows in listed.values())
    classes = len({row.target for rows in listed.values() for row in rows if row.target is not None})
    return OpenedShapes(
        parts={part: partial(_read_rows, listed[part], folder, options) for part in PARTS if part in listed},
        title=_title(folder, files, options),
        count=f"{count} files" + (f", {classes} classes" if classes else ""),
        labels=f"as they stand in the {place}; who made them is not stated",
        license=options.license or "unknown",
        citation=_citation(options),
        left=tuple(left),
    )


def _read_tables(files: list[Path], folder: Path, options: ShapeSourceOptions) -> Iterator[Shape]:
    for file in files:
        yield from read_parquet(file, file.relative_to(folder).as_posix(), options.columns, options.points)


def _read_rows(rows: list[Row], folder: Path, options: ShapeSourceOptions) -> Iterator[Shape]:
    for row in rows:
        if row.fault or not isinstance(row.image, Path):
            yield Shape(row.where, row.target, fault=row.fault)
        elif row.image.suffix.lower() == ".npz":
            yield from read_npz(row.image, row.where, row.target, options.columns, options.points)
        else:
            yield read_mesh(row.image, row.where, row.target, options, folder)


def _divide(folder: Path, files: list[Path], options: ShapeSourceOptions) -> tuple[dict[str, list[Path]], list[str]]:
    """The files of each part: by the name of the file, else of its folder. Where none is named, all are train."""
    names = folders.part_names(options.split)
    found: dict[str, list[Path]] = {}
    left: list[Path] = []
    for file in files:
        words = [file.stem, *reversed(file.relative_to(folder).parts[:-1])]
        part = next((part for word in words if (part := folders.find_part(word, names))), None)
        (left if part is None else found.setdefault(part, [])).append(file)
    if not found and options.split is None:
        return {"train": files}, []
    return found, [file.relative_to(folder).as_posix() for file in left]


def _find_labels(folder: Path, options: ShapeSourceOptions) -> Path | None:
    """The labels.csv of the folder; or the one beside it, if that has a column of paths."""
    if (folder / LABELS).is_file():
        return folder / LABELS
    beside = folder.parent / LABELS
    if beside.is_file() and options.columns.get("path", "path") in read_header(beside).columns:
        return beside
    return None


def _list_labelled(
    table: Path, folder: Path, files: list[Path], options: ShapeSourceOptions
) -> tuple[folders.Listed, list[str]]:
    """Rows of the files that a table names, by part: a folder called train or test on the way to a file decides."""
    known = {file.resolve(): file for file in files}
    names = folders.part_names(options.split)
    found: list[tuple[str, Row]] = []
    for where, cells in _read_labels(table, options):
        place = (table.parent / cells[0]).resolve()
        if not place.is_relative_to(table.parent.resolve()):
            raise UserError(f"source: {where} points to {cells[0]!r}, outside the folder; use files inside it")
        if not place.is_relative_to(folder.resolve()):
            continue  # a table beside the folder may list other folders too
        file = known.pop(place, None)
        words = [] if file is None else [word.lower() for word in file.relative_to(folder).parts[:-1]]
        part = next((part for part, its in names.items() for word in words if word in its), "")
        if file is None:
            found.append(("", Row(where, None, cells[1], f"{cells[0]!r:.80} is no shape here, or is named twice")))
        else:
            found.append((part, Row(file.relative_to(folder).as_posix(), file, cells[1])))
    divided = any(part == "train" for part, _ in found)
    listed: folders.Listed = {}
    left = [file.relative_to(folder).as_posix() for file in known.values()]
    for part, row in found:
        if divided and not part and not row.fault:
            left.append(row.where)
        else:
            listed.setdefault(part if divided and part else "train", []).append(row)
    return listed, left


def _read_labels(table: Path, options: ShapeSourceOptions) -> Iterator[tuple[str, tuple[str, str]]]:
    """Where each line stands, and its path and class."""
    columns = read_header(table).columns
    label = options.columns.get("label") or ("label" if "label" in columns and "class" not in columns else "class")
    path = options.columns.get("path", "path")
    check_columns(columns, {"path": path, "label": label}, table.name)
    try:
        with table.open(newline="", encoding="utf-8-sig") as lines:
            for number, cells in enumerate(csv.DictReader(lines)):
                value = (cells.get(path) or "").strip().replace("\\", "/")
                yield f"{table.name} row {number}", (value.replace("\0", ""), (cells.get(label) or "").strip())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"source.path: {table.name} is not a readable CSV file ({error}); write it again") from None


def _title(folder: Path, files: list[Path], options: ShapeSourceOptions) -> str:
    copy_of = f", a copy of {options.id} of the Hub" if options.id else ""
    return f"{folder.name if len(files) != 1 else files[0].name}{copy_of}"


def _citation(options: ShapeSourceOptions) -> str:
    return options.origin or (f"Hugging Face Hub, {options.id}" if options.id else "not stated")
