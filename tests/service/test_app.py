"""The routes, with a real model of digits in this process."""

from __future__ import annotations

import asyncio
import io
import json
from types import SimpleNamespace

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthgen.pipeline import open_maker
from synthgen.recipe import load
from synthgen.sampling.model_server import ModelServer
from synthgen.service.app import build_app
from synthgen.service.auth import Keys
from synthgen.service.catalog import Catalog, Entry
from synthgen.service.options import ServeOptions
from synthgen.service.service import Service

ANN, BOB = "ann-0123456789abcdef", "bob-0123456789abcdef"


@pytest.fixture
def serve(undisturbed):
    """Calls `scenario(client, service)` against the app of the tiny run, and of one that has no model."""

    def call(scenario, keys="", **options):
        trained = Entry(load(str(undisturbed / "dataset" / "recipe.yaml")), undisturbed)
        bare = Entry(load("segmentation", ["name=bare"]), undisturbed / "nowhere")
        catalog = Catalog({entry.name: entry for entry in (trained, bare)})

        async def run():
            rows = ModelServer(open_maker, threads=2)
            wanted = ServeOptions(recipes=("digits",), **options)
            service = Service(catalog, rows, wanted, Keys.read(None, {"SYNTHGEN_KEYS": keys}))
            app = build_app(service)
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client:
                return await scenario(SimpleNamespace(http=client, service=service, rows=rows))

        return asyncio.run(run())

    return call


async def generate(at, **body):
    return await at.http.post("/v1/generate", json={"recipe": "classification", "count": 4, "seed": 7, **body})


def test_rows_come_with_what_made_them(serve):
    async def scenario(at):
        answer = await generate(at)
        assert answer.status_code == 200 and answer.headers["x-synthgen-seed"] == "7"
        *rows, end = map(json.loads, answer.text.splitlines())
        assert end["end"] and end["rows"] == 4 == len(rows) and end["candidates"] >= 4
        for row in rows:
            assert row["row"]["image"]["png"].startswith("iVBOR") and row["label"] == str(row["row"]["label"])
            assert row["provenance"]["seed"] == 7 and row["provenance"]["index"] == row["index"]
        assert [row["index"] for row in rows] == sorted(row["index"] for row in rows)
        return answer.text

    assert serve(scenario) == serve(scenario)


def test_a_seed_is_drawn_where_none_is_given_and_makes_the_rows_again(serve):
    async def scenario(at):
        first = await generate(at, seed=None)
        second = await generate(at, seed=int(first.headers["x-synthgen-seed"]))
        other = await generate(at, seed=None)
        assert first.text == second.text != other.text

    serve(scenario)


def test_company_changes_nothing(serve):
    async def scenario(at):
        wishes = [{"seed": seed, "count": 1 + seed % 9} for seed in range(32)]
        alone = [(await generate(at, **wish)).content for wish in wishes]
        together = await asyncio.gather(*(generate(at, **wish) for wish in wishes))
        assert [answer.content for answer in together] == alone
        sizes = at.service.metrics.batch_rows._sum.get()
        assert sizes > 2 * sum(wish["count"] for wish in wishes)  # some did share a batch

    serve(scenario, requests_per_key=32)


def test_every_format_holds_the_same_rows(serve):
    async def scenario(at):
        lines = [json.loads(line) for line in (await generate(at, count=100)).text.splitlines()][:-1]
        arrow = pa.ipc.open_stream((await generate(at, count=100, format="arrow")).content).read_all()
        parquet = pq.read_table(io.BytesIO((await generate(at, count=100, format="parquet")).content))
        assert arrow.equals(parquet) and len(arrow) == len(lines) == 100
        assert arrow["label"].to_pylist() == [line["row"]["label"] for line in lines]
        assert b"huggingface" in parquet.schema.metadata

    serve(scenario)


def test_conditions_are_those_that_were_asked_for(serve):
    async def scenario(at):
        answer = await generate(at, count=20, conditions={"balance": {"3": 1, "5": 0.5}})
        labels = [json.loads(line).get("label") for line in answer.text.splitlines()][:-1]
        assert set(labels) == {"3", "5"} and labels.count("3") > labels.count("5")

    serve(scenario)


