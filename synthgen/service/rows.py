"""Rows for one request: candidates are asked for in parts, in order of index, until enough of them passed the gates.

rows = RowStream(source, entry, overrides, seed=7, count=100, form="json")
async for answer, limit in rows.answers():
    ...                     # rows.candidates, rows.rejected tell what became of the candidates so far
"""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping
from typing import Any, Literal, Protocol

from ..sampling.engine import Answer, Wish
from .problems import Problem

PART = 64  # candidates of a wish: they go through the net together
SPARE = 1.1  # candidates for each row that is missing, before anything is known of the accepted share
IN_FLIGHT = 4  # wishes of one request
PATIENCE = 20  # candidates per row, beyond the first PART, before a request is given up


class RowSource(Protocol):
    """Replicas, or a `ModelServer` of this process."""

    async def make_rows(self, what: Any, wish: Wish) -> Answer:
        """An answer to the wish; `what` names the run."""

    async def load(self, what: Any) -> int:
        """Make the run ready and draw one row."""


class RowStream:
    """The first `count` accepted candidates of a seed."""

    def __init__(
        self, source: RowSource, what: Any, overrides: Mapping[str, Any], seed: int, count: int,
        form: Literal["json", "arrow"],
    ) -> None:  # fmt: skip
        self._source, self._what, self._seed, self._form = source, what, seed, form
        self._overrides = json.dumps(overrides, sort_keys=True)
        self.count, self.rows, self.candidates = count, 0, 0
        self.rejected: Counter[str] = Counter()
        self._asked = 0

    async def answers(self) -> AsyncIterator[tuple[Answer, int]]:
        """(answer, rows of it that are wanted), in order of index. Raises Problem if the gates refuse nearly all."""
        flight: deque[tuple[int, asyncio.Task[Answer]]] = deque()
        try:
            while self.rows < self.count:
                self._ask(flight)
                count, task = flight.popleft()
                answer = await task
                wanted = min(answer.accepted, self.count - self.rows)
                self.rows += wanted
                self.candidates += count
                self.rejected.update(answer.rejected)
                if self.rows < self.count and self.candidates > PATIENCE * self.count + PART:
                    worst, refused = self.rejected.most_common(1)[0]
                    raise Problem(
                        503, "Too few rows pass",
                        f"only {self.rows} of {self.candidates} candidates were accepted and {worst!r} refused "
                        f"{refused}; ask for other conditions or another recipe",
                    )  # fmt: skip
                yield answer, wanted
        finally:
            for _, task in flight:
                task.cancel()

    def _ask(self, flight: deque[tuple[int, asyncio.Task[Answer]]]) -> None:
        """Wishes for what is missing beyond those in flight, at the share that was accepted so far."""
        share = max(self.rows, 1) / self.candidates if self.candidates else 1 / SPARE
        while len(flight) < IN_FLIGHT:
            coming = sum(count for count, _ in flight)
            missing = math.ceil((self.count - self.rows) / share) - coming
            if missing <= 0:
                return
            count = min(PART, missing)
            wish = Wish(self._seed, self._asked, count, self._overrides, self._form)
            flight.append((count, asyncio.ensure_future(self._source.make_rows(self._what, wish))))
            self._asked += count
