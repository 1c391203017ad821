"""Shards until there are enough accepted rows, and what became of every candidate.

harvest = gather(maker, selection, run, engine=LocalEngine(maker, workers=2, cores=2), progress=Silent())
rows = harvest.rows(harvest.kept)
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from .errors import UserError
from .export.parquet import read_batches, table_to_rows
from .gates.selection import Selection
from .production import INTERNAL, Maker, unpack
from .progress import Progress
from .run_folder import RunFolder
from .sampling.engine import Engine, Orders
from .storage import digest_bytes, write_whole
from .types import Columns

BARE_SECONDS = 1.5  # of the bare denoiser loop, before and again after the shards
PATIENCE = 20  # candidates per accepted row before a run is given up


@dataclass
class Harvest:
    """The candidates in index order: `gate` is "" for kept rows and for those after the last one needed."""

    maker: Maker
    run: RunFolder
    shard_size: int
    kept: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    gate: np.ndarray = field(default_factory=lambda: np.zeros(0, object))
    reason: np.ndarray = field(default_factory=lambda: np.zeros(0, object))
    selection: Selection | None = None
    throughput: dict[str, float] = field(default_factory=dict)

    @property
    def shards(self) -> int:
        return len(self.kept) // self.shard_size

    def settle(self, kept: np.ndarray, gate: np.ndarray, reason: np.ndarray) -> None:
        self.kept = np.concatenate([self.kept, kept])
        self.gate, self.reason = np.concatenate([self.gate, gate]), np.concatenate([self.reason, reason])

    def tables(self, chosen: np.ndarray) -> Iterator[pa.Table]:
        """The candidates where `chosen` (bool, N) holds, shard by shard, with their final gate and reason."""
        for number in range(self.shards):
            span = slice(number * self.shard_size, (number + 1) * self.shard_size)
            if not chosen[span].any():
                continue
            table = pa.concat_tables(read_batches(self.run.shard_path(number)))
            for name, values in (("gate", self.gate[span]), ("reason", self.reason[span])):
                table = table.set_column(
                    table.schema.get_field_index(name), name, pa.array(values.tolist(), pa.string())
                )
            yield table.filter(pa.array(chosen[span]))

    def rows(self, chosen: np.ndarray, limit: int | None = None) -> Columns:
        """The first `limit` of those candidates as arrays."""
        if limit is not None:
            chosen = chosen & (np.cumsum(chosen) <= limit)
        task, data = self.maker.task, self.maker.data
        wanted = list(task.early(data))
        parts = [task.decode(table_to_rows(table.select(wanted)), data) for table in self.tables(chosen)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def provenance(self, chosen: np.ndarray, limit: int) -> list[dict[str, Any]]:
        """Provenance, gate and reason of the first `limit` of those candidates."""
        found: list[dict[str, Any]] = []
        for table in self.tables(chosen & (np.cumsum(chosen) <= limit)):
            found += table.select(["provenance", "gate", "reason"]).to_pylist()
        return found

    def gates(self) -> list[str]:
        """The gates that are on, in the order in which they are asked."""
        assert self.selection is not None
        on = {*self.maker.gates.on, *self.selection.on}
        return [name for name in self.selection.gates if name in on]

    def seconds(self) -> dict[str, float]:
        """Seconds by stage, and by gate as "gate <name>", summed over the shards."""
        total: Counter[str] = Counter()
        for number in range(self.shards):
            total.update(self.run.shard_seconds(number))
        return dict(total)


def gather(maker: Maker, selection: Selection, run: RunFolder, *, engine: Engine, progress: Progress) -> Harvest:
    """Have shards made, or take the finished ones, and settle them in index order until there are enough rows."""
    harvest, made, asked = Harvest(maker, run, maker.shard_size, selection=selection), [0], [0]
    shard_size = maker.shard_size
    progress.stage("sample", selection.count)

    def finish(number: int, data: bytes, seconds: dict[str, float]) -> None:
        began = time.perf_counter()
        write_whole(run.shard_path(number), data)
        seconds["encode"] += time.perf_counter() - began
        run.finish_shard(number, digest_bytes(data), seconds)
        made[0] += 1

    def ask(in_flight: int) -> int | None:
        rate = selection.accepted / max(1, len(harvest.kept)) if len(harvest.kept) else 1.0
        if selection.done or (in_flight and selection.accepted + in_flight * shard_size * rate >= selection.count):
            return None
        asked[0] += 1
        return asked[0] - 1

    before = engine.time_bare(BARE_SECONDS)
    began = time.perf_counter()
    for number in engine.produce(Orders(ask, run.shard_is_sound, finish)):
        _settle(harvest, selection, number, progress)
        _refuse_barren(harvest, selection)
    elapsed = time.perf_counter() - began
    run.log("sampled", made=made[0], shards=harvest.shards)
    if not made[0]:  # all were there: what their making took is on disk
        made[0], elapsed = harvest.shards, sum(harvest.seconds().values()) / engine.workers
    harvest.throughput = run.recall(
        "throughput",
        lambda: _throughput(made[0] * shard_size, elapsed, before, engine.time_bare(BARE_SECONDS)),
    )
    return harvest


def _settle(harvest: Harvest, selection: Selection, number: int, progress: Progress) -> None:
    path = harvest.run.shard_path(number)
    table = pa.concat_tables(read_batches(path, columns=["provenance", *INTERNAL]))
    verdict, descriptors, presence, indices = unpack(table, len(harvest.maker.data.classes))
    before = selection.accepted
    choice = selection.admit(verdict, descriptors, presence, indices)
    harvest.settle(choice.kept, choice.rejected_by, choice.reasons)
    progress.advance(selection.accepted - before)


def _refuse_barren(harvest: Harvest, selection: Selection) -> None:
    """Give up on gates that let almost nothing through, as soon as it is clear, rather than sample for ever."""
    candidates, accepted = len(harvest.kept), selection.accepted
    likely = accepted + 3 * accepted**0.5 + 3  # what as many candidates may bring at best: three deviations more
    if not selection.done and candidates > PATIENCE * min(likely, selection.count):
        worst, count = max(selection.rejected.items(), key=lambda entry: entry[1])
        checks = [check.name for check in harvest.maker.gates.checks]
        ease = f"loosen gates.{worst} or set it to off"
        if worst in checks:
            others = ", ".join(name for name in checks if name != worst)
            ease = f"leave it out with gates.checks: [{others}]"
        raise UserError(
            f"gates: only {accepted} of {candidates} candidates were accepted and {worst!r} refused {count}; "
            f"{ease}, or train longer"
        )


def _throughput(rows: int, seconds: float, before: float, after: float) -> dict[str, float]:
    bare = (before + after) / 2
    rate = rows / seconds
    return {"rows_per_second": rate, "denoiser_rows_per_second": bare, "efficiency": rate / bare}
