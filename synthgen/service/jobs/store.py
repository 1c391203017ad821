"""Jobs in the database: who asked for what, how far it is, and which process may work on it.

A process works on a job while it holds the job's lease; what a former holder reports is not written. All statements
are short transactions, so that any number of services and workers may share a database. It runs nothing.

    store = JobStore("sqlite:///jobs.db")
    job, created = store.create("key-1", "digits", 500, None, {}, None, limit=10)
    job = store.claim("host-1", seconds=15)
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, literal, or_, select, tuple_, update

from .database import is_postgresql, migrate, open_engine, read_clock, reading, writing
from .job import FINISHED, STATES, UNFINISHED, Conflict, Job, QuotaReached, Standing, UnknownCursor
from .table import JOBS, Moment

MOST_ATTEMPTS = 5  # processes that may die on a job
Jobs = list[Job]
GIVEN_UP = f"the process that made it died {MOST_ATTEMPTS} times; the service's operator finds why in its log"


class JobStore:
    """The table `jobs` of one database. Safe to share between threads."""

    def __init__(self, url: str, migrated: bool = False) -> None:
        """Brings the tables up to date unless that is known to be done. Raises UserError."""
        self._engine = open_engine(url)
        if not migrated:
            migrate(self._engine)

    def url(self) -> str:
        """With its password: for the environment of a worker, and nothing else."""
        return self._engine.url.render_as_string(hide_password=False)

    def close(self) -> None:
        self._engine.dispose()

    # What callers do

    def create(
        self, owner: str, recipe: str, count: int, seed: int | None, overrides: Mapping[str, Any],
        idempotency_key: str | None, limit: int,
    ) -> tuple[Job, bool]:  # fmt: skip
        """(job, whether it is new). The same key of the same owner with the same request gives the job it gave first.

        Raises Conflict if that key was used for another request, QuotaReached if the owner has `limit` unfinished jobs.
        """
        asked = {"recipe": recipe, "count": count, "seed": seed, "overrides": dict(overrides)}
        told = json.dumps(asked, sort_keys=True, separators=(",", ":"))
        sha256 = hashlib.sha256(told.encode()).hexdigest()
        with writing(self._engine) as connection:
            if is_postgresql(connection):  # one request of an owner at a time; on SQLite one of anybody's
                connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(owner, 0))))
            if idempotency_key is not None:
                mine = and_(JOBS.c.owner == owner, JOBS.c.idempotency_key == idempotency_key)
                if found := _read(connection, mine):
                    if found.request_sha256 != sha256:
                        raise Conflict
                    return found, False
            waiting = and_(JOBS.c.owner == owner, JOBS.c.state.in_(UNFINISHED))
            if connection.execute(select(func.count()).where(waiting)).scalar_one() >= limit:
                raise QuotaReached
            now = read_clock(connection)
            new = {
                "id": uuid.uuid4().hex, "owner": owner, **asked, "idempotency_key": idempotency_key,
                "request_sha256": sha256, "state": "queued", "stage": "", "done": 0.0, "rows": 0, "message": "",
                "created_at": now, "updated_at": now, "cancel_requested": False, "attempt": 0,
            }  # fmt: skip
            return _job(connection.execute(JOBS.insert().values(new).returning(JOBS)).one()), True

    def get(self, id: str, owner: str | None) -> Job | None:
        """None also for a job of another owner. `owner` None: whoever asked for it."""
        with reading(self._engine) as connection:
            return _read(connection, _of(id, owner))

    def list(
        self, owner: str | None, after: str | None, limit: int, state: str | None = None
    ) -> tuple[Jobs, str | None]:
        """(at most `limit` jobs, newest first, and what to give as `after` for the next ones, None at the end).

        New jobs do not move the pages that follow. Raises UnknownCursor.
        """
        assert limit >= 1 and (state is None or state in STATES)
        place = (JOBS.c.created_at, JOBS.c.id)
        asked = select(JOBS).order_by(*(column.desc() for column in place)).limit(limit + 1)
        with reading(self._engine) as connection:
            if owner is not None:
                asked = asked.where(JOBS.c.owner == owner)
            if state is not None:
                asked = asked.where(JOBS.c.state == state)
            if after is not None:
                last = _read(connection, _of(after, owner))
                if last is None:
                    raise UnknownCursor
                asked = asked.where(tuple_(*place) < tuple_(literal(last.created_at, Moment), literal(last.id)))
            jobs = [_job(row) for row in connection.execute(asked)]
        return jobs[:limit], jobs[limit - 1].id if len(jobs) > limit else None

    def request_cancel(self, id: str, owner: str | None) -> Job | None:
        """The job afterwards: cancelled if nobody works on it; else whoever does is asked to end. Ended ones stay."""
        with writing(self._engine) as connection:
            job = _read(connection, _of(id, owner), lock=True)
            if job is None or job.is_finished:
                return job
            return _end(connection, job.id, "cancelled") if job.state == "queued" else _ask_to_end(connection, job.id)

    def count(self) -> dict[str, int]:
        """How many jobs there are in each state."""
        with reading(self._engine) as connection:
            asked = select(JOBS.c.state, func.count()).group_by(JOBS.c.state)
            found: dict[str, int] = dict(connection.execute(asked).tuples().all())
        return {state: found.get(state, 0) for state in STATES}

    # What supervisors and workers do

    def claim(self, lease_owner: str, seconds: float) -> Job | None:
        """The oldest job that nobody works on, as running and leased for so long; None if there is none.

        A job whose lease is over counts as one whose process died. If that was once too often, or if it was to be
        cancelled, it ends here.
        """
        with reading(self._engine) as connection:
            if connection.execute(select(JOBS.c.id).where(_is_free(connection, lease_owner)).limit(1)).first() is None:
                return None
        with writing(self._engine) as connection:
            asked = select(JOBS).where(_is_free(connection, lease_owner)).order_by(JOBS.c.created_at, JOBS.c.id)
            while (row := connection.execute(asked.limit(1).with_for_update(skip_locked=True)).first()) is not None:
                job = _job(row)
                attempt = job.attempt + (job.state == "running")
                if job.cancel_requested:
                    _end(connection, job.id, "cancelled")
                elif attempt >= MOST_ATTEMPTS:
                    _end(connection, job.id, "failed", GIVEN_UP)
                else:
                    now = read_clock(connection)
                    return _change(
                        connection, JOBS.c.id == job.id, state="running", attempt=attempt, lease_owner=lease_owner,
                        lease_until=now + timedelta(seconds=seconds), started_at=job.started_at or now,
                    )  # fmt: skip
        return None

    def renew(self, lease_owner: str, seconds: float) -> dict[str, bool]:
        """Prolong all leases of that owner: {id of the job: whether it is to be cancelled}. A missing job is lost."""
        with writing(self._engine) as connection:
            until = read_clock(connection) + timedelta(seconds=seconds)
            mine = and_(JOBS.c.lease_owner == lease_owner, JOBS.c.state == "running")
            changed = update(JOBS).where(mine).values(lease_until=until)
            found = connection.execute(changed.returning(JOBS.c.id, JOBS.c.cancel_requested))
            return dict(found.tuples().all())

    def to_cancel(self, lease_owner: str) -> set[str]:
        """The ids of that owner's jobs that are to end."""
        asked = select(JOBS.c.id).where(JOBS.c.lease_owner == lease_owner, JOBS.c.cancel_requested)
        with reading(self._engine) as connection:
            return set(connection.execute(asked).scalars())

    def cancelled_among(self, ids: Sequence[str]) -> set[str]:
        """Those of the jobs `ids` that were cancelled."""
        asked = select(JOBS.c.id).where(JOBS.c.id.in_(ids), JOBS.c.state == "cancelled")
        with reading(self._engine) as connection:
            return set(connection.execute(asked).scalars())

    def report(self, id: str, lease_owner: str, standing: Standing) -> bool:
        """Write how far the job is; False if its lease is another's by now."""
        values = {name: getattr(standing, name) for name in Standing.__dataclass_fields__}
        with writing(self._engine) as connection:
            return _change(connection, _is_held(id, lease_owner), **values) is not None

    def finish(self, id: str, lease_owner: str, state: str, message: str = "", rows: int | None = None) -> bool:
        """Write the outcome, one of FINISHED; False if the lease is another's by now."""
        assert state in FINISHED
        with writing(self._engine) as connection:
            held = _read(connection, _is_held(id, lease_owner), lock=True)
            if held is not None and held.cancel_requested and state == "failed":
                state, message = "cancelled", ""  # it failed because it was asked to end
            if held is not None:
                _end(connection, id, state, message, held.rows if rows is None else rows)
            return held is not None

    def release(self, id: str, lease_owner: str, died: bool) -> Job | None:
        """Put a job back into the queue; `died`: its process did, which may happen five times. None: not held."""
        with writing(self._engine) as connection:
            job = _read(connection, _is_held(id, lease_owner), lock=True)
            if job is None:
                return None
            if job.cancel_requested:
                return _end(connection, id, "cancelled")
            if job.attempt + died >= MOST_ATTEMPTS:
                return _end(connection, id, "failed", GIVEN_UP)
            return _change(
                connection, JOBS.c.id == id, state="queued", attempt=job.attempt + died, lease_owner=None,
                lease_until=None, eta_seconds=None,
            )  # fmt: skip


