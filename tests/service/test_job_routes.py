"""/v1/jobs: who may see what, and which files."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import httpx
import pytest

from synthgen.recipe import load
from synthgen.sampling.model_server import ModelServer
from synthgen.service.app import build_app
from synthgen.service.auth import Keys
from synthgen.service.catalog import Catalog, Entry
from synthgen.service.jobs.assignment import job_folder
from synthgen.service.jobs.store import JobStore
from synthgen.service.options import ServeOptions
from synthgen.service.service import Service

ANN = {"Authorization": "Bearer ann-0123456789abcdef"}
BOB = {"Authorization": "Bearer bob-0123456789abcdef"}
KEYS = "ann:ann-0123456789abcdef\nbob:bob-0123456789abcdef"


@pytest.fixture
def serve(tmp_path, database_url):
    """Calls `scenario(at)` with a client, the store and the folder of jobs; nobody runs the jobs."""

    def call(scenario, **options):
        entry = Entry(load("classification", ["name=digits"]), tmp_path / "nowhere")

        async def run():
            store = JobStore(database_url)
            wanted = ServeOptions(recipes=("digits",), state=str(tmp_path), **options)
            keys = Keys.read(None, {"SYNTHGEN_KEYS": KEYS})
            app = build_app(Service(Catalog({"digits": entry}), ModelServer(lambda what: what), wanted, keys, store))
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
                await scenario(SimpleNamespace(http=client, store=store, root=tmp_path))
            store.close()

        asyncio.run(run())

    return call


async def ask(at, owner=ANN, key=None, **body):
    headers = owner | ({"Idempotency-Key": key} if key else {})
    return await at.http.post("/v1/jobs", json={"recipe": "digits", "count": 5, **body}, headers=headers)


def test_a_job_is_accepted_once_a_key(serve):
    async def scenario(at):
        first = await ask(at, key="a", seed=3, overrides={"sample.steps": 12, "conditions.balance": {"3": 1}})
        job = first.json()
        assert first.status_code == 202 and first.headers["location"] == f"/v1/jobs/{job['id']}"
        assert job["state"] == "queued" and job["overrides"]["sample.steps"] == 12 and job["seed"] == 3
        again = await ask(at, key="a", seed=3, overrides={"sample.steps": 12, "conditions.balance": {"3": 1}})
        assert again.json()["id"] == job["id"]
        other = await ask(at, key="a", seed=4)
        assert other.status_code == 422 and "'a' was sent with another request" in other.json()["detail"]
        assert (await ask(at, owner=BOB, key="a", seed=4)).status_code == 202  # keys are an owner's own
        shown = (await at.http.get(first.headers["location"], headers=ANN)).json()
        assert shown == job

    serve(scenario)


def test_another_ones_job_is_not_there(serve):
    async def scenario(at):
        id = (await ask(at)).json()["id"]
        for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/dataset/README.md")):
            answer = await at.http.request(method, f"/v1/jobs/{id}{path}", headers=BOB)
            assert answer.status_code == 404 and "is no job of yours" in answer.json()["detail"]
        assert (await at.http.get("/v1/jobs", headers=BOB)).json() == {"jobs": [], "after": None}
        assert (await at.http.get(f"/v1/jobs?after={id}", headers=BOB)).status_code == 422
        assert (await at.http.get(f"/v1/jobs/{id}")).status_code == 401
        assert at.store.get(id, None).state == "queued"

    serve(scenario)


def test_pages_and_cancelling(serve):
    async def scenario(at):
        ids = [(await ask(at)).json()["id"] for _ in range(5)]
        page = (await at.http.get("/v1/jobs?limit=2", headers=ANN)).json()
        seen = [job["id"] for job in page["jobs"]]
        while page["after"]:
            page = (await at.http.get(f"/v1/jobs?limit=2&after={page['after']}", headers=ANN)).json()
            seen += [job["id"] for job in page["jobs"]]
        assert seen == ids[::-1]
        gone = await at.http.delete(f"/v1/jobs/{ids[0]}", headers=ANN)
        assert gone.status_code == 200 and gone.json()["state"] == "cancelled"
        assert (await at.http.delete(f"/v1/jobs/{ids[0]}", headers=ANN)).json() == gone.json()
        left = (await at.http.get("/v1/jobs?state=queued", headers=ANN)).json()["jobs"]
        assert [job["id"] for job in left] == ids[:0:-1]

    serve(scenario)


def test_a_key_has_so_many_jobs(serve):
    async def scenario(at):
        for _ in range(2):
            assert (await ask(at)).status_code == 202
        full = await ask(at)
        assert full.status_code == 429 and int(full.headers["retry-after"]) > 0
        assert (await ask(at, owner=BOB)).status_code == 202

    serve(scenario, jobs_per_key=2)


@pytest.mark.parametrize(
    "body, status, told",
    [
        ({"recipe": "other"}, 404, "recipe: 'other' is not served"),
        ({"count": 0}, 422, "count: 0"),
        ({"count": 10**7}, 422, "count: 10000000 is more than 1000000"),
        ({"overrides": {"train.steps": 3}}, 422, "train.steps: is not opened"),
        ({"overrides": {"source.path": "/etc/passwd"}}, 422, "source.path: is not opened"),
        ({"overrides": {"steps": 3}}, 422, "steps: is not opened"),
        ({"overrides": {"sample.steps": 10**3}}, 422, "sample.steps: 1000"),
        ({"push": "ann/data"}, 422, "push: 'ann/data' extra"),
    ],
)
def test_mistakes(serve, body, status, told):
    async def scenario(at):
        answer = await ask(at, **body)
        assert answer.status_code == status and told in answer.json()["detail"]
        assert not (await at.http.get("/v1/jobs", headers=ANN)).json()["jobs"]

    serve(scenario)


def test_files_of_a_finished_dataset_and_no_others(serve):
    async def scenario(at):
        id = (await ask(at)).json()["id"]
        folder = job_folder(at.root, id)
        (folder / "dataset" / "data").mkdir(parents=True)
        (folder / "dataset" / "data" / "train-00000-of-00001.parquet").write_bytes(b"0123456789")
        (folder / "secret.txt").write_text("secret")
        (folder / "dataset" / "link").symlink_to(folder / "secret.txt")
        place = f"/v1/jobs/{id}/dataset"
        wanted = f"{place}/data/train-00000-of-00001.parquet"
        assert (await at.http.get(wanted, headers=ANN)).status_code == 409
        at.store.claim("me", 60)
        at.store.finish(id, "me", "done", rows=5)
        job = (await at.http.get(f"/v1/jobs/{id}", headers=ANN)).json()
        assert {"path": "data/train-00000-of-00001.parquet", "bytes": 10} in job["dataset"]
        assert (await at.http.get(wanted, headers=ANN)).content == b"0123456789"
        part = await at.http.get(wanted, headers=ANN | {"Range": "bytes=2-4"})
        assert part.status_code == 206 and part.content == b"234"
        for wrong, status in (("bytes=99-", 416), ("bytes=x", 400), ("lines=1-2", 400)):
            assert (await at.http.get(wanted, headers=ANN | {"Range": wrong})).status_code == status
        for path in (
            "../secret.txt",
            "%2e%2e/secret.txt",
            "..%2fsecret.txt",
            "link",
            "data",
            "%00",
            "x" * 3000,
            "/etc/passwd",
        ):
            answer = await at.http.get(f"{place}/{path}", headers=ANN)
            assert answer.status_code == 404, path

    serve(scenario)
