"""`synthgen serve` as a process, and what is to be known of it."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from tiny import descendants, start

WORKING = ("ServeReplica", "ProxyActor", "ServeController", "service.jobs.worker")  # of a service's processes
PATIENCE = 480.0  # seconds in which a service has to be ready on a busy machine


@dataclass
class Running:
    """A service that listens."""

    process: subprocess.Popen[str]
    url: str
    log: Path

    def parts(self, name: str) -> list[psutil.Process]:
        """Its processes of that name, such as "ServeReplica:synthgen:ModelServer" or "ServeController"."""
        return descendants(self.process, name)

    def kill(self) -> None:
        """End it as `kill -9` does, and wait until nothing of it works any more."""
        working = [child for name in WORKING for child in self.parts(name)]
        self.process.kill()
        self.process.wait()
        _, alive = psutil.wait_procs(working, timeout=30)
        assert not [child for child in alive if child.status() != psutil.STATUS_ZOMBIE]

    def wait_until_ready(self) -> None:
        until = time.monotonic() + PATIENCE
        while True:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()
            try:
                if httpx.get(f"{self.url}/readyz", timeout=10).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.3)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """A request, and once more a while later where it was cut off or told to come again."""
        try:
            answer = httpx.request(method, self.url + path, timeout=120, **more)
            if answer.status_code < 500:
                return answer
        except httpx.TransportError:
            pass
        time.sleep(45)  # a proxy that died is back within half a minute
        return httpx.request(method, self.url + path, timeout=120, **more)

    def wait_for_job(self, id: str, seconds: float = PATIENCE) -> dict[str, Any]:
        until = time.monotonic() + seconds
        while True:
            job: dict[str, Any] = self.ask("GET", f"/v1/jobs/{id}").json()
            if job["state"] in ("done", "failed", "cancelled"):
                return job
            assert time.monotonic() < until, (job, self.log.read_text())
            time.sleep(0.5)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def serving(folder: Path, *words: str | Path, port: int | None = None) -> Iterator[Running]:
    """A service of these words, its state and log in `folder`; nothing of it is left afterwards."""
    port, log = port or free_port(), folder / f"service-{time.monotonic_ns()}.log"
    command = ["serve", *map(str, words), "--port", str(port), "--state", str(folder / "state")]
    with log.open("w") as told:
        process = start(command, stdout=told, stderr=told)
    running = Running(process, f"http://127.0.0.1:{port}", log)
    mine: list[psutil.Process] = []
    try:
        running.wait_until_ready()
        yield running
    finally:
        if process.poll() is None:
            mine = descendants(process)
            process.send_signal(signal.SIGINT)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
        _, alive = psutil.wait_procs(mine, timeout=30)
        for left in alive:
            left.kill()
