"""The service on Ray Serve: what dies comes back, and what was promised is kept."""

from __future__ import annotations

import json
import random
import re
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from serving import Running, free_port, serving
from tiny import QUICK, begin_folder, data_digests, events, rewind, start

from synthgen.recipe import load
from synthgen.service.jobs.assignment import job_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DEADLY = ("ModelServer", "ModelServer", "ModelServer", "Ingress", "Ingress", "Jobs", "ServeController", "ProxyActor")
SEEDS = (1, 2, 3)  # of jobs


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Path:
    """A folder that has a recipe and no model: the first job trains one."""
    return begin_folder(tmp_path_factory.mktemp("runs") / "digits")


@pytest.fixture(scope="module")
def service(digits, tmp_path_factory):
    with serving(tmp_path_factory.mktemp("service"), digits, "--threads-per-replica", "1") as running:
        yield running


def begin(running: Running, seed: int, key: str = "first") -> str:
    answer = running.ask("POST", "/v1/jobs", json={"recipe": "classification", "count": 160, "seed": seed},
                         headers={"Idempotency-Key": f"{key}-{seed}"})  # fmt: skip
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


@pytest.fixture(scope="module")
def undisturbed_jobs(service, digits) -> dict[int, dict[str, str]]:
    """Digests of what jobs of seeds 1, 2 and 3 make when nothing happens to them."""
    ids = {seed: begin(service, seed) for seed in SEEDS}
    for id in ids.values():
        job = service.wait_for_job(id)
        assert job["state"] == "done" and job["rows"] == 160, job
    root = service.log.parent / "state"
    return {seed: data_digests(job_folder(root, id)) for seed, id in ids.items()}


def draw(running: Running, seed: int, count: int = 4) -> bytes:
    answer = running.ask("POST", "/v1/generate", json={"recipe": "classification", "count": count, "seed": seed})
    assert answer.status_code == 200, answer.text
    return answer.content


def test_a_job_trains_and_its_dataset_is_read_over_http(service, undisturbed_jobs):
    jobs = service.ask("GET", "/v1/jobs").json()["jobs"]
    files = service.ask("GET", f"/v1/jobs/{jobs[0]['id']}").json()["dataset"]
    assert {"README.md", "report.json", "recipe.yaml"} < {file["path"] for file in files}
    for file in files:
        got = service.ask("GET", f"/v1/jobs/{jobs[0]['id']}/dataset/{file['path']}").content
        assert len(got) == file["bytes"]
    assert len({json.dumps(found) for found in undisturbed_jobs.values()}) == 3


def test_requests_at_the_same_time_get_what_they_get_alone(service, undisturbed_jobs):
    alone = [draw(service, seed, 1 + seed % 7) for seed in range(32)]
    with ThreadPoolExecutor(32) as pool:
        together = list(pool.map(lambda seed: service.ask("POST", "/v1/generate", json={
            "recipe": "classification", "count": 1 + seed % 7, "seed": seed,
        }), range(32)))  # fmt: skip
    # a key may have 16 requests under way; the others were told to come again
    assert {answer.status_code for answer in together} <= {200, 429}
    got = [answer.content if answer.status_code == 200 else draw(service, seed, 1 + seed % 7)
           for seed, answer in enumerate(together)]  # fmt: skip
    assert got == alone


def address_of(running: Running) -> str:
    """Of the service's cluster."""
    (raylet,) = running.parts("raylet/raylet")
    return re.search(r"--gcs-address=(\S+)", " ".join(raylet.cmdline()))[1]


def stir(running: Running, ended: threading.Event) -> list[str]:
    """Kills one part after another, in an order that chance finds; who was killed."""
    killed = []
    for name in random.Random(0).sample(DEADLY, len(DEADLY)):
        until = time.monotonic() + 60
        while not (found := running.parts(name)) and time.monotonic() < until:
            time.sleep(0.1)
        found[0].kill()
        killed.append(name)
        if ended.wait(3):
            break
    return killed


