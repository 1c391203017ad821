"""The real training row that is nearest to a generated one, by the same distance as the gate `copies`.

The real rows are read again from the recipe's source when somebody first asks, and kept for as long as others do.

    found = NearestRows.open(Path("runs/digits")).find(run.values(17), run.index.features)
    found["distance"], found["index"], found["row"]
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from ... import task as tasks
from ...continuing import read_memory, rename_classes
from ...errors import UserError
from ...export.parquet import rows_to_table, table_to_rows
from ...gates.bank import Bank
from ...pipeline import digest_columns
from ...recipe import Recipe, recipe_class
from ...run_folder import RunFolder
from ...task import Task
from ...types import Columns, Data, take_rows
from .features import Feature
from .wire import WHOLE, write_row


@dataclass(frozen=True)
class NearestRows:
    task: Task
    data: Data
    codec: Any
    bank: Bank

    @staticmethod
    def open(folder: Path) -> NearestRows:
        """The training rows of a run's folder. UserError if they are gone or have changed since."""
        recipe = _read_recipe(folder)
        task = tasks.find(recipe.task)
        data = task.load(recipe.source, recipe.seed)
        known = folder / "state" / "source.txt"
        if known.is_file() and known.read_text() != digest_columns(data.train, data.validation, data.heldout):
            raise UserError("source: the real rows have changed since this run was made; make the run anew")
        data = rename_classes(data, read_memory(recipe, RunFolder(folder, recipe, fresh=False)))
        codec = task.codec(data, recipe.model, folder / "model")
        return NearestRows(task, data, codec, Bank(codec.describe(data.train)))

    def find(self, values: Mapping[str, pa.Scalar], features: Mapping[str, Feature]) -> dict[str, Any]:
        """{distance, index, label, row} of the nearest training row of a generated row (an Arrow scalar a column)."""
        early = list(self.task.early(self.data))
        table = pa.table({name: pa.array([values[name].as_py()], values[name].type) for name in early})
        made = self.task.decode(table_to_rows(table), self.data)
        near = self.bank.search(self.codec.describe(made))
        place = int(near.nearest[0])
        real = take_rows(self.data.train, slice(place, place + 1))
        row, cut = write_row(self._encode(real), features, WHOLE, None)
        label = self.data.classes[int(real["label"][0])] if "label" in real else None
        return {"distance": float(f"{near.first[0]:.6g}"), "index": place, "label": label, "row": row, "cut": cut}

    def _encode(self, real: Columns) -> dict[str, pa.Scalar]:
        """The real row as the dataset would hold it."""
        import datasets

        columns = self.task.encode(self.task.annotate(real, self.data), self.data)
        early = self.task.early(self.data)
        table = rows_to_table({name: columns[name] for name in early}, datasets.Features(early), {})
        return {name: table.column(name)[0] for name in table.column_names}


def _read_recipe(folder: Path) -> Recipe:
    """The recipe that the run was made from, as it was written down."""
    path = folder / "state" / "recipe.json"
    try:
        found = json.loads(path.read_text())
        return recipe_class(found["task"]).model_validate(found)
    except (OSError, ValueError, KeyError, AssertionError):
        raise UserError(
            f"{folder.name}: state/recipe.json cannot be read, so the real rows are not known; keep the run's state/"
        ) from None
