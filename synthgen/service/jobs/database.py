"""The database that jobs are kept in: SQLite in a file, or PostgreSQL. Knows connections and transactions, not jobs.

engine = open_engine("sqlite:///jobs.db")
migrate(engine)
with writing(engine) as connection:
    connection.execute(...)
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

from ...errors import UserError

MIGRATIONS = Path(__file__).parent / "migrations"
DRIVERS = {
    "sqlite": "sqlite", "sqlite+pysqlite": "sqlite", "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg", "postgresql+psycopg": "postgresql+psycopg",
}  # fmt: skip
EXAMPLES = "write one such as sqlite:///jobs.db or postgresql://user:password@host/database"
BUSY_SECONDS = 30  # that a connection to SQLite waits for another one that writes
MIGRATION_LOCK = 0x5357_4E54_4845_4E31  # of PostgreSQL's advisory locks, the one that migrations take

_alembic = threading.Lock()  # alembic keeps the run that is going on in its module, so one a process at a time


def open_engine(url: str) -> Engine:
    """An engine for that URL; nothing is connected yet. No sentence or log of it tells the URL, which may hold a
    password. Raises UserError."""
    known = _read_url(url)
    if known.get_backend_name() == "sqlite":
        return _open_sqlite(known)
    try:
        return create_engine(known, hide_parameters=True, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise UserError(
            f"database: PostgreSQL needs the package {error.name!r}, which is not installed; "
            "run: pip install 'synthgen[serve]'"
        ) from None


def _read_url(url: str) -> URL:
    try:
        known = make_url(url)
    except (ArgumentError, ValueError):
        raise UserError(f"database: this is no URL of a database; {EXAMPLES}") from None
    if known.drivername not in DRIVERS:
        raise UserError(f"database: {known.drivername!r} is not supported; {EXAMPLES}")
    return known.set(drivername=DRIVERS[known.drivername])


def _open_sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise UserError(f"database: one in memory is lost with the service; {EXAMPLES}")
    try:
        Path(url.database).absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"database: the folder of the file cannot be made ({error.strerror}); {EXAMPLES}") from None
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, record: Any) -> None:
    connection.isolation_level = None  # transactions begin when `_begin_sqlite` says so
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError as error:
            # another one changes it right now, which SQLite does not wait for
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)
    connection.execute("PRAGMA synchronous=FULL")  # a job that was accepted survives a loss of power


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes then would fail, not wait, if another one wrote in between.
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that may write. On SQLite there is one of them at a time, whatever the process."""
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        yield connection


def is_postgresql(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"


def read_clock(connection: Connection) -> datetime:
    """UTC by the clock that all share who use the database: its own, or for SQLite this machine's."""
    if is_postgresql(connection):
        told: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return told.astimezone(UTC)
    return datetime.now(UTC)


def migrate(engine: Engine) -> None:
    """Bring the tables to this version's state; of several services that start at once one does it. Raises UserError.

    All steps are one transaction, so a crash in the middle leaves the tables as they were.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    try:
        with writing(engine) as connection, _alembic:
            if is_postgresql(connection):
                connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except OperationalError as error:
        raise UserError(
            f"database: cannot be reached ({_reason(error)}); is it running, and is the URL right?"
        ) from None
    except SQLAlchemyError as error:
        raise UserError(
            f"database: its tables cannot be made or changed ({_reason(error)}); check its rights"
        ) from None
    except CommandError:
        raise UserError(
            "database: its tables are of a newer version of synthgen; install that version, or use another database"
        ) from None


def _reason(error: SQLAlchemyError) -> str:
    """The driver's first line, which names host, user and database, never the password."""
    lines = str(getattr(error, "orig", None) or type(error).__name__).splitlines()
    return (lines or [type(error).__name__])[0][:200]
