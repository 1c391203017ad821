"""Runs the jobs of a store: each in a process of its own, a few at a time, until it is done, fails or is cancelled.

Several supervisors may share a store and a root on a shared disk. One that is lost loses no job: its processes end
with it, and once its leases are over another one, or the same after a restart, goes on from what is on disk.

    with Supervisor(JobStore("sqlite:///jobs.db"), catalog, Path("service"), JobOptions()):
        ...
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from ...hardware import cores
from ...sampling.serve import RayOptions
from ..catalog import Catalog
from .assignment import Assignment, job_folder
from .job import Job
from .options import JobOptions
from .store import JobStore
from .worker import URL

OWN = "SYNTHGEN_"  # what begins so in the environment is the service's: keys and the like; a worker gets what it needs

log = logging.getLogger(__name__)


@dataclass
class Work:
    """A job's process."""

    job: Job
    process: subprocess.Popen[bytes]
    slot: int
    ends_for: str = ""  # "cancel", "shutdown" or "lost", once it was asked to end
    kill_at: float = 0.0


class Supervisor:
    """A thread that looks after the jobs. `start` and `stop` once each, or use it as a context."""

    def __init__(
        self, store: JobStore, catalog: Catalog, root: Path, options: JobOptions | None = None,
        replicas: RayOptions | None = None,
    ) -> None:  # fmt: skip
        """`replicas`: those that make the jobs' shards; without, each job makes its own in threads."""
        self.replicas = replicas
        self.store, self.catalog, self.root, self.options = store, catalog, root.absolute(), options or JobOptions()
        self.name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._works: dict[str, Work] = {}
        self._renewed = 0.0
        self._ending, self._woken = threading.Event(), threading.Event()
        # Linux ends a child with the thread that began it, so that all are begun by this one.
        self._thread = threading.Thread(target=self._look_after, name="jobs", daemon=True)

    def __enter__(self) -> Supervisor:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        (self.root / "jobs").mkdir(parents=True, exist_ok=True)
        (self.root / "logs").mkdir(exist_ok=True)
        self._thread.start()

    def stop(self) -> None:
        """End all processes; their jobs go back into the queue."""
        self._ending.set()
        self._woken.set()
        self._thread.join()

    def wake(self) -> None:
        """Look for new jobs and cancellations at once."""
        self._woken.set()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def _look_after(self) -> None:
        swept = False
        while not self._ending.is_set():
            try:
                if not swept:
                    self._sweep()
                    swept = True
                self._turn()
            except Exception as error:  # the database is away, the disk is full: jobs go on, and it may come back
                log.warning("jobs cannot be looked after: %s", _tell(error))
            self._woken.wait(self.options.poll_seconds)
            self._woken.clear()
        self._end_all()

    def _turn(self) -> None:
        self._renew()
        for id in self.store.to_cancel(self.name) & self._works.keys():
            self._ask_to_end(self._works[id], "cancel")
        self._reap()
        while len(self._works) < self.options.job_slots and not self._ending.is_set():
            job = self.store.claim(self.name, self.options.lease_seconds)
            if job is None:
                return
            self._begin(job)

    def _renew(self) -> None:
        now = time.monotonic()
        if now - self._renewed < self.options.lease_seconds / 3:
            return
        held = self.store.renew(self.name, self.options.lease_seconds)
        self._renewed = now
        for id, work in self._works.items():
            if id not in held and work.process.poll() is None:
                self._ask_to_end(work, "lost")

    def _begin(self, job: Job) -> None:
        entry = self.catalog.entries.get(job.recipe)
        if entry is None:
            sentence = f"recipe: {job.recipe!r} is no longer served; ask for another one"
            self.store.finish(job.id, self.name, "failed", sentence)
            return
        slot = min(set(range(self.options.job_slots)) - {work.slot for work in self._works.values()})
        share = self._share(slot)
        assignment = Assignment(
            job.id, self.name, entry.recipe.resolved(), str(job_folder(self.root, job.id)),
            str(entry.folder.absolute()), job.count, job.seed, job.overrides, os.getpid(), len(share),
            None if self.replicas is None else asdict(self.replicas),
        )  # fmt: skip
        try:
            process = self._spawn(job.id, assignment, share)
        except OSError as error:
            log.error("job %s cannot be started: %s", job.id, _tell(error))
            self.store.release(job.id, self.name, died=True)
            return
        self._works[job.id] = Work(job, process, slot)
        log.info("job %s started", job.id, extra={"job": job.id, "process": process.pid})

    def _spawn(self, id: str, assignment: Assignment, share: list[int]) -> subprocess.Popen[bytes]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
        environment = {"OMP_NUM_THREADS": str(len(share)), **kept, URL: self.store.url()}
        command = [sys.executable, "-m", "synthgen.service.jobs.worker", id]
        with (self.root / "logs" / f"{id}.log").open("ab") as told:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=told, stderr=told, env=environment,
                start_new_session=True,  # Ctrl-C on the service's terminal is the service's to pass on
            )  # fmt: skip
        assert process.stdin is not None
        if self.options.job_slots > 1 and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(process.pid, share)
        try:
            process.stdin.write(assignment.line().encode())
            process.stdin.flush()
        except BrokenPipeError:
            pass  # it died at once, as the next look finds
        return process

    def _share(self, slot: int) -> list[int]:
        """The cores of a slot: processes with more threads than cores between them crawl."""
        every = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(cores()))
        usable = every[: cores()]
        each = max(1, len(usable) // self.options.job_slots)
        first = slot * each % len(usable)
        return (usable + usable)[first : first + each]

    def _ask_to_end(self, work: Work, reason: str) -> None:
        if work.ends_for:
            return
        work.ends_for = reason
        grace = 0.0 if reason == "lost" else self.options.grace_seconds
        work.kill_at = time.monotonic() + grace
        _signal(work.process, signal.SIGINT)

    def _reap(self) -> None:
        for id, work in list(self._works.items()):
            code = work.process.poll()
            if code is None:
                if work.ends_for and time.monotonic() >= work.kill_at:
                    _signal(work.process, signal.SIGKILL)
                continue
            self._settle(work, code)
            assert work.process.stdin is not None
            work.process.stdin.close()
            del self._works[id]

    def _settle(self, work: Work, code: int) -> None:
        """Write what a process that has ended leaves to its supervisor to write."""
        id = work.job.id
        now = self.store.get(id, None)
        held = now is not None and now.state == "running" and now.lease_owner == self.name
        log.info("job %s ended", id, extra={"job": id, "code": code, "reason": work.ends_for})
        if not held:
            return
        if work.ends_for == "cancel":
            shutil.rmtree(job_folder(self.root, id), ignore_errors=True)
            self.store.finish(id, self.name, "cancelled")
            return
        if not work.ends_for:
            log.warning("the process of job %s died (code %d); see logs/%s.log", id, code, id, extra={"job": id})
        self.store.release(id, self.name, died=not work.ends_for)

    def _end_all(self) -> None:
        for work in self._works.values():
            self._ask_to_end(work, "shutdown")
        while self._works:
            try:
                self._reap()
            except Exception as error:  # leases will be over by themselves
                log.warning("jobs cannot be put back: %s", _tell(error))
                self._works = {id: work for id, work in self._works.items() if work.process.poll() is None}
            time.sleep(0.05)

    def _sweep(self) -> None:
        """Delete the folders of jobs that were cancelled while nobody worked on them."""
        there = [path.name for path in (self.root / "jobs").iterdir()]
        for start in range(0, len(there), 500):
            for id in self.store.cancelled_among(there[start : start + 500]):
                shutil.rmtree(job_folder(self.root, id), ignore_errors=True)


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    """To the process and all that it began, which are a group of their own."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            pass


def _tell(error: Exception) -> str:
    """The kind of error and its first line: no statement, and no URL of a database."""
    cause = getattr(error, "orig", None) or error
    return f"{type(error).__name__}: {(str(cause).splitlines() or [''])[0][:200]}"
