"""A real PostgreSQL of the tests' own, and a database of each kind for a test."""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

PASSWORD = "not-to-be-told"


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL that listens on a socket in `folder` and nowhere else."""

    folder: Path

    def url(self, database: str) -> str:
        return f"postgresql://synthgen:{PASSWORD}@/{database}?host={self.folder}"


def find_binaries() -> Path | None:
    """The folder of `initdb` and `postgres`; Debian keeps them off the path."""
    known = [*sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True), *os.environ["PATH"].split(":")]
    return next((Path(folder) for folder in known if (Path(folder) / "initdb").exists()), None)


def unprivileged() -> dict[str, Any]:
    """For subprocess: PostgreSQL refuses to run as root."""
    if os.geteuid():
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    binaries = find_binaries()
    if binaries is None:
        if os.environ.get("CI_POSTGRES") == "1":
            pytest.fail("PostgreSQL is not installed; Debian's package is called postgresql")
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short: the path of a socket has 107 characters at most
    process = None
    try:
        (folder / "password").write_text(PASSWORD)
        if own := unprivileged():
            for path in (folder, folder / "password"):
                os.chown(path, own["user"], own["group"])
        init = ["-D", folder / "data", "-U", "synthgen", "--auth=scram-sha-256", f"--pwfile={folder / 'password'}"]
        made = subprocess.run(
            [binaries / "initdb", *init, "--no-sync", "-E", "UTF8", "--locale=C"],
            cwd=folder, capture_output=True, text=True, **own,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        serve = ["-D", folder / "data", "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen([binaries / "postgres", *serve], cwd=folder, stdout=log, stderr=log, **own)
        wait_until(lambda: answers(Cluster(folder)), 60, process)
        yield Cluster(folder)
    finally:
        if process is not None:
            process.send_signal(signal.SIGQUIT)  # at once: nothing of it is kept
            process.wait(timeout=60)
        shutil.rmtree(folder)


def answers(cluster: Cluster) -> bool:
    try:
        psycopg.connect(cluster.url("postgres")).close()
    except psycopg.OperationalError:
        return False
    return True


def wait_until(condition: Callable[[], Any], seconds: float, process: Any = None) -> Any:
    """What the condition gives once it is true; fails after so many seconds, or if the process ends."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "it took too long"
        assert process is None or process.poll() is None, "the process has ended"
        time.sleep(0.02)
    return found


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'jobs.db'}"
    cluster: Cluster = request.getfixturevalue("cluster")
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return cluster.url(name)
