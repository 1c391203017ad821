"""Jobs run for real, in processes that are killed, on the tiny digits: every accepted job ends as it should."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from postgres import PASSWORD, wait_until
from tiny import QUICK, begin_folder, command_of, data_digests, descendants, events, start, words

from synthgen.service.catalog import Catalog
from synthgen.service.jobs.assignment import derive, job_folder
from synthgen.service.jobs.job import Job
from synthgen.service.jobs.options import JobOptions
from synthgen.service.jobs.store import JobStore
from synthgen.service.jobs.supervisor import Supervisor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

OPTIONS = {"lease_seconds": 2.0, "poll_seconds": 0.1, "grace_seconds": 30.0}
COUNT, SEED = 64, 7
LONG = 300.0  # seconds that a job may take on a busy machine


def run(folder: Path, **changes: Any) -> None:
    process = start(words("classification", QUICK, folder, **changes))
    _, err = process.communicate(timeout=LONG)
    assert process.returncode == 0, err


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the recipe, whose model the jobs take."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    run(folder, count=8)
    return folder


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What `synthgen run`, which trains its own model, makes with the settings of the jobs."""
    folder = tmp_path_factory.mktemp("wanted") / "digits"
    run(folder, count=COUNT, sample__seed=SEED)
    return data_digests(folder)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    opened = JobStore(f"sqlite:///{tmp_path / 'jobs.db'}")
    yield opened
    opened.close()


def ask(store: JobStore, count: int = COUNT, **overrides: Any) -> Job:
    named = {name.replace("__", "."): value for name, value in overrides.items()}
    return store.create("ann", "classification", count, SEED, named, None, 100)[0]


def see(store: JobStore, id: str) -> Job:
    job = store.get(id, "ann")
    assert job is not None
    return job


def wait_for(store: JobStore, id: str, *states: str) -> Job:
    wait_until(lambda: see(store, id).is_finished, LONG)
    job = see(store, id)
    assert job.state in states, job
    return job