@pytest.mark.parametrize(
    "body, status, told",
    [
        ({"recipe": "nope"}, 404, "recipe: 'nope' is not served here"),
        ({"recipe": "bare"}, 409, "recipe: 'bare' has no trained model yet"),
        ({"count": 0}, 422, "count: 0 input should be greater"),
        ({"count": 10**5}, 422, "count: 100000 is more than 1024"),
        ({"count": "4"}, 422, "count: '4'"),
        ({"seed": 2**63}, 422, "seed: 9223372036854775808"),
        ({"model": "x/y"}, 422, "model: 'x/y' extra"),
        ({"sample": {"steps": 10**4}}, 422, "sample.steps: 10000"),
        ({"sample": {"batch_size": 7}}, 422, "sample.batch_size: is not opened to callers"),
        ({"conditions": {"balance": {"ten": 1}}}, 422, "conditions.balance: 'ten' is not a class of the data"),
        ({"format": "csv"}, 422, "format: 'csv'"),
    ],
)
def test_mistakes_are_told_in_one_sentence(serve, body, status, told):
    async def scenario(at):
        answer = await generate(at, **body)
        problem = answer.json()
        assert answer.status_code == status == problem["status"], problem
        assert answer.headers["content-type"] == "application/problem+json" and told in problem["detail"]
        assert problem["instance"] == f"urn:request:{answer.headers['x-request-id']}"
        assert not at.service.admission.inside

    serve(scenario)


def test_a_key_is_asked_for_and_never_told(serve, caplog):
    async def scenario(at):
        for path in ("/v1/recipes", "/v1/recipes/classification"):
            assert (await at.http.get(path)).status_code == 401
            assert (await at.http.get(path, headers={"Authorization": "Bearer wrong"})).status_code == 401
            assert (await at.http.get(path, headers={"Authorization": f"Bearer {ANN}"})).status_code == 200
        assert (await generate(at)).headers["www-authenticate"] == "Bearer"
        assert (await at.http.get("/healthz", headers={"Host": "anything"})).status_code == 200

    with caplog.at_level("INFO", "synthgen.service"):
        serve(scenario, keys=f"ann:{ANN}\nbob:{BOB}")
    facts = [record.facts for record in caplog.records if hasattr(record, "facts")]
    assert any(fact["caller"] == "ann" for fact in facts) and ANN not in str(facts)


def test_too_many_are_sent_away_with_a_time(serve):
    async def scenario(at):
        await generate(at)  # the model is there
        answers = await asyncio.gather(*(generate(at, count=200, seed=seed) for seed in range(12)))
        told = [answer.status_code for answer in answers]
        assert set(told) == {200, 429} and told.count(200) == 3
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers if answer.status_code == 429)
        assert not at.service.admission.inside and (await generate(at)).status_code == 200

    serve(scenario, queue=3)


def test_bodies_and_hosts_are_bounded(serve):
    async def scenario(at):
        post = at.http.post
        assert (await post("/v1/generate", content=b"x" * 70_000)).status_code == 413

        async def drops():
            for _ in range(80):
                yield b"x" * 1000

        assert (await post("/v1/generate", content=drops())).status_code == 413
        assert (
            await post("/v1/generate", content=b"{", headers={"content-type": "application/json"})
        ).status_code == 422
        assert (await at.http.get("/healthz", headers={"Host": "evil.example"})).status_code == 421
        assert (await at.http.get("/healthz", headers={"Host": "localhost:8000"})).status_code == 200
        assert (await at.http.get("/../../etc/passwd")).status_code == 404

    serve(scenario)


def test_readiness_needs_a_real_row(serve):
    async def scenario(at):
        assert (await at.http.get("/healthz")).status_code == 200
        assert (await at.http.get("/readyz")).status_code == 503
        await at.service.warm_up()
        assert (await at.http.get("/readyz")).json() == {"status": "ready", "warm": ["classification"]}
        text = (await at.http.get("/metrics")).text
        assert 'synthgen_requests_total{route="/readyz",status="503"} 1.0' in text

    serve(scenario)


def test_a_recipe_tells_what_may_be_changed(serve):
    async def scenario(at):
        trained, bare = (await at.http.get("/v1/recipes")).json()
        assert trained["has_model"] and not bare["has_model"] and trained["classes"] == [str(n) for n in range(10)]
        assert trained["quality"]["metric"] == "accuracy" and 0 < trained["quality"]["real"] <= 1
        assert trained["open"]["properties"].keys() == {"conditions", "sample"}

    serve(scenario)


def test_rows_that_nobody_waits_for_are_not_made(serve):
    async def scenario(at):
        await generate(at)
        made = at.service.metrics.batch_rows._sum.get()
        task = asyncio.ensure_future(generate(at, count=1000))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.sleep(0.5)
        assert not at.service.admission.inside and not at.rows._waiting
        assert at.service.metrics.batch_rows._sum.get() < made + 64 * 16

    serve(scenario)
