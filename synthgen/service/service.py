"""What the routes share: the catalog, who makes rows, how much is let in, and what is counted."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from dataclasses import dataclass, field

from ..errors import UserError
from ..sampling.engine import Answer
from ..storage import DIGESTS
from .admission import Admission
from .auth import Keys
from .catalog import Catalog, Entry
from .jobs.store import JobStore
from .logs import NAME
from .metrics import Metrics
from .options import ServeOptions
from .problems import Problem
from .rows import RowSource

FRESH = 1.0  # seconds that a model which was seen is taken to be there
PAUSE = 2.0  # seconds before a model that could not be loaded is tried again
log = logging.getLogger(NAME)


@dataclass
class Service:
    """One ingress."""

    catalog: Catalog
    rows: RowSource
    options: ServeOptions
    keys: Keys
    jobs: JobStore | None = None  # None: no jobs here
    metrics: Metrics = field(default_factory=Metrics)
    warm: set[str] = field(default_factory=set)  # recipes of which a row was made
    _looked: dict[str, tuple[int, bool]] = field(default_factory=dict)
    _seen: dict[str, float] = field(default_factory=dict)  # when a recipe's model was last seen

    def __post_init__(self) -> None:
        self.admission = Admission(self.options.queue, self.options.requests_per_key, self.options.rows_per_minute)

    def find(self, name: str) -> Entry:
        """The recipe that a request names; a Problem 404 if it is not served."""
        entry = self.catalog.entries.get(name)
        if entry is None:
            raise Problem(
                404, "Not found", f"recipe: {name[:64]!r} is not served here; GET /v1/recipes lists those that are"
            )
        return entry

    def has_model(self, entry: Entry) -> bool:
        """As the entry says; files are read anew only when the model is another one."""
        try:
            now = (entry.folder / "model" / DIGESTS).stat().st_mtime_ns
        except OSError:
            return False
        if self._looked.get(entry.name, (0, False))[0] != now:
            self._looked[entry.name] = (now, entry.has_model())
        return self._looked[entry.name][1]

    async def sees_model(self, entry: Entry) -> bool:
        """The same, without a look at the disk where there was one a moment ago."""
        if time.monotonic() - self._seen.get(entry.name, -math.inf) < FRESH:
            return True
        found = await asyncio.to_thread(self.has_model, entry)
        if found:
            self._seen[entry.name] = time.monotonic()
        return found

    def with_models(self) -> list[str]:
        """Names of the recipes that can be drawn from, as many as replicas keep in memory."""
        entries = list(self.catalog.entries.values())[: self.options.models_per_replica]
        return [entry.name for entry in entries if self.has_model(entry)]

    def count_answer(self, recipe: str, answer: Answer) -> None:
        self.metrics.count_rows(recipe, answer.accepted, answer.rejected)
        self.metrics.batch_rows.observe(answer.company)
        for stage in ("conditions", "sample", "label", "gate", "encode"):
            self.metrics.stage_seconds.labels(stage=stage).observe(answer.seconds[stage])

    async def warm_up(self) -> None:
        """One real row of each recipe that has a model, as many as replicas keep in memory."""
        for name in await asyncio.to_thread(self.with_models):
            entry = self.catalog.entries[name]
            while name not in self.warm:
                try:
                    await self.rows.load(entry.run)
                    self.warm.add(entry.name)
                except Exception as error:
                    log.warning("warm-up", extra={"facts": {"recipe": name, "why": repr(error)}})
                    if isinstance(error, UserError):
                        break
                    await asyncio.sleep(PAUSE)
