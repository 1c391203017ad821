"""The service on Ray Serve: what dies comes back, and what was promised is kept."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from serving import Running, free_port, serving
from tiny import SMALL, data_digests, start

from synthgen.recipe import load
from synthgen.service.jobs.assignment import job_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

QUICK = {**SMALL, "train.steps": 60, "evaluate.seeds": 1, "evaluate.steps": 4, "evaluate.gates": "false"}


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Path:
    """A folder that has a recipe and no model: the first job trains one."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    recipe = load("classification", [f"{name}={value}" for name, value in QUICK.items()])
    (folder / "state").mkdir(parents=True)
    (folder / "state" / "recipe.json").write_text(json.dumps(recipe.resolved()))
    return folder


@pytest.fixture(scope="module")
def service(digits, tmp_path_factory):
    with serving(tmp_path_factory.mktemp("service"), digits) as running:
        yield running


def begin(running: Running, seed: int, count: int = 64) -> str:
    answer = running.ask("POST", "/v1/jobs", json={"recipe": "classification", "count": count, "seed": seed},
                         headers={"Idempotency-Key": f"{seed}-{count}"})  # fmt: skip
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


@pytest.fixture(scope="module")
def undisturbed_jobs(service, digits) -> dict[int, dict[str, str]]:
    """Digests of what jobs of seeds 1, 2 and 3 make when nothing happens to them."""
    ids = {seed: begin(service, seed) for seed in (1, 2, 3)}
    for id in ids.values():
        job = service.wait_for_job(id)
        assert job["state"] == "done" and job["rows"] == 64, job
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
