"""Folders of finished runs without a training: a task's own real rows, written as if they had been generated.

make_run("segmentation", tmp_path / "tissue", kept=40, rejected=8)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synthgen import task as tasks
from synthgen.export.parquet import ShardedWriter, encode_png, provenance_feature, rows_to_table, table_to_rows
from synthgen.recipe import load
from synthgen.types import count_rows, take_rows

RECIPES = {
    "classification": ("classification",),
    "segmentation": ("segmentation", "source.rows=60"),
    "timeseries": ("timeseries",),
    "shapes3d": ("3d", "source.rows=40", "source.points=256"),
    "translation": ("translation", "source.rows=200"),
    "qa": ("qa", "source.rows=200"),
    "conversation": ("conversation", "source.rows=60"),
}
SCORES = ("agreement", "copy_distance")
GATES = ("agreement", "duplicates")
ROW_GROUP = 1000
FILE_ROWS = 10_000


def make_run(
    task: str, folder: Path, *, kept: int = 30, rejected: int = 6, change: Mapping[str, Any] | None = None
) -> Path:
    """`kept` accepted and `rejected` refused candidates, every fifth one refused as long as there are some; `change`:
    encoded values that row 0 has instead of its own."""
    recipe_name, *settings = RECIPES[task]
    recipe = load(recipe_name, settings)
    found = tasks.find(task)
    data = found.load(recipe.source, recipe.seed)
    real = take_rows(data.train, np.arange(min(200, count_rows(data.train))))
    early = found.early(data)
    encoded = found.encode(found.annotate(real, data), data)
    real_rows = rows_to_table({name: encoded[name] for name in early}, datasets.Features(early), {})
    refused = np.zeros(kept + rejected, bool)
    refused[np.arange(4, kept + rejected, 5)[:rejected]] = True
    refused[len(refused) - (rejected - int(refused.sum())) :] |= rejected > refused.sum()
    table = _with_provenance(real_rows, early, len(refused), change)
    _write(folder, found, data, table, refused)
    (folder / "state").mkdir(exist_ok=True)
    (folder / "state" / "recipe.json").write_text(json.dumps(recipe.resolved()))
    _write_report(folder, recipe, data, refused)
    return folder


def _with_provenance(real: pa.Table, early: dict[str, Any], count: int, change: Mapping[str, Any] | None) -> pa.Table:
    table = real.take(pa.array(np.arange(count) % len(real)))
    for name, value in (change or {}).items():
        place = table.schema.get_field_index(name)
        values = [value, *table.column(name).slice(1).to_pylist()]
        table = table.set_column(place, table.schema.field(name), pa.array(values, table.schema.field(name).type))
    features = datasets.Features({**early, "provenance": provenance_feature(SCORES)})
    agreement = np.random.default_rng(0).random(count).astype(np.float32)
    provenance = [
        {
            "index": i, "seed": 0, "recipe": "r" * 64, "model": "m" * 64,
            "scores": {"agreement": float(agreement[i]), "copy_distance": 1 + i / count},
        }
        for i in range(count)
    ]  # fmt: skip
    column = pa.array(provenance, features.arrow_schema.field("provenance").type)
    return pa.Table.from_arrays([*table.columns, column], schema=features.arrow_schema)


def _write(folder: Path, task: tasks.Task, data: Any, table: pa.Table, refused: np.ndarray) -> None:
    accepted, rest = table.filter(pa.array(~refused)), table.filter(pa.array(refused))
    features = datasets.Features({**dict(task.features(data)), "provenance": provenance_feature(SCORES)})
    writer = ShardedWriter(folder / "dataset" / "data", "train", features, FILE_ROWS)
    for start in range(0, len(accepted), ROW_GROUP):
        part = accepted.slice(start, ROW_GROUP)
        columns: dict[str, Any] = {name: part.column(name).combine_chunks() for name in part.column_names}
        if task.complete is not None:
            rows = table_to_rows(part.select(list(task.early(data))))
            columns |= task.complete(rows, data)
        writer.add(rows_to_table(columns, features, {}))
    writer.close()
    (folder / "state").mkdir()
    gates = [GATES[k % 2] for k in range(len(rest))]
    reasons = [f"refused by {gate}" for gate in gates]
    for name, values in (("gate", gates), ("reason", reasons)):
        rest = rest.append_column(name, pa.array(values, pa.string()))
    pq.write_table(rest, folder / "state" / "rejections.parquet", compression="zstd", row_group_size=ROW_GROUP)


def _write_report(folder: Path, recipe: Any, data: Any, refused: np.ndarray) -> None:
    means = {"real": 0.9, "synthetic": 0.85, "both": 0.92}
    report = {
        "recipe": recipe.name, "task": recipe.task, "description": recipe.description, "classes": list(data.classes),
        "rows": {
            "requested": int((~refused).sum()), "accepted": int((~refused).sum()), "candidates": len(refused),
            "rejected": {GATES[0]: -(-int(refused.sum()) // 2), GATES[1]: int(refused.sum()) // 2},
        },
        "utility": {"metric": "accuracy", **{f"train_{kind}_test_real": {"mean": means[kind]} for kind in means}},
        "origin": {"name": data.origin.name},
    }  # fmt: skip
    (folder / "dataset" / "report.json").write_text(json.dumps(report))


def make_strange_run(folder: Path, rows: int = 6) -> Path:
    """A run of a task that no view knows, and without gates."""
    text, number = datasets.Value("string"), datasets.Value("float32")
    features = datasets.Features({
        "melody": text, "spectrum": datasets.List(number, length=300), "tempo": datasets.Value("int32"),
        "mood": datasets.ClassLabel(names=["calm", "wild"]), "cover": datasets.Image(), "tags": datasets.List(text),
        "place": {"town": text, "height": number}, "provenance": provenance_feature(()),
    })  # fmt: skip
    cover = encode_png(np.full((12, 12, 3), 90, np.uint8))
    columns: dict[str, Any] = {
        "melody": [f"<b>c d e {i}</b>" for i in range(rows)],
        "spectrum": [[i + k / 300 for k in range(300)] for i in range(rows)],
        "tempo": [100 + i for i in range(rows)], "mood": [i % 2 for i in range(rows)], "cover": [cover] * rows,
        "tags": [["loud", "old"]] * rows, "place": [{"town": "Bern", "height": 540.25}] * rows,
        "provenance": [{"index": i, "seed": 2**63 - 1, "recipe": "r", "model": "m"} for i in range(rows)],
    }  # fmt: skip
    writer = ShardedWriter(folder / "dataset" / "data", "train", features, FILE_ROWS)
    writer.add(rows_to_table(columns, features, {}))
    writer.close()
    (folder / "dataset" / "report.json").write_text(json.dumps({"recipe": "music", "task": "music"}))
    return folder
