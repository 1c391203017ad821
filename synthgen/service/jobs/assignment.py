"""What a supervisor tells a worker about its job, in one line of JSON, and the recipe that follows from it.

line = Assignment("5f…", "host-1", recipe, "/srv/jobs/5f…", "/srv/digits", 500, None, {}, os.getpid(), 2).line()
derive(Assignment.read(line))      # the job's recipe
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...recipe import Recipe, change, recipe_class
from ...requests import accept


@dataclass(frozen=True)
class Assignment:
    id: str
    lease_owner: str
    recipe: dict[str, Any]  # resolved, as the catalog has it
    folder: str  # of the job
    origin: str  # of the recipe's run
    count: int
    seed: int | None
    overrides: Mapping[str, Any]
    supervisor: int  # its process
    threads: int
    replicas: dict[str, Any] | None = None  # RayOptions of those that make its shards; None: threads of its own

    def line(self) -> str:
        return json.dumps(asdict(self)) + "\n"

    @staticmethod
    def read(line: str | bytes) -> Assignment:
        return Assignment(**json.loads(line))

    def recipe_of_run(self) -> Recipe:
        return recipe_class(self.recipe["task"]).model_validate(self.recipe)


def job_folder(root: Path, id: str) -> Path:
    """Where a job's run lies; its finished dataset is in dataset/ there."""
    return root / "jobs" / id


def derive(recipe: Recipe, count: int, seed: int | None, overrides: Mapping[str, Any]) -> Recipe:
    """The recipe of a job: with its count, the seed of its rows (None: the recipe's) and a caller's overrides. Raises
    UserError."""
    own = {"count": count} if seed is None else {"count": count, "sample.seed": seed}
    return change(accept(recipe, overrides), own)
