"""Rows as JSON for a page: pictures by their address, long numbers packed, long texts and lists cut.

The page shows rows that stream in and rows of finished runs with the same code, so what is here keeps the columns of
the dataset and changes only how a value is written:

    pictures, meshes     {"url": "/v1/runs/…/rows/17/image?v=…"}, or {"png": base64} where there is no address
    numbers              {"float32": base64, "shape": [6, 100]}, little-endian; `of`: the shape before thinning
    long texts           {"text": "…", "before": 120, "after": 3000}: characters that are missing on either side
    long lists           their beginning, and {"cut": {"messages": 40}} in what `write_row` gives besides

    write_row(row, features, Brief, address)
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from .features import Feature


@dataclass(frozen=True)
class Length:
    """How much of a row is written."""

    text: int  # characters
    items: int  # entries of a list
    points: int  # of a cloud
    steps: int  # of a series
    channels: int


BRIEF = Length(text=1200, items=12, points=512, steps=240, channels=12)  # on a page of 48 rows
WHOLE = Length(text=200_000, items=2000, points=20_000, steps=4000, channels=256)  # of the one that was opened
FEW = 32  # numbers that are written as such
PICTURES = ("Image", "Mesh")

Address = Callable[[str], str]  # column -> where its bytes are


def write_row(
    cells: Mapping[str, Any], features: Mapping[str, Feature], length: Length, address: Address | None
) -> tuple[dict[str, Any], dict[str, int]]:
    """(row as JSON, full lengths of the lists that were cut). `cells`: an Arrow scalar a column; a picture that is not
    there is left out."""
    row, cut = {}, {}
    count = _count_points(cells)
    for name, cell in cells.items():
        if features[name].kind in PICTURES:
            if cell.is_valid:
                row[name] = {"url": address(name)} if address else _inline(cell.as_py())
            continue
        numbers = _as_numbers(cell)
        if numbers is not None and numbers.size > FEW:
            row[name] = _pack(_thin(name, numbers, count, length), numbers)
            continue
        value = cell.as_py()
        if isinstance(value, list) and len(value) > length.items:
            cut[name], value = len(value), value[: length.items]
        row[name] = _shorten(value, length.text)
    _keep_answer(row, cells, length.text)
    return row, cut


def _inline(value: dict[str, Any]) -> dict[str, str]:
    return {"png": base64.b64encode(value["bytes"]).decode()}


def _as_numbers(cell: pa.Scalar) -> np.ndarray | None:
    """The array of a list of numbers, or of lists of as many numbers each; None for anything else."""
    shape: list[int] = []
    kind, values = cell.type, cell
    if not _is_list(kind) or not cell.is_valid:
        return None
    values = cell.values
    while True:
        shape.append(len(values) // int(np.prod(shape or [1])))
        if not _is_list(values.type):
            break
        if not pa.types.is_fixed_size_list(values.type) or values.null_count:
            return None
        values = values.flatten()
    if values.null_count or not (pa.types.is_floating(values.type) or pa.types.is_integer(values.type)):
        return None
    found: np.ndarray = values.to_numpy(zero_copy_only=False).reshape(shape)
    return found


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _count_points(cells: Mapping[str, Any]) -> int:
    """How many points the row has; 0 where it is no cloud."""
    points = _as_numbers(cells["points"]) if "points" in cells else None
    return len(points) if points is not None and points.ndim == 2 and points.shape[1] == 3 else 0


def _thin(name: str, numbers: np.ndarray, points: int, length: Length) -> np.ndarray:
    if points and len(numbers) == points:  # and what is told of each point
        return numbers[:: -(-points // length.points)]
    if name == "series" and numbers.ndim == 2:
        return _envelope(numbers[: length.channels], length.steps)
    return numbers.reshape(-1)[: length.steps] if numbers.size > length.points * 3 else numbers


def _envelope(series: np.ndarray, most: int) -> np.ndarray:
    """Channels × steps with at most `most` steps: of each stretch its least and its largest value, in their order."""
    if series.shape[1] <= most:
        return series
    parts = np.array_split(series, most // 2, axis=1)
    pairs = []
    for part in parts:
        low, high = part.min(1), part.max(1)
        rising = part.argmin(1) <= part.argmax(1)
        pairs.append(np.stack([np.where(rising, low, high), np.where(rising, high, low)], 1))
    return np.concatenate(pairs, 1)


def _pack(numbers: np.ndarray, whole: np.ndarray) -> dict[str, Any]:
    small = numbers.dtype.kind in "iu" and numbers.size and 0 <= numbers.min() and numbers.max() < 256
    kind = "uint8" if small else "float32"
    packed = base64.b64encode(np.ascontiguousarray(numbers, f"<{'u1' if small else 'f4'}").tobytes()).decode()
    found = {kind: packed, "shape": list(numbers.shape)}
    return {**found, "of": list(whole.shape)} if numbers.shape != whole.shape else found


def _shorten(value: Any, longest: int) -> Any:
    if isinstance(value, str) and len(value) > longest:
        return {"text": value[:longest], "before": 0, "after": len(value) - longest}
    if isinstance(value, dict):
        return {name: _shorten(inner, longest) for name, inner in value.items()}
    if isinstance(value, list):
        return [_shorten(inner, longest) for inner in value]
    if isinstance(value, bytes):
        return {"bytes": len(value)}
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if np.isfinite(value) else None  # JSON has no such numbers
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def _keep_answer(row: dict[str, Any], cells: Mapping[str, Any], longest: int) -> None:
    """A long passage is cut around its answer, not before it."""
    if not {"context", "answers"} <= set(row) or not isinstance(row["context"], dict):
        return
    whole, starts = cells["context"].as_py(), row["answers"].get("answer_start") or [0]
    first = max(0, min(starts[0] - longest // 2, len(whole) - longest))
    row["context"] = {
        "text": whole[first : first + longest], "before": first, "after": max(0, len(whole) - first - longest),
    }  # fmt: skip
