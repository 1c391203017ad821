"""Point clouds: NPZ and Parquet to shapes of an equal number of points. Knows no meshes, no classes and no splits.

for shape in read_npz(Path("clouds.npz"), "clouds.npz", None, columns, 1024): ...
shape.points.shape      # (1024, 3)
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import UserError
from ..soups import frame_points
from .rows import BadRow
from .tables import Names, check_columns, class_names

FEWEST_POINTS = 32
FARTHEST = 1e15  # of the source's units: beyond, squares and float32 lose everything
LARGEST_ARRAY = 4 * 2**30  # bytes of an NPZ, unpacked
BATCH_ROWS = 128

Marks = np.ndarray  # (P,): whole numbers or text, the part of each point as it stands in the source


@dataclass(frozen=True, slots=True)
class Shape:
    """One object of the source with the asked number of points, or the reason why it cannot be used."""

    where: str
    label: Any = None
    points: np.ndarray | None = None  # float32 (P, 3), in the object's own frame
    size: float = 1.0  # half the diagonal of the bounding box, in the source's units
    center: np.ndarray | None = None  # float64 (3,), likewise
    marks: Marks | None = None
    digest: bytes = b""  # of the whole geometry, not of the points drawn from it
    repeated: bool = False  # whether points had to be used twice
    turned: bool = False  # whether it was turned from y up to z up
    fault: str = ""


def make_cloud(where: str, label: Any, points: Any, marks: Any, count: int, *, turned: bool = False) -> Shape:
    """The cloud with `count` of its points; a fault where it has fewer than 32, or points that are no places."""
    try:
        places = _check_points(points)
        values = None if marks is None else _check_marks(marks, len(places))
        places = turn_upright(places) if turned else places
        digest = digest_of(places)
        index = choose_points(len(places), count, generator_of(digest))
        framed = frame_shape(places[index])
    except BadRow as bad:
        return Shape(where, label, fault=str(bad))
    return Shape(where, label, *framed, None if values is None else values[index], digest, len(places) < count, turned)


def frame_shape(points: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Points in their own frame, size and centre. A BadRow if they have no extent."""
    if not np.ptp(points, axis=0).any():
        raise BadRow("all points are at one place")
    return frame_points(points)


