"""What a job is, and why one may be refused. Knows no database.

job = Job(id="…", owner="key-1", recipe="segmentation", count=500, …)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

UNFINISHED = ("queued", "running")
FINISHED = ("done", "failed", "cancelled")
STATES = UNFINISHED + FINISHED


@dataclass(frozen=True)
class Job:
    """One row of the table `jobs`; moments are UTC."""

    id: str
    owner: str  # the id of the key that asked for it, never the key
    recipe: str  # a name in the service's catalog
    count: int
    seed: int | None  # of the rows; None: the recipe's
    overrides: Mapping[str, Any]  # dotted field -> value
    idempotency_key: str | None
    request_sha256: str
    state: str  # one of STATES
    stage: str  # of the run, such as "sample"; "" before it begins
    done: float  # of the stage's `total`
    total: float | None  # None: nobody knows how much there is
    rows: int  # accepted so far
    message: str  # one sentence for the caller
    eta_seconds: float | None  # until the stage is done
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    updated_at: datetime
    cancel_requested: bool
    attempt: int  # earlier processes that died without an outcome
    lease_owner: str | None
    lease_until: datetime | None

    @property
    def is_finished(self) -> bool:
        return self.state in FINISHED


@dataclass(frozen=True)
class Standing:
    """How far a running job is."""

    stage: str
    done: float = 0.0
    total: float | None = None
    rows: int = 0
    eta_seconds: float | None = None


class Conflict(Exception):
    """The idempotency key was used for another request."""


class QuotaReached(Exception):
    """The owner has as many unfinished jobs as are allowed."""


class UnknownCursor(Exception):
    """`after` is no job of the owner's."""
