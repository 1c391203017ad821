"""A run's progress, written to the job store at most twice a second by a thread of its own.

with Reporter(store, job_id, lease_owner) as progress:
    pipeline.run(recipe, folder, progress=progress)
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from .job import Standing
from .store import JobStore

EVERY = 0.5  # seconds
COUNTS_ROWS = "sample"  # the stage whose unit is an accepted row


class Reporter:
    """A Progress. `lost` is called, in that thread, once the job's lease is another's."""

    def __init__(self, store: JobStore, id: str, lease_owner: str, lost: Callable[[], None]) -> None:
        self._store, self._id, self._lease_owner, self._lost = store, id, lease_owner, lost
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._standing, self._told = Standing(""), Standing("")
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._write, name="progress", daemon=True)

    def __enter__(self) -> Reporter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def stage(self, name: str, total: float | None = None) -> None:
        with self._lock:
            self._began = time.monotonic()
            self._standing = Standing(name, 0.0, total, self._standing.rows)
        print(name, file=sys.stderr, flush=True)

    def advance(self, n: float = 1) -> None:
        with self._lock:
            was = self._standing
            done = was.done + n
            rows = round(done) if was.stage == COUNTS_ROWS else was.rows
            self._standing = Standing(was.stage, done, was.total, rows, self._left(done, was.total))

    def note(self, text: str) -> None:
        print(f"  {text}", file=sys.stderr, flush=True)

    def _left(self, done: float, total: float | None) -> float | None:
        if not total or done <= 0:
            return None
        return max(0.0, (time.monotonic() - self._began) * (total / done - 1))

    def _write(self) -> None:
        while True:
            last = self._ended.wait(EVERY)
            with self._lock:
                now = self._standing
            if now != self._told:
                try:
                    if not self._store.report(self._id, self._lease_owner, now):
                        self._lost()
                        return
                    self._told = now
                except SQLAlchemyError:  # the database is away: the run goes on, and the next report tells more
                    pass
            if last:
                return