def choose_points(have: int, count: int, generator: np.random.Generator) -> np.ndarray:
    """`count` of `have` points: every one as often as every other, give or take one; int64 (count,)."""
    rounds = [generator.permutation(have) for _ in range(-(-count // have))]
    return np.concatenate(rounds)[:count]


def turn_upright(points: np.ndarray) -> np.ndarray:
    """y up to z up, float (..., 3); what looked towards +z, the front of glTF, then looks towards -y."""
    return np.stack([points[..., 0], -points[..., 2], points[..., 1]], -1)


def digest_of(geometry: np.ndarray) -> bytes:
    """16 bytes that tell geometries apart, whatever file they stand in."""
    return blake2b(np.ascontiguousarray(geometry, "<f4").data, digest_size=16).digest()


def generator_of(digest: bytes) -> np.random.Generator:
    """A generator that belongs to a geometry: its points depend neither on other rows nor on the recipe's seed."""
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def read_npz(file: Path, where: str, label: Any, columns: Mapping[Any, str], count: int) -> Iterator[Shape]:
    """The clouds of an NPZ: points (P, 3) or (N, P, 3), part alike, label () or (N,). `label` where it has none."""
    try:
        with zipfile.ZipFile(file) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > LARGEST_ARRAY:
                raise BadRow(f"holds more than {LARGEST_ARRAY // 2**30} GiB")
        with np.load(file, allow_pickle=False) as arrays:
            found = {
                role: arrays[name] for role in ("points", "part", "label") if (name := _name(role, columns)) in arrays
            }
        if "points" not in found:
            raise BadRow(f"has no array {_name('points', columns)!r}; name it in source.columns.points")
        points, marks, labels = _check_arrays(found, label)
    except BadRow as bad:
        yield Shape(where, label, fault=str(bad))
        return
    except Exception as error:  # zipfile, zlib and numpy each have their own
        yield Shape(where, label, fault=f"not a readable NPZ file ({_words(error)})")
        return
    for number, cloud in enumerate(points):
        place = where if len(points) == 1 else f"{where} row {number}"
        yield make_cloud(place, labels[number], cloud, None if marks is None else marks[number], count)


def _check_arrays(found: Mapping[str, np.ndarray], label: Any) -> tuple[np.ndarray, np.ndarray | None, list[Any]]:
    """points (N, P, 3), part (N, P) or None, and N labels."""
    points, marks = found["points"], found.get("part")
    if points.ndim == 2:
        points, marks = points[None], None if marks is None else marks[None]
    if points.ndim != 3:
        raise BadRow(f"points have the shape {found['points'].shape}; it must be (P, 3) or (N, P, 3)")
    labels = found["label"].reshape(-1).tolist() if "label" in found else [label] * len(points)
    for what, values in (("part", marks), ("label", labels)):
        if values is not None and len(values) != len(points):
            raise BadRow(f"{len(values)} {what} values for {len(points)} clouds")
    return points, marks, labels


def check_parquet(file: Path, columns: Mapping[Any, str]) -> tuple[Names, int]:
    """Names of classes and parts where the file's features have them, and its rows. A UserError if a column lacks."""
    try:
        with pq.ParquetFile(file) as table:
            schema, rows = table.schema_arrow, int(table.metadata.num_rows)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(f"source.path: {file.name} is not a readable Parquet file ({_words(error)})") from None
    check_columns(tuple(schema.names), needed_columns(columns), file.name)
    return find_names(schema, columns), rows


def needed_columns(columns: Mapping[Any, str]) -> dict[str, str]:
    """Our columns that a table must have -> its names for them: part only where the recipe names it."""
    return {role: _name(role, columns) for role in ("points", "label", *(("part",) if "part" in columns else ()))}


def find_names(schema: pa.Schema, columns: Mapping[Any, str]) -> Names:
    """Our columns label and part -> the names of their values, where `datasets` stored them in the schema."""
    found = class_names(schema)
    names = {"label": found[_name("label", columns)]} if _name("label", columns) in found else {}
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        feature = features[_name("part", columns)]
        inner = feature.get("feature", feature)
        return {**names, "part": tuple(str(name) for name in inner["names"])}
    except (ValueError, KeyError, TypeError, AttributeError):
        return names  # then the values themselves are the parts


def read_parquet(file: Path, where: str, columns: Mapping[Any, str], count: int) -> Iterator[Shape]:
    """The rows of a Parquet file. A UserError if it breaks off."""
    try:
        with pq.ParquetFile(file) as table:
            wanted = [
                n for role in ("points", "part", "label") if (n := _name(role, columns)) in table.schema_arrow.names
            ]
            yield from read_batches(table.iter_batches(BATCH_ROWS, columns=wanted), where, columns, count)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"source.path: {file.name} is not a readable Parquet file ({_words(error)})") from None


def read_batches(batches: Iterable[Any], where: str, columns: Mapping[Any, str], count: int) -> Iterator[Shape]:
    """The rows of Arrow tables or batches: points as lists of three numbers, part as a list, and label."""
    number = 0
    for batch in batches:
        points, label = (_plain(batch.column(_name(role, columns))) for role in ("points", "label"))
        marks = _plain(batch.column(_name("part", columns))) if _name("part", columns) in batch.schema.names else None
        for row in range(batch.num_rows):
            place, value = f"{where} row {number}", label[row].as_py()
            number += 1
            try:
                parts = None if marks is None else np.asarray(marks[row].as_py())
                yield make_cloud(place, value, _unpack(points[row]), parts, count)
            except BadRow as bad:
                yield Shape(place, value, fault=str(bad))


def _plain(column: Any) -> Any:
    """The column without the type that `datasets` puts around arrays."""
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return getattr(column, "storage", column)


def _unpack(cell: Any) -> np.ndarray:
    """A list of lists of three numbers, without going through Python's own numbers."""
    if not cell.is_valid or not hasattr(cell, "values") or not hasattr(cell.values, "flatten"):
        raise BadRow("points are no list of [x, y, z]")
    flat = cell.values.flatten().to_numpy(zero_copy_only=False)
    if len(flat) != 3 * len(cell.values):
        raise BadRow("points are no list of [x, y, z]")
    return np.asarray(flat).reshape(-1, 3)


def _check_points(points: Any) -> np.ndarray:
    points = np.asarray(points)
    if points.ndim != 2 or points.shape[1] != 3 or points.dtype.kind not in "fiu":
        raise BadRow(f"points have the shape {points.shape} and the type {points.dtype}; they must be numbers (P, 3)")
    points = points.astype(np.float64)
    if len(points) < FEWEST_POINTS:
        raise BadRow(f"a cloud of {len(points)} points; at least {FEWEST_POINTS} are needed")
    check_places(points)
    return points


def check_places(points: np.ndarray) -> None:
    """A BadRow if a coordinate is NaN, infinite or beyond all measure. float (..., 3)."""
    if not np.isfinite(points).all():
        raise BadRow("a coordinate is NaN or infinite")
    if np.abs(points).max() > FARTHEST:
        raise BadRow(f"a coordinate is larger than {FARTHEST:g}")


def _check_marks(marks: Any, count: int) -> Marks:
    marks = np.asarray(marks)
    marks = marks.reshape(-1) if marks.ndim == 2 and 1 in marks.shape else marks
    if marks.shape != (count,):
        raise BadRow(f"part has the shape {marks.shape} for {count} points")
    if marks.dtype.kind == "f" and np.isfinite(marks).all() and (marks == np.round(marks)).all():
        marks = marks.astype(np.int64)
    if marks.dtype.kind not in "iubU":
        raise BadRow("part holds values that are neither whole numbers nor names")
    return marks.astype(np.int64) if marks.dtype.kind != "U" else marks


def _name(role: str, columns: Mapping[Any, str]) -> str:
    return columns.get(role, role)


def _words(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
