"""What the columns of a dataset are, as `datasets` wrote it into the Parquet file's metadata.

Reads the metadata alone, so that it imports neither `datasets` nor a task.

    features = read_features(Path("runs/digits/dataset/data/train-00000-of-00001.parquet"))
    features["label"].names         # ("0", "1", …)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq


@dataclass(frozen=True)
class Feature:
    """One column, or what a list of them or a struct in it holds."""

    kind: str  # Image, Mesh, ClassLabel, List, struct, or a type such as int64 and string
    names: tuple[str, ...] | None = None  # of a ClassLabel, or of a list of them
    fields: Mapping[str, Feature] = field(default_factory=dict)  # of a struct, or of a list of them

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"kind": self.kind}
        if self.names is not None:
            found["names"] = list(self.names)
        if self.fields:
            found["fields"] = {name: inner.to_json() for name, inner in self.fields.items()}
        return found


def read_features(path: Path) -> dict[str, Feature]:
    """The columns of a dataset's file but `provenance`; those without `datasets`' metadata by their Arrow type."""
    schema = pq.read_schema(path)
    told: dict[str, Any] = {}
    if schema.metadata and b"huggingface" in schema.metadata:
        told = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    names = [name for name in schema.names if name not in ("provenance", "gate", "reason")]
    return {name: _read(told[name]) if name in told else Feature(str(schema.field(name).type)) for name in names}


def _read(told: Any) -> Feature:
    if isinstance(told, list):  # [struct]: a list of structs
        return _of_list(_read(told[0]))
    if "_type" not in told or isinstance(told["_type"], dict):
        return Feature("struct", fields={name: _read(inner) for name, inner in told.items()})
    kind = told["_type"]
    if kind in ("List", "LargeList", "Sequence"):
        return _of_list(_read(told["feature"]))
    if kind == "ClassLabel":
        return Feature(kind, tuple(told["names"]))
    return Feature(told["dtype"] if kind == "Value" else kind)


def _of_list(inner: Feature) -> Feature:
    return Feature("List", inner.names, inner.fields)
