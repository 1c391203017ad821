"""A real PostgreSQL of the tests' own, and a database of each kind for a test."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from throwaway import PASSWORD, Cluster, answers, find_binaries, unprivileged, wait_until


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
