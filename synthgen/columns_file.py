"""A set of rows as bytes that hold no pickle: numpy's own format, and cells of texts and the like as JSON.

data = pack_columns({"label": labels, "text": texts})
columns = unpack_columns(data)
"""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np

from .types import Columns

AS_JSON = ".json"  # what the names of columns of texts end with


def pack_columns(columns: Columns) -> bytes:
    """Columns of texts, tuples of texts and the like as JSON, since pickles may run code."""
    buffer = io.BytesIO()
    plain: dict[str, Any] = {}
    for name, values in columns.items():
        if values.dtype == object:
            told = json.dumps([_to_json(value) for value in values]).encode()
            plain[name + AS_JSON] = np.frombuffer(told, np.uint8)
        else:
            plain[name] = values
    np.savez_compressed(buffer, **plain)
    return buffer.getvalue()


def unpack_columns(data: bytes) -> Columns:
    """What `pack_columns` was given. What numpy raises of damaged files: OSError, ValueError, EOFError, BadZipFile,
    zlib.error."""
    with np.load(io.BytesIO(data)) as file:
        return {name.removesuffix(AS_JSON): _read_column(name, file[name]) for name in file.files}


def _read_column(name: str, stored: np.ndarray) -> np.ndarray:
    if not name.endswith(AS_JSON):
        return stored
    values = json.loads(stored.tobytes())
    column = np.empty(len(values), object)
    column[:] = [_from_json(value) for value in values]
    return column


def _to_json(value: Any) -> Any:
    """A cell as JSON: tuples, mappings and arrays, which JSON does not know, under their names."""
    if isinstance(value, tuple | list):
        items = [_to_json(item) for item in value]
        return {"tuple": items} if isinstance(value, tuple) else items
    if isinstance(value, dict):
        return {"dict": [[_to_json(key), _to_json(item)] for key, item in value.items()]}
    if isinstance(value, np.ndarray):
        return {"array": _to_json(value.ravel().tolist()), "shape": value.shape, "dtype": value.dtype.str}
    return value.item() if isinstance(value, np.generic) else value


def _from_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "tuple" in value:
        return tuple(_from_json(value["tuple"]))
    if "array" in value:
        return np.array(_from_json(value["array"]), value["dtype"]).reshape(value["shape"])
    return {_from_json(key): _from_json(item) for key, item in value["dict"]}