def test_what_is_killed_comes_back_and_nothing_is_lost(service, digits, undisturbed_jobs, tmp_path):
    alone = {seed: draw(service, seed) for seed in range(8)}
    recipe, quiet, stirred = tmp_path / "digits.yaml", tmp_path / "quiet", tmp_path / "stirred"
    recipe.write_text(load("classification", [f"{name}={value}" for name, value in QUICK.items()]).yaml())
    made = start(["run", str(recipe), "--out", str(quiet)])
    assert made.wait(300) == 0
    shutil.copytree(quiet, stirred)
    rewind(stirred, "state/shards")
    ids = {seed: begin(service, seed, "stirred") for seed in SEEDS}
    more = ["--engine", "ray", "--ray-address", address_of(service)]
    run = start(["run", str(recipe), "--out", str(stirred), *more])
    right, ended = [], threading.Event()

    def ask(client: int) -> None:
        while not ended.is_set():
            seed = len(right) % len(alone)
            answer = service.ask("POST", "/v1/generate", json={"recipe": "classification", "count": 4, "seed": seed})
            right.append(answer.status_code == 200 and answer.content == alone[seed])

    with ThreadPoolExecutor(3) as pool:
        clients = [pool.submit(ask, client) for client in range(3)]
        try:
            killed = stir(service, ended)
            out, err = run.communicate(timeout=300)
            jobs = {seed: service.wait_for_job(id) for seed, id in ids.items()}
        finally:
            ended.set()
    for client in clients:
        client.result()
    assert run.returncode == 0, err
    assert data_digests(stirred) == data_digests(quiet)
    assert {job["state"] for job in jobs.values()} == {"done"}, jobs
    root = service.log.parent / "state"
    assert {seed: data_digests(job_folder(root, id)) for seed, id in ids.items()} == undisturbed_jobs
    print(killed, len(right), sum(right))
    assert len(killed) == len(DEADLY) and len(right) > 100 and sum(right) >= 0.99 * len(right)


STAGES = {
    "train": lambda origin, folder: events(origin, "training"),
    "sample": lambda origin, folder: len(events(folder, "shard")) > 2,
    "export": lambda origin, folder: events(folder, "export"),
}


def test_killed_and_started_again_it_ends_what_it_accepted(undisturbed_jobs, tmp_path):
    """Killed while it trains, samples and writes the first of three jobs; the others wait."""
    origin, root, port = begin_folder(tmp_path / "digits"), tmp_path / "state", free_port()
    ids: dict[int, str] = {}
    for reached in STAGES.values():
        with serving(tmp_path, origin, "--threads-per-replica", "1", port=port) as running:
            ids = ids or {seed: begin(running, seed) for seed in SEEDS}
            folders = {seed: job_folder(root, id) for seed, id in ids.items()}
            until = time.monotonic() + 300
            while not reached(origin, folders[1]):
                assert time.monotonic() < until, running.log.read_text()
                time.sleep(0.02)
            running.kill()
    with serving(tmp_path, origin, "--threads-per-replica", "1", port=port) as running:
        for id in ids.values():
            assert running.wait_for_job(id)["state"] == "done"
    made = {seed: data_digests(folder) for seed, folder in folders.items()}
    assert made == undisturbed_jobs


@pytest.mark.parametrize(
    "words, told",
    [
        (["--host", "0.0.0.0"], "--host: '0.0.0.0' is reached by others, and there are no keys"),
        (["--keys", "/nowhere"], "keys_file: '/nowhere' cannot be read"),
        (["--database", "mysql://a:secret-word@b/c"], "database: 'mysql' is not supported"),
        (["--replicas", "4-2"], "--replicas: '4-2' is not in 1 to 1024"),
    ],
)
def test_mistakes_are_told_before_anything_listens(digits, tmp_path, words, told):
    process = start(["serve", str(digits), "--state", str(tmp_path), "--port", str(free_port()), *words])
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2 and told in err and "Traceback" not in err and "secret-word" not in err
