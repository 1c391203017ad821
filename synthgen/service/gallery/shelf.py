"""The runs that are open: each is indexed once, and again only when its files have changed.

Knows folders; who may see which is decided by `pages`.

    shelf = Shelf()
    run = shelf.open("recipe:digits", Path("runs/digits"))
    shelf.find_nearest(run, 17)
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any, Generic, TypeVar

from .browse import BrowsedRun, find_version, open_run
from .nearest import NearestRows

RUNS = 16  # indexed at once
SOURCES = 2  # real rows in memory at once: they are the dear part
PATIENCE = 3.0  # seconds that a request waits for them

T = TypeVar("T")


class StillReadingError(Exception):
    """The real rows are not there yet; ask again."""


class Kept(Generic[T]):
    """The last few values by key. A key is made once, by `workers`; a failure is not kept."""

    def __init__(self, limit: int, workers: Executor) -> None:
        self.limit, self.workers = limit, workers
        self._values: OrderedDict[tuple[str, ...], Future[T]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: tuple[str, ...], make: Callable[[], T], timeout: float | None = None) -> T:
        """The value; TimeoutError if it is not made in time, while the making goes on."""
        with self._lock:
            known = self._values.get(key)
            if known is None or (known.done() and known.exception() is not None):
                self._values[key] = self.workers.submit(make)
            self._values.move_to_end(key)
            found = self._values[key]
            while len(self._values) > self.limit:
                self._values.popitem(last=False)
        return found.result(timeout)


class Shelf:
    def __init__(self) -> None:
        self._runs: Kept[BrowsedRun] = Kept(RUNS, ThreadPoolExecutor(2, "gallery-index"))
        # one source at a time: reading several would need the memory of several
        self._nearest: Kept[NearestRows] = Kept(SOURCES, ThreadPoolExecutor(1, "gallery-nearest"))

    def open(self, name: str, folder: Path) -> BrowsedRun:
        """The finished run in `folder`. UserError if there is none."""
        return self._runs.get((name, str(folder), find_version(folder)), lambda: open_run(folder, name))

    def find_nearest(self, run: BrowsedRun, number: int) -> dict[str, Any]:
        """The real training row nearest to row `number`. The first call for a run reads its source, which may take
        longer than a request should: StillReadingError until it is there."""
        values = run.values(number)
        key = (str(run.folder), run.version)
        try:
            rows = self._nearest.get(key, lambda: NearestRows.open(run.folder), PATIENCE)
        except TimeoutError:
            raise StillReadingError from None
        return rows.find(values, run.index.features)