@contextmanager
def service(url: str, folder: Path, root: Path, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """The supervisor as a process; killed at the end, if it is still there."""
    asked = {"url": url, "words": [str(folder)], "root": str(root), "options": {**OPTIONS, **options}}
    command = [sys.executable, str(Path(__file__).with_name("jobs_service.py"))]
    root.mkdir(exist_ok=True)
    with (root / "service.log").open("a") as log:
        env = {**os.environ, "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=env
        )
    try:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ready\n", (root / "service.log").read_text()
        yield process
    finally:
        process.kill()
        process.wait()


def assert_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert not [child for child in alive if child.status() != psutil.STATUS_ZOMBIE]


def test_a_job_makes_what_run_makes_and_tells_no_secret(cluster, origin, wanted, tmp_path):
    import psycopg

    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE job_runs")
    store = JobStore(cluster.url("job_runs"))
    seen: list[Job] = []
    told: set[str] = set()
    with service(store.url(), origin, tmp_path / "root") as process:
        job = ask(store)
        while not see(store, job.id).is_finished:
            seen.append(see(store, job.id))
            told |= {command_of(child) for child in descendants(process)}
            time.sleep(0.05)
        job = see(store, job.id)
        mine = descendants(process)
        process.terminate()
        assert process.wait(timeout=60) == 0
    assert_gone(mine)
    store.close()
    assert (job.state, job.rows, job.message, job.attempt) == ("done", COUNT, "", 0), job
    folder = job_folder(tmp_path / "root", job.id)
    assert data_digests(folder) == wanted
    assert not events(folder, "training", "model"), "a job trained a model anew"
    sampling = [now for now in seen if now.stage == "sample" and now.done]
    assert sampling and all(now.total == COUNT and now.rows == now.done for now in sampling)
    assert all(now.eta_seconds is not None and now.eta_seconds >= 0 for now in sampling)
    assert len({now.updated_at for now in seen}) < 2 * (job.ended_at - job.created_at).total_seconds() + 5
    assert any(job.id in line for line in told) and not any(PASSWORD in line for line in told)
    written = [path.read_text() for path in (tmp_path / "root").rglob("*.log")]
    assert len(written) == 2 and not any(PASSWORD in text for text in written)


def test_jobs_side_by_side_share_one_training(store, wanted, tmp_path):
    folder = begin_folder(tmp_path / "digits")
    catalog = Catalog.open([str(folder)])
    asked = [ask(store) for _ in range(2)]
    with Supervisor(store, catalog, tmp_path / "root", JobOptions(**{**OPTIONS, "job_slots": 2})):
        for job in asked:
            wait_for(store, job.id, "done")
            assert data_digests(job_folder(tmp_path / "root", job.id)) == wanted
    assert len(events(folder, "model")) == 1


def test_mistakes_fail_the_job_with_one_sentence(store, origin, tmp_path):
    wrong = {
        "conditions__balance": ({"eleven": 1}, "conditions.balance: 'eleven' is not a class of the data; "),
        "sample__steps": (0, "sample.steps: 0 is too small; "),
        "sample__stepz": (3, "sample.stepz: is not opened to callers; did you mean 'sample.steps'?"),
        "train__steps": (3, "train.steps: is not opened to callers; "),
        "source__path": ("/etc", "source.path: is not opened to callers; "),
    }
    asked = {name: ask(store, **{name: value}) for name, (value, _) in wrong.items()}
    unserved = store.create("ann", "gone", 5, None, {}, None, 100)[0]
    with Supervisor(store, Catalog.open([str(origin)]), tmp_path / "root", JobOptions(**OPTIONS)):
        for name, job in asked.items():
            message = wait_for(store, job.id, "failed").message
            assert message.startswith(wrong[name][1]) and "\n" not in message and str(tmp_path) not in message
        assert wait_for(store, unserved.id, "failed").message.startswith("recipe: 'gone' is no longer served")


def test_a_fault_of_ours_is_in_the_log_and_not_in_the_message(store, origin, tmp_path):
    """The folder of one job is a file; in that of the other a folder is in a file's place."""
    one, other = ask(store), ask(store)
    root = tmp_path / "root"
    (job_folder(root, other.id) / "state" / "source.txt" / "x").mkdir(parents=True)
    job_folder(root, one.id).touch()
    with Supervisor(store, Catalog.open([str(origin)]), root, JobOptions(**OPTIONS)):
        for job in (one, other):
            message = wait_for(store, job.id, "failed").message
            assert message.startswith("the service could not make this dataset") and str(root) not in message
    assert "Traceback" in (root / "logs" / f"{other.id}.log").read_text()


def test_cancelled_while_it_samples_nothing_of_it_is_left(store, origin, tmp_path):
    root = tmp_path / "root"
    with service(store.url(), origin, root) as process:
        job = ask(store, count=5000)
        wait_until(lambda: events(job_folder(root, job.id), "shard"), LONG)
        mine = descendants(process)
        assert len(mine) == 1
        assert store.request_cancel(job.id, "ann").state == "running"
        assert wait_for(store, job.id, "cancelled").message == ""
        assert_gone(mine)
        assert not job_folder(root, job.id).exists() and descendants(process) == []


def test_a_worker_that_hears_nothing_is_killed(store, origin, tmp_path):
    root = tmp_path / "root"
    with service(store.url(), origin, root, grace_seconds=0.5) as process:
        job = ask(store, count=5000)
        wait_until(lambda: events(job_folder(root, job.id), "shard"), LONG)
        mine = descendants(process)
        mine[0].suspend()
        store.request_cancel(job.id, "ann")
        wait_for(store, job.id, "cancelled")
        assert_gone(mine)


MOMENTS: dict[str, Callable[[Path, Path], Any]] = {
    "training": lambda origin, folder: events(origin, "training"),
    "sampling": lambda origin, folder: len(events(folder, "shard")) > 2,
    "writing": lambda origin, folder: events(folder, "export"),
}


def test_a_worker_that_is_killed_at_any_stage_changes_nothing(store, wanted, tmp_path):
    origin, root = begin_folder(tmp_path / "digits"), tmp_path / "root"
    job = ask(store)
    folder = job_folder(root, job.id)
    with service(store.url(), origin, root) as process:
        for moment in MOMENTS.values():
            wait_until(lambda moment=moment: moment(origin, folder) and descendants(process), LONG, process)
            for child in descendants(process):
                child.kill()
        job = wait_for(store, job.id, "done")
    assert 2 <= job.attempt <= 3 and data_digests(folder) == wanted  # the last may have come too late
    assert len(events(origin, "model")) == 1 and not events(folder, "training")


def test_a_service_that_is_killed_loses_no_job(store, origin, wanted, tmp_path):
    """While it samples; test_serving kills the whole service while it trains, samples and writes."""
    root = tmp_path / "root"
    first, second, cancelled, late = (ask(store) for _ in range(4))
    folder = job_folder(root, first.id)
    with service(store.url(), origin, root) as process:
        wait_until(lambda: MOMENTS["sampling"](origin, folder), LONG, process)
        mine = descendants(process)
        assert len(mine) == 1
        process.kill()
        assert_gone(mine)
    assert see(store, first.id).state == "running" and see(store, second.id).state == "queued"
    assert store.request_cancel(cancelled.id, "ann").state == "cancelled"
    with service(store.url(), origin, root) as process:
        wait_until(lambda: MOMENTS["sampling"](origin, job_folder(root, second.id)), LONG, process)
        store.request_cancel(second.id, "ann")
        for job in (first, late):
            assert wait_for(store, job.id, "done").attempt == (1 if job is first else 0)
            assert data_digests(job_folder(root, job.id)) == wanted
        wait_for(store, second.id, "cancelled")
        mine = descendants(process)
        process.terminate()
        assert process.wait(timeout=60) == 0
    assert_gone(mine)
    assert store.count() == {"queued": 0, "running": 0, "done": 2, "failed": 0, "cancelled": 2}
    assert sorted(path.name for path in (root / "jobs").iterdir()) == sorted([first.id, late.id])


def test_a_service_that_is_asked_to_end_puts_its_jobs_back(store, origin, wanted, tmp_path):
    root = tmp_path / "root"
    job = ask(store)
    with service(store.url(), origin, root) as process:
        wait_until(lambda: MOMENTS["sampling"](origin, job_folder(root, job.id)), LONG, process)
        mine = descendants(process)
        process.terminate()
        assert process.wait(timeout=60) == 0
    assert_gone(mine)
    now = see(store, job.id)
    assert (now.state, now.attempt, now.lease_owner) == ("queued", 0, None)
    store.request_cancel(ask(store).id, "ann")
    with service(store.url(), origin, root):
        wait_for(store, job.id, "done")
    assert data_digests(job_folder(root, job.id)) == wanted


def test_a_job_that_was_cancelled_in_between_is_cleared_away(store, origin, tmp_path):
    root = tmp_path / "root"
    job = ask(store)
    (job_folder(root, job.id) / "state").mkdir(parents=True)
    store.request_cancel(job.id, "ann")
    with service(store.url(), origin, root):
        wait_until(lambda: not job_folder(root, job.id).exists(), 30)


def test_the_recipe_of_a_job_differs_in_what_was_asked_for(origin):
    recipe = Catalog.open([str(origin)]).entries["classification"].recipe
    derived = derive(recipe, 5, 3, {"conditions.balance": {"1": 2.0}, "sample.steps": 4})
    assert (derived.count, derived.sample.seed, derived.sample.steps, derived.seed) == (5, 3, 4, recipe.seed)
    assert derived.conditions.model_dump()["balance"] == {"1": 2.0}
    assert derive(recipe, recipe.count, None, {}) == recipe
