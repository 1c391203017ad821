"""One job, made by this process: `python -m synthgen.service.jobs.worker <id>`, started by a supervisor alone.

The database's URL is in the environment; the assignment is the first line of standard input, which stays open: the
process ends with its supervisor, whatever kills that. What is finished is on disk, so nothing is lost by ending.

Exit codes: 0 the outcome is in the store; 130 asked to end; anything else: died, and the job may be tried again.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path

from ...errors import UserError
from .assignment import Assignment, derive
from .store import JobStore

URL = "SYNTHGEN_DATABASE_URL"
ORPHANED, LOST, ASKED = 3, 4, 130  # exit codes
PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>
HELD_SECONDS = 60.0  # to wait for a former process to let go of the job's folder
STORE_SECONDS = 60.0  # to keep trying to write the outcome
FAULT = "the service could not make this dataset; its operator finds why in the log, under the job's id"


def main() -> int:
    # a shell's background job hands on an ignored SIGINT
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        line = _read_line()
        if not line:
            return ORPHANED
        assignment = Assignment.read(line)
        _end_with(assignment.supervisor)
        store = JobStore(os.environ.pop(URL), migrated=True)
        return _work(assignment, store)
    except KeyboardInterrupt:
        return ASKED


def _read_line() -> bytes:
    # not by way of a buffer, which another thread could not read on from
    line = b""
    while not line.endswith(b"\n") and (part := os.read(0, 65536)):
        line += part
    return line


def _end_with(supervisor: int) -> None:
    """End this process as soon as that one, its parent, has ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor:
        os._exit(ORPHANED)

    def wait() -> None:
        while os.read(0, 4096):
            pass
        os._exit(ORPHANED)

    threading.Thread(target=wait, name="supervisor", daemon=True).start()


def _work(assignment: Assignment, store: JobStore) -> int:
    try:
        rows = _run(assignment, store)
        outcome, message = "done", ""
    except UserError as error:
        print(error, file=sys.stderr)
        rows, outcome, message = None, "failed", _hide(str(error), assignment)
    except Exception:
        traceback.print_exc()
        rows, outcome, message = None, "failed", FAULT
    return _finish(assignment, store, outcome, message, rows)


def _run(assignment: Assignment, store: JobStore) -> int:
    """The number of accepted rows."""
    from ... import pipeline
    from ...sampling.serve import RayOptions
    from .standing import Reporter

    origin, folder = Path(assignment.origin), Path(assignment.folder)
    original = assignment.recipe_of_run()
    recipe = derive(original, assignment.count, assignment.seed, assignment.overrides)
    with Reporter(store, assignment.id, assignment.lease_owner, lambda: os._exit(LOST)) as progress:
        progress.stage("prepare")
        pipeline.prepare(original, origin, progress)
        pipeline.inherit(recipe, folder, origin, HELD_SECONDS)
        ray = None if assignment.replicas is None else RayOptions(**assignment.replicas)
        result = pipeline.run(recipe, folder, replicas=assignment.threads, ray=ray, progress=progress)
    return int(result.report["rows"]["accepted"])


def _hide(sentence: str, assignment: Assignment) -> str:
    """One line for the caller, who is not to learn where things lie on the server."""
    for path, name in ((assignment.folder, "the job's folder"), (assignment.origin, "the recipe's folder")):
        sentence = sentence.replace(repr(path), name).replace(path, name)
    return FAULT if sentence.startswith("--out") else " ".join(sentence.split())[:1000]


def _finish(assignment: Assignment, store: JobStore, outcome: str, message: str, rows: int | None) -> int:
    from sqlalchemy.exc import SQLAlchemyError

    until = time.monotonic() + STORE_SECONDS
    while True:
        try:
            return 0 if store.finish(assignment.id, assignment.lease_owner, outcome, message, rows) else LOST
        except SQLAlchemyError as error:
            if time.monotonic() > until:
                print(f"the job store is away: {type(error).__name__}", file=sys.stderr)
                return 1
            time.sleep(1)


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # threads that are still at work, such as learners, have nothing to save
