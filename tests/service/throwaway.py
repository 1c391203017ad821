"""A PostgreSQL of the tests' own, and waiting for what other processes do."""

from __future__ import annotations

import glob
import os
import pwd
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

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
