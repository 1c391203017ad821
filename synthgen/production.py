"""How one shard is made: conditions → rows → annotations → scores → gates → encoded table.

Making a shard is a pure function of (recipe, checkpoint, judge, range of indices). Whoever holds a `Maker`, a thread or
a replica, can make any shard, and the bytes are the same.

    maker = Maker(...)
    table, seconds = maker.make(range(0, 256))
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import datasets
import numpy as np
import pyarrow as pa

from .export.parquet import provenance_feature, rows_to_table, table_to_bytes, table_to_rows
from .gates.gates import Gates
from .sampling.engine import Shard
from .sampling.sampler import Sampler
from .task import Task
from .types import Columns, Data, Judge, LabelGenerator, Opinion, Verdict, take_rows

STAGES = ("conditions", "sample", "label", "gate", "encode")


@dataclass
class Clock:
    """Seconds by stage."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))

    @contextmanager
    def stage(self, name: str) -> Any:
        began = time.perf_counter()
        yield
        self.seconds[name] += time.perf_counter() - began


@dataclass(frozen=True)
class Maker:
    """Everything a shard needs."""

    task: Task
    data: Data
    labels: LabelGenerator
    sampler: Sampler
    judge: Judge
    gates: Gates
    seed: int
    recipe: str  # digest
    model: str  # digest
    shard_size: int  # candidates

    def features(self) -> datasets.Features:
        """A row as users see it."""
        return self._with_provenance(dict(self.task.features(self.data)))

    def candidate_features(self) -> datasets.Features:
        """A row of a shard: what only accepted rows get is not there yet."""
        return self._with_provenance(self.task.early(self.data))

    def complete(self, table: pa.Table) -> pa.Table:
        """Candidates, as they are in a shard, as users see them."""
        features = self.features()
        if self.task.complete is None:
            return table.select(list(features))
        encoded: dict[str, Any] = {name: table.column(name).combine_chunks() for name in self.candidate_features()}
        rows = table_to_rows(table.select(list(self.task.early(self.data))))
        return rows_to_table({**encoded, **self.task.complete(rows, self.data)}, features, {})

    def _with_provenance(self, columns: dict[str, Any]) -> datasets.Features:
        return datasets.Features({**columns, "provenance": provenance_feature(self.score_names())})

    def score_names(self) -> tuple[str, ...]:
        return self.gates.score_names

    def make(self, indices: range) -> tuple[pa.Table, dict[str, float]]:
        """The candidates `indices` of the run's own seed, refused ones among them, and the seconds of each stage."""
        return self.make_drawn(self.labels.draw, np.array(indices), np.full(len(indices), self.seed, np.int64))

    def make_drawn(
        self, draw: Callable[[np.ndarray], Columns], numbers: np.ndarray, seeds: np.ndarray, lanes: int = 1
    ) -> tuple[pa.Table, dict[str, float]]:
        """The candidates `numbers` (N,) with the conditions that `draw` gives them, refused ones among them, and the
        seconds each stage and each gate took; `seeds` and `lanes` are those of `Sampler.sample`.

        Behind the features stand `gate` and `reason` (empty: passed) and `descriptor` (float32 bytes), for the
        decisions that need the other rows.
        """
        clock = Clock()
        with clock.stage("conditions"):
            conditions = draw(numbers)
        with clock.stage("sample"):
            rows = self.sampler.sample(conditions, numbers, seeds=seeds, lanes=lanes)
        with clock.stage("label"):
            rows = self.task.annotate(self.task.mark(rows, self.judge, self.data), self.data)
        with clock.stage("gate"):
            descriptors = self.sampler.codec.describe(rows)
            checked = self.gates.check_rows(rows)
            began = time.perf_counter()
            opinion = self._ask(rows, checked.rejected_by == "") if self.gates.agreement else None
            asked = time.perf_counter() - began
            verdict = self.gates.judge_rows(opinion, descriptors, rows.get("label"), checked)
        with clock.stage("encode"):
            encoded = self.task.encode(rows, self.data)
            encoded["provenance"] = self._provenance(numbers, seeds, verdict)
            table = rows_to_table(encoded, self.candidate_features(), self._internal(verdict, descriptors, rows))
        spent = {f"gate {name}": seconds for name, seconds in verdict.seconds.items()}
        if opinion is not None:
            spent["gate agreement"] += asked
        return table, {**clock.seconds, **spent}

    def make_shard(self, number: int) -> Shard:
        """Shard `number` as a Parquet file's bytes, and the seconds of its stages."""
        table, seconds = self.make(range(number * self.shard_size, (number + 1) * self.shard_size))
        began = time.perf_counter()
        data = table_to_bytes(table)
        seconds["encode"] += time.perf_counter() - began
        return data, seconds

    def time_bare(self, seconds: float) -> float:
        """Rows per second of a loop over the denoiser alone, as the shards ask it."""
        conditions = self.labels.draw(np.arange(self.sampler.options.batch_size))
        rows, took = self.sampler.time_bare(conditions, seconds)
        return rows / took

    def _ask(self, rows: Columns, passed: np.ndarray) -> Opinion:
        """The judge's opinion of the rows that `passed` (bool, N) the checks; nan for the others, which are refused."""
        if passed.all():
            return self.judge.examine(rows)
        agreement = np.full(len(passed), np.nan, np.float32)
        if passed.any():
            agreement[passed] = self.judge.examine(take_rows(rows, passed)).agreement
        return Opinion(np.zeros((len(passed), 0), np.float32), agreement)  # gates ask for no features

    def _provenance(self, numbers: np.ndarray, seeds: np.ndarray, verdict: Verdict) -> list[dict[str, Any]]:
        scores = {name: verdict.scores[name].tolist() for name in self.score_names()}
        digests = {"recipe": self.recipe, "model": self.model}
        return [
            {"index": index, "seed": seed, **digests, "scores": {name: values[i] for name, values in scores.items()}}
            for i, (index, seed) in enumerate(zip(numbers.tolist(), seeds.tolist(), strict=True))
        ]

    def _internal(self, verdict: Verdict, descriptors: np.ndarray, rows: Columns) -> dict[str, pa.Array]:
        width = descriptors.shape[1] * 4
        packed = pa.py_buffer(np.ascontiguousarray(descriptors, np.float32))
        presence = np.packbits(self.task.classes_of(rows, self.data), axis=1)
        return {
            "gate": pa.array(verdict.rejected_by.tolist(), pa.string()),
            "reason": pa.array(verdict.reasons.tolist(), pa.string()),
            "descriptor": pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(descriptors), [None, packed]),
            "presence": pa.array([row.tobytes() for row in presence], pa.binary()),
        }


INTERNAL = ("gate", "reason", "descriptor", "presence")


def unpack(table: pa.Table, classes: int) -> tuple[Verdict, np.ndarray, np.ndarray, np.ndarray]:
    """(verdict, descriptors, presence, indices) of a shard's table, for the selection."""
    column = table.column("descriptor")
    descriptors = np.frombuffer(b"".join(column.to_pylist()), np.float32).reshape(len(table), -1)
    bits = np.frombuffer(b"".join(table.column("presence").to_pylist()), np.uint8).reshape(len(table), -1)
    presence = np.unpackbits(bits, axis=1, count=classes).astype(bool)
    refused, reasons = (np.array(table.column(name).to_pylist(), object) for name in ("gate", "reason"))
    indices = np.array([row["index"] for row in table.column("provenance").to_pylist()])
    return Verdict({}, refused, reasons), descriptors, presence, indices
