"""Rows for those who wait for them: of any seed, with what the recipe lets callers change, many wishes in one batch.

A row depends on its seed, its index and the changes alone, never on the company that it had in the batch. Hardware may
round otherwise in a batch of another size or width, so a look when the model is loaded says which batches make the same
rows; if none do, each wish is made alone.

    on_demand = OnDemand(recipe, maker, labels_folder)
    answers = on_demand.make_rows([Wish(seed=7, first=0, count=4), Wish(seed=9, first=0, count=16)])
"""

from __future__ import annotations

import base64
import json
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa

from .diffusion.noise import row_generator
from .production import Maker, unpack
from .recipe import Recipe
from .requests import accept
from .sampling.engine import Answer, Shard, Wish
from .types import Columns, LabelGenerator, join_rows, take_rows

LANES = (8, 16, 24, 32, 48, 64)  # sizes of batches
WATCHED = 8  # rows that are looked at in different company
HEADS = {b"\x89PNG": "png", b"ply": "ply", b"glTF": "glb"}  # what files begin with
KEPT = 16  # sets of changes that stay ready


class OnDemand:
    """A maker that also makes what callers wish."""

    def __init__(self, recipe: Recipe, maker: Maker, folder: Path) -> None:
        """`folder`: where label generators that are models of their own lie."""
        self.recipe, self.maker, self.folder = recipe, maker, folder
        self._changed: OrderedDict[str, Maker] = OrderedDict()
        self._lock = Lock()

    def make_shard(self, number: int) -> Shard:
        return self.maker.make_shard(number)

    def time_bare(self, seconds: float) -> float:
        return self.maker.time_bare(seconds)

    @property
    def lanes(self) -> int:
        return max(self.sizes, default=0)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """The sizes of batches that make the same rows, bit for bit, as the largest does, whoever else is in it."""
        maker = self._adjusted("{}")
        other = maker.labels.with_seed(_other(maker.seed))

        def sample(own: int, strangers: int, lanes: int) -> Columns:
            mine, theirs = np.arange(own), np.arange(strangers)
            drawn = [maker.labels.draw(mine), *([other.draw(theirs)] if strangers else [])]
            seeds = np.repeat([maker.seed, _other(maker.seed)], [own, strangers])
            rows = maker.sampler.sample(join_rows(*drawn), np.concatenate([mine, theirs]), seeds=seeds, lanes=lanes)
            return take_rows(rows, slice(0, WATCHED))

        largest = LANES[-1]
        wanted = sample(largest, 0, largest)
        if not _equal(wanted, sample(WATCHED, largest - WATCHED, largest)):
            return ()
        return tuple(size for size in LANES if size == largest or _equal(wanted, sample(WATCHED, 0, size)))

    def make_rows(self, wishes: Sequence[Wish]) -> list[Answer]:
        """An answer to each wish; all have the same overrides and form. Raises UserError for overrides."""
        overrides, form = wishes[0].overrides, wishes[0].form
        assert all((wish.overrides, wish.form) == (overrides, form) for wish in wishes)
        maker = self._adjusted(overrides)
        spans = [np.arange(wish.first, wish.first + wish.count) for wish in wishes]
        seeds = np.repeat([wish.seed for wish in wishes], [wish.count for wish in wishes]).astype(np.int64)
        numbers, total = np.concatenate(spans), len(seeds)
        lanes = min((size for size in self.sizes if size >= total), default=self.lanes or 1)

        def draw(_: np.ndarray) -> Columns:
            own = (maker.labels.with_seed(wish.seed).draw(span) for wish, span in zip(wishes, spans, strict=True))
            return join_rows(*own)

        table, seconds = maker.make_drawn(draw, numbers, seeds, lanes)
        return self._answers(maker, wishes, table, seconds, form)

    def _answers(
        self, maker: Maker, wishes: Sequence[Wish], table: pa.Table, seconds: dict[str, float], form: str
    ) -> list[Answer]:
        gates = unpack(table, len(maker.data.classes))[0].rejected_by
        accepted = gates == ""
        rows = maker.complete(table.filter(pa.array(accepted)))
        lines = list(json_lines(rows, maker.data.classes)) if form == "json" else []
        answers, begun, written = [], 0, 0
        for wish in wishes:
            mine = gates[begun : begun + wish.count]
            count = int((mine == "").sum())
            told, numbers = np.unique(mine[mine != ""], return_counts=True)
            refused = dict(zip(told.tolist(), numbers.tolist(), strict=True))
            part = lines[written : written + count] if form == "json" else [ipc_bytes(rows.slice(written, count))]
            answers.append(Answer(part, count, refused, len(gates), seconds))
            begun, written = begun + wish.count, written + count
        return answers

    def _adjusted(self, overrides: str) -> Maker:
        """The maker under a caller's changes: the same net, judge and gates."""
        with self._lock:
            if overrides not in self._changed:
                self._changed[overrides] = self._adjust(overrides)
            self._changed.move_to_end(overrides)
            while len(self._changed) > KEPT:
                self._changed.popitem(last=False)
            return self._changed[overrides]

    def _adjust(self, overrides: str) -> Maker:
        recipe, maker = accept(self.recipe, json.loads(overrides)), self.maker
        labels: LabelGenerator = maker.labels
        if recipe.conditions != self.recipe.conditions:
            labels = maker.task.labels(maker.data, recipe.conditions, self.recipe.seed, self.folder)
        sampler = maker.sampler.with_options(recipe.sample.model_copy(update={"batch_size": LANES[-1]}))
        return replace(maker, labels=labels, sampler=sampler, recipe=recipe.sha256)


def json_lines(table: pa.Table, classes: Sequence[str]) -> Iterator[bytes]:
    """Each row as a JSON text, {"index", "label", "row", "provenance"}; files become {"png": base64} and the like."""
    for row in table.to_pylist():
        provenance = row.pop("provenance")
        label = row.get("label")
        name = classes[label] if isinstance(label, int) and 0 <= label < len(classes) else None
        line = {"index": provenance["index"], "label": name, "row": _as_json(row), "provenance": provenance}
        yield json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode()


def _as_json(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"bytes", "path"}:  # as `datasets` stores an image or a mesh
            return _as_json(value["bytes"])
        return {name: _as_json(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_as_json(inner) for inner in value] if value and isinstance(value[0], dict | list | bytes) else value
    if isinstance(value, bytes):
        kind = next((name for head, name in HEADS.items() if value.startswith(head)), "base64")
        return {kind: base64.b64encode(value).decode()}
    return value


def ipc_bytes(table: pa.Table) -> bytes:
    """The table as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _other(seed: int) -> int:
    return int(row_generator(seed, 0, "strangers").integers(2**62))


def _equal(a: Columns, b: Columns) -> bool:
    """Whether both hold the same rows; cells may be arrays, texts or tuples."""
    pairs = ((x, y) for name in a for x, y in zip(a[name], b[name], strict=True))
    return all(np.array_equal(x, y) if isinstance(x, np.ndarray) else x == y for x, y in pairs)
