"""How much is under way: a bounded number of requests, and of each key a share and an allowance of rows.

with admission.enter("ann", rows=64):
    ...                     # raises a Problem 429 with Retry-After where there is no room
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .problems import Problem

MINUTE = 60.0
FIRST_GUESS = 1.0  # seconds of a request before any has ended


class Admission:
    """Of one ingress; it is used on its event loop alone."""

    def __init__(
        self, queue: int, per_key: int, rows_per_minute: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.queue, self.per_key, self.rows_per_minute, self._clock = queue, per_key, rows_per_minute, clock
        self.inside = 0
        self._own: Counter[str] = Counter()
        self._spent: dict[str, tuple[float, float]] = {}  # key -> (allowance used, when that was so)
        self._usual = FIRST_GUESS

    @contextmanager
    def enter(self, key: str, rows: int) -> Iterator[None]:
        """Room for a request of `rows` rows while the block lasts."""
        if self.inside >= self.queue:
            self._refuse(f"{self.inside} requests are under way, as many as the service takes", self._usual)
        if self._own[key] >= self.per_key:
            self._refuse(f"{self._own[key]} of your requests are under way, as many as a key may have", self._usual)
        self._spend(key, rows)
        self.inside += 1
        self._own[key] += 1
        began = self._clock()
        try:
            yield
        finally:
            self.inside -= 1
            self._own[key] -= 1
            if not self._own[key]:
                del self._own[key]
            self._usual += 0.1 * (self._clock() - began - self._usual)

    def _spend(self, key: str, rows: int) -> None:
        """The allowance comes back evenly, all of it within a minute."""
        used, at = self._spent.get(key, (0.0, self._clock()))
        now = self._clock()
        used = max(0.0, used - (now - at) * self.rows_per_minute / MINUTE)
        over = used + rows - self.rows_per_minute
        if over > 0 and used > 0:
            wait = min(over, used) * MINUTE / self.rows_per_minute
            self._refuse(f"a key may ask for {self.rows_per_minute:,} rows a minute", wait)
        self._spent = {name: spent for name, spent in self._spent.items() if now - spent[1] < MINUTE}
        self._spent[key] = (used + rows, now)

    def _refuse(self, why: str, seconds: float) -> None:
        wait = max(1, math.ceil(seconds))
        raise Problem(429, "Too many requests", f"{why}; try again in {wait} s", {"Retry-After": str(wait)})
