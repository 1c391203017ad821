"""A user's own files: which of them hold rows, which part each belongs to, and what kind they are. Decodes nothing.

opened = open_files(ImageSourceOptions(kind="files", path="photos"), "label")
sorted(opened.parts)     # ["heldout", "train"] for photos/train.parquet and photos/test.parquet
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from glob import has_magic, iglob
from itertools import islice
from pathlib import Path

from ..errors import UserError
from . import folders, pictures, tables
from .options import ImageSourceOptions
from .rows import PARTS, Opened, Row, Target

Listing = Callable[[], Iterator[Row]]


def open_files(options: ImageSourceOptions, target: Target) -> Opened:
    """The rows under `source.path`, by part. A UserError if there are none or a column is missing."""
    folder, files = find_files(options.path or "")
    kinds = [s for s in tables.SUFFIXES if any(file.suffix == s for file in files)]
    if len(files) > 1 and ".json" in kinds:  # in a folder that is a description of the rows, not the rows
        kinds.remove(".json")
    if kinds and _is_beside_images(files, kinds[0], options):
        kinds = []
    listing = _open_tables if kinds else _open_images
    suffixes = (kinds[0],) if kinds else pictures.SUFFIXES
    chosen = [file for file in files if file.suffix.lower() in suffixes]
    if not chosen:
        raise UserError(
            f"source.path: {options.path!r} holds no Parquet, JSON lines, CSV, PNG, JPEG, BMP, TIFF or WebP; "
            "name a path that does"
        )
    parts, names, left = listing(folder, chosen, options, target)
    if "train" not in parts:
        raise UserError(f"source.path: {options.path!r} has no rows to train on; name a train part in source.split")
    copy_of = f", a copy of {options.id} of the Hub" if options.id else ""
    return Opened(
        parts=parts,
        title=f"{folder.name if len(files) != 1 else files[0].name}{copy_of}",
        names=names,
        license=options.license or "unknown",
        citation=options.origin or (f"Hugging Face Hub, {options.id}" if options.id else "not stated"),
        labels=f"as they stand in the {_labels_place(bool(kinds), options, target)}; who made them is not stated",
        notes=_notes_of_left(left + _other_tables(folder, files, suffixes)),
    )


def _is_beside_images(files: list[Path], suffix: str, options: ImageSourceOptions) -> bool:
    """Whether the tables only accompany images: none has the image column, and there are images."""
    if not any(file.suffix.lower() in pictures.SUFFIXES for file in files):
        return False
    image = options.columns.get("image", "image")
    return all(image not in tables.read_header(file).columns for file in files if file.suffix == suffix)


def find_files(path: str) -> tuple[Path, list[Path]]:
    """The folder that the files stand in, and the files in the order of their names."""
    if "**" in path:
        raise UserError(f"source.path: {path!r} has **, which would walk everything; name the folder itself")
    try:
        place = Path(path).expanduser()
        if place.is_dir():
            return place, list(folders.walk(place))
        if place.is_file():
            return place.parent, [place]
        found = sorted(islice(iglob(str(place)), folders.MOST_FILES)) if has_magic(path) else []
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"source.path: {path!r} cannot be read ({error}); name a file, a folder or a glob") from None
    files = [Path(name) for name in found if os.path.isfile(name)]
    if not files:
        raise UserError(f"source.path: {path!r} is no file or folder here; name one that exists")
    return Path(os.path.commonpath([file.parent for file in files])), files


def target_columns(options: ImageSourceOptions, target: Target) -> tuple[str, str]:
    """The source's names of the image column and of the label or mask column."""
    return options.columns.get("image", "image"), options.columns.get(target, target)


def _open_tables(
    folder: Path, files: list[Path], options: ImageSourceOptions, target: Target
) -> tuple[dict[str, Listing], tuple[str, ...] | None, list[str]]:
    image, column = target_columns(options, target)
    by_part, left = _tables_by_part(folder, files, options)
    names: tuple[str, ...] | None = None
    for file in (file for part in by_part.values() for file in part):
        header = tables.read_header(file)
        if header.rows == 0 or (header.rows is None and file.stat().st_size == 0):
            raise UserError(f"source.path: {file.name} holds no rows; fill or remove it")
        tables.check_columns(header.columns, {"image": image, target: column}, file.name)
        found = header.names.get(column)
        if names and found and found != names:
            raise UserError(f"source.path: {file.name} names other classes than the files before it; write them alike")
        names = names or found
    return (
        {part: partial(_rows_of_tables, by_part[part], image, column, target) for part in PARTS if part in by_part},
        names,
        left,
    )


def _tables_by_part(
    folder: Path, files: list[Path], options: ImageSourceOptions
) -> tuple[dict[str, list[Path]], list[str]]:
    """The files of each part: by the name of the file, else of its folder. One file alone is all train."""
    if len(files) == 1:
        return {"train": files}, []
    parts = folders.part_names(options.split)
    found: dict[str | None, list[Path]] = {}
    for file in files:
        names = [file.stem, *reversed(file.relative_to(folder).parts[:-1])]
        found.setdefault(next((p for name in names if (p := folders.find_part(name, parts))), None), []).append(file)
    if options.split is None and set(found) == {None}:
        return {"train": files}, []
    left = [file.relative_to(folder).as_posix() for file in found.pop(None, [])]
    return {part: members for part, members in found.items() if part is not None}, left


def _rows_of_tables(files: list[Path], image: str, column: str, target: Target) -> Iterator[Row]:
    for file in files:
        yield from tables.read_table(file, image, column, target)


def _open_images(
    folder: Path, files: list[Path], options: ImageSourceOptions, target: Target
) -> tuple[dict[str, Listing], None, list[str]]:
    parts = folders.part_names(options.split)
    if target == "mask":
        listed, left = folders.list_pairs(folder, files, parts)
        if not any(row.target for rows in listed.values() for row in rows):
            raise UserError(
                f"source.path: {options.path!r} has images without masks; put them in images/ and masks/, "
                "or name them name_mask.png"
            )
    else:
        listed, left = folders.list_classes(folder, files, parts)
        if not any(row.target for rows in listed.values() for row in rows):
            raise UserError(f"source.path: {options.path!r} has images without classes; put each class in a folder")
    return {part: partial(iter, listed[part]) for part in PARTS if part in listed}, None, left


def _labels_place(in_tables: bool, options: ImageSourceOptions, target: Target) -> str:
    if in_tables:
        return f"column {target_columns(options, target)[1]!r}"
    return "folder names" if target == "label" else "masks"


def _other_tables(folder: Path, files: list[Path], read: tuple[str, ...]) -> list[str]:
    """Tables of another format than the one that is read; images beside a table are what its rows point to."""
    unread = set(tables.SUFFIXES) - set(read)
    return [file.relative_to(folder).as_posix() for file in files if file.suffix in unread]


def _notes_of_left(left: list[str]) -> tuple[str, ...]:
    if not left:
        return ()
    more = f" and {len(left) - 10} more" if len(left) > 10 else ""
    return (f"files that belong to no part or have no partner were not read: {', '.join(left[:10])}{more}",)
