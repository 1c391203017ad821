"""The gallery's addresses: who may see what, and what is answered to wrong questions."""

from __future__ import annotations

import shutil

import pytest
from fastapi import FastAPI, Header, HTTPException
from fastapi.testclient import TestClient
from little_runs import make_run

from synthgen.service.gallery.pages import FinishedJob, build_router

ROWS = "/v1/runs/recipe:digits/rows"


@pytest.fixture(scope="module")
def client(digits, folders):
    """Two callers, a and b; the job belongs to a."""

    def caller(authorization: str = Header("")) -> str:
        if authorization not in ("Bearer a", "Bearer b"):
            raise HTTPException(401, "a key is missing or wrong")
        return authorization[-1]

    def list_jobs(who: str) -> list[FinishedJob]:
        return [FinishedJob("17", folders["qa"])] if who == "a" else []

    def find_job(who: str, name: str) -> FinishedJob | None:
        return next((job for job in list_jobs(who) if job.id == name), None)

    app = FastAPI()
    recipes = {"digits": digits, "not made yet": digits.parent / "nowhere"}
    app.include_router(build_router(recipes, list_jobs, find_job, caller))
    return TestClient(app, headers={"Authorization": "Bearer a"})


def test_the_page_and_its_files_are_open_and_strict(client):
    page = client.get("/", headers={"Authorization": ""})
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert page.headers["x-content-type-options"] == "nosniff" and page.headers["referrer-policy"] == "same-origin"
    assert "<style" not in page.text and " style=" not in page.text and " onclick" not in page.text
    script = next(word for word in page.text.split('"') if word.endswith("app.js"))
    found = client.get(script, headers={"Authorization": ""})
    assert found.status_code == 200 and found.headers["content-type"].startswith("text/javascript")
    assert "immutable" in found.headers["cache-control"]
    assert client.get("/gallery/static/old/app.js").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["../pages.py", "..%2fpages.py", "%2e%2e/pages.py", "views", "", "nothing.js", "/etc/passwd"]
)
def test_no_other_file_is_sent(client, path):
    assert client.get(f"/gallery/static/x/{path}").status_code == 404


def test_runs_are_the_recipes_and_the_callers_own(client):
    mine = client.get("/v1/runs").json()["runs"]
    assert [run["id"] for run in mine] == ["recipe:digits", "job:17"]
    assert mine[0]["rows"] == {"kept": 120, "rejected": 30}
    others = client.get("/v1/runs", headers={"Authorization": "Bearer b"}).json()["runs"]
    assert [run["id"] for run in others] == ["recipe:digits"]
    for path in ("", "/rows", "/rows/0", "/rows/0/nearest", "/rows/0/image"):
        assert client.get(f"/v1/runs/job:17{path}", headers={"Authorization": "Bearer b"}).status_code == 404
        for run in ("recipe:digits", "job:17"):
            assert client.get(f"/v1/runs/{run}{path}", headers={"Authorization": "no"}).status_code == 401
    assert client.get("/v1/runs/job:17").json()["name"] == "qa"


@pytest.mark.parametrize(
    "run",
    [
        "recipe:nothing",
        "recipe:not made yet",
        "digits",
        "job:",
        "job:..%2f..",
        "recipe:",
        "x:digits",
        ":",
        "recipe:..%2fdigits",
    ],
)
def test_a_run_that_is_none_is_not_found(client, run):
    for path in ("", "/rows", "/rows/0"):
        assert client.get(f"/v1/runs/{run}{path}").status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=1000", "after=-1", "after=x", "kept=perhaps", "at_least=nan", "score=agreement&at_most=inf",
        "label=cow", "gate=x", "score=x", "at_least=1", f"after={2**63}", "label=" + "x" * 201,
    ],
)  # fmt: skip
def test_wrong_questions_are_told(client, query):
    answer = client.get(f"{ROWS}?{query}")
    assert answer.status_code == 422 and answer.json()["detail"]


@pytest.mark.parametrize("path", ["/150", "/9999999", "/0/label", "/0/nothing", "/0/provenance"])
def test_rows_and_pictures_that_are_not_there(client, path):
    assert client.get(ROWS + path).status_code == 404


def test_pages_lead_on_and_back(client):
    first = client.get(ROWS).json()
    assert len(first["rows"]) == 48 and first["total"] == 150 and first["previous"] is None
    second = client.get(ROWS, params={"after": first["next"]}).json()
    assert second["rows"][0]["index"] == 48 and second["first"] == 48
    assert client.get(ROWS, params={"before": second["previous"]}).json() == first
    refused = client.get(ROWS, params={"kept": "rejected", "label": "3"}).json()
    assert refused["rows"] and all(row["gate"] and row["label"] == "3" for row in refused["rows"])


def test_pictures_may_be_kept_for_as_long_as_they_are_right(client):
    address = client.get(ROWS).json()["rows"][0]["row"]["image"]["url"]
    picture = client.get(address)
    assert picture.headers["content-type"] == "image/png" and picture.content.startswith(b"\x89PNG")
    assert picture.headers["cache-control"].endswith("immutable") and "private" in picture.headers["cache-control"]
    assert picture.headers["x-content-type-options"] == "nosniff"
    old = client.get(address.partition("?")[0] + "?v=old")
    assert old.content == picture.content and "no-cache" in old.headers["cache-control"]


def test_a_row_tells_its_nearest_real_one(client):
    row = client.get(f"{ROWS}/3").json()
    assert row["command"] == "synthgen regenerate digits 3"
    while (answer := client.get(row["nearest"]["url"])).status_code == 202:
        assert answer.headers["retry-after"]
    assert answer.status_code == 200 and answer.json()["index"] == 3
    assert answer.json()["row"]["image"]["png"]


def test_a_run_that_is_made_anew_is_read_anew(tmp_path):
    folder = make_run("classification", tmp_path / "run", kept=8, rejected=2)
    app = FastAPI()
    app.include_router(build_router({"r": folder}, lambda who: [], lambda who, name: None, lambda: "somebody"))
    client = TestClient(app)
    before = client.get("/v1/runs/recipe:r/rows").json()
    shutil.rmtree(folder)
    make_run("classification", folder, kept=10, rejected=2)
    after = client.get("/v1/runs/recipe:r/rows").json()
    assert before["total"] == 10 and after["total"] == 12
    assert before["rows"][0]["row"]["image"]["url"] != after["rows"][0]["row"]["image"]["url"]