def _job(row: Any) -> Job:
    return Job(**row._mapping)


def _of(id: str, owner: str | None) -> ColumnElement[bool]:
    return JOBS.c.id == id if owner is None else and_(JOBS.c.id == id, JOBS.c.owner == owner)


def _is_held(id: str, lease_owner: str) -> ColumnElement[bool]:
    return and_(JOBS.c.id == id, JOBS.c.lease_owner == lease_owner, JOBS.c.state == "running")


def _is_free(connection: Connection, lease_owner: str) -> ColumnElement[bool]:
    """Queued, or leased by another who has not renewed it. One's own lease is renewed, however late, not claimed."""
    over = and_(JOBS.c.lease_until < read_clock(connection), JOBS.c.lease_owner != lease_owner)
    return or_(JOBS.c.state == "queued", and_(JOBS.c.state == "running", over))


def _read(connection: Connection, where: ColumnElement[bool], lock: bool = False) -> Job | None:
    asked = select(JOBS).where(where)
    row = connection.execute(asked.with_for_update() if lock else asked).first()
    return None if row is None else _job(row)


def _change(connection: Connection, where: ColumnElement[bool], **values: Any) -> Job | None:
    changed = update(JOBS).where(where).values(updated_at=read_clock(connection), **values).returning(JOBS)
    row = connection.execute(changed).first()
    return None if row is None else _job(row)


def _ask_to_end(connection: Connection, id: str) -> Job | None:
    return _change(connection, JOBS.c.id == id, cancel_requested=True)


def _end(connection: Connection, id: str, state: str, message: str = "", rows: int | None = None) -> Job | None:
    values = {} if rows is None else {"rows": rows}
    return _change(
        connection, JOBS.c.id == id, state=state, message=message, ended_at=read_clock(connection), lease_owner=None,
        lease_until=None, eta_seconds=None, **values,
    )  # fmt: skip
