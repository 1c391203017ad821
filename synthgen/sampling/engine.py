"""The seam between the order of the stages and those who make shards: threads here, replicas there.

An engine knows numbers of shards and bytes, not what is in them. Whoever asks it says which shards are wanted, which
are there already, and what becomes of one that is made.

    for number in engine.produce(orders):       # in the order of the asking
        ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Shard = tuple[bytes, dict[str, float]]
"""A Parquet file's bytes, and the seconds that each stage took."""


class ShardMaker(Protocol):
    """Makes any shard of a run: a pure function of its number."""

    def make_shard(self, number: int) -> Shard:
        """Shard `number`, refused candidates among its rows."""

    def time_bare(self, seconds: float) -> float:
        """Rows per second of a loop over the denoiser alone, on one thread's worth of work."""


@dataclass(frozen=True)
class Wish:
    """Candidates that somebody asks for now, outside a run."""

    seed: int
    first: int  # index of the first candidate
    count: int  # candidates, at most as many as go through the net together
    overrides: str = "{}"  # what the recipe lets callers change, as JSON with sorted keys
    form: Literal["json", "arrow"] = "json"


@dataclass(frozen=True)
class Answer:
    """What became of a wish's candidates."""

    rows: list[bytes]  # of the accepted ones, in order of index: a JSON text each, or one Arrow IPC stream of all
    accepted: int
    rejected: dict[str, int]  # by gate
    company: int  # rows of the batch that these were made in
    seconds: dict[str, float]  # of the batch, by stage


class RowMaker(ShardMaker, Protocol):
    """Makes rows for those who wait for them as well."""

    @property
    def lanes(self) -> int:
        """Rows that may share a batch without changing one another; 0: each wish is made alone."""

    def make_rows(self, wishes: Sequence[Wish]) -> list[Answer]:
        """An answer to each wish; all have the same overrides and form."""


@dataclass(frozen=True)
class Orders:
    """What is wanted of an engine."""

    ask: Callable[[int], int | None]
    """(in flight): the next shard's number; None while those in flight look to be enough. It ends at None with
    nothing in flight."""
    is_there: Callable[[int], bool]
    """(number): whether the shard was made before."""
    finish: Callable[[int, bytes, dict[str, float]], None]
    """(number, bytes, seconds): keep it. Several threads may call it at once."""


class Engine(Protocol):
    """Those who make shards."""

    @property
    def workers(self) -> int:
        """Shards that are made at the same time."""

    def produce(self, orders: Orders) -> Iterator[int]:
        """Numbers of shards that are there now, in the order of the asking."""

    def time_bare(self, seconds: float) -> float:
        """Rows per second of the bare denoiser on all workers at once."""
