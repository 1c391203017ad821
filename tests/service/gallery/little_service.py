"""A small service around the gallery, on real runs: the routes of recipes, rows and jobs in the documented form.

Rows "made" are those of the finished run, one by one; jobs count up until they are done or cancelled.
"""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import uvicorn
from fastapi import FastAPI, Header, HTTPException, Request
from fastapi.responses import StreamingResponse

from synthgen.service.gallery.pages import FinishedJob, build_router

CAP = 64
MIX = {
    "anyOf": [
        {"enum": ["uniform", "real"], "type": "string"},
        {"type": "object", "additionalProperties": {"type": "number", "minimum": 0}},
    ],
    "default": "uniform",
    "description": "The class mix.",
}
GUIDANCE = {"type": "number", "minimum": 0, "maximum": 20, "default": 1.0, "description": "Classifier-free guidance."}
SOLVER = {"enum": ["dpm++", "heun"], "type": "string", "default": "dpm++"}
OPEN = {
    "type": "object",
    "properties": {
        "conditions": {"type": "object", "properties": {"balance": MIX}},
        "sample": {"type": "object", "properties": {"guidance": GUIDANCE, "solver": SOLVER}},
    },
}


@dataclass
class Little:
    """The service's state; tests read what was asked and say how slow it is."""

    folders: Mapping[str, Path]
    key: str | None = None
    pause: float = 0.0  # seconds before each row
    job_seconds: float = 1.0
    cut: bool = False  # whether answers lack their last line
    asked: list[dict[str, Any]] = field(default_factory=list)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def report(self, name: str) -> dict[str, Any]:
        path = self.folders[name] / "dataset" / "report.json"
        return json.loads(path.read_text()) if path.is_file() else {}

    def recipe(self, name: str) -> dict[str, Any]:
        report = self.report(name)
        utility = report.get("utility") or {}
        quality = (
            {kind: utility[f"train_{kind}_test_real"]["mean"] for kind in ("real", "synthetic", "both")}
            if utility
            else {}
        )
        return {
            "name": name, "task": report.get("task", "classification"), "description": report.get("description", ""),
            "classes": report.get("classes", []), "count_cap": CAP, "open": OPEN, "has_model": True,
            "quality": {"metric": utility["metric"], **quality} if utility else None,
            "rows": (report.get("rows") or {}).get("accepted"),
        }  # fmt: skip

    def advance(self, job: dict[str, Any]) -> dict[str, Any]:
        """The job as it is now, `job_seconds` after its making done."""
        if job["state"] in ("queued", "running"):
            share = min(1.0, (time.time() - job["made"]) / self.job_seconds)
            state = "cancelled" if job["cancel_requested"] else "done" if share == 1 else "running"
            job.update(
                state=state,
                stage="sample",
                done=share * job["count"],
                total=job["count"],
                eta_seconds=self.job_seconds * (1 - share),
            )
        return {name: value for name, value in job.items() if name != "made"}


def build_little(little: Little) -> FastAPI:
    app = FastAPI()

    def caller(authorization: str | None = Header(None)) -> str:
        if little.key and authorization != f"Bearer {little.key}":
            raise HTTPException(401, "a key is missing or wrong")
        return "somebody"

    def list_jobs(who: str) -> Iterator[FinishedJob]:
        for job in reversed(little.jobs.values()):
            if little.advance(job)["state"] == "done":
                yield FinishedJob(job["id"], little.folders[job["recipe"]])

    def find_job(who: str, name: str) -> FinishedJob | None:
        return next((job for job in list_jobs(who) if job.id == name), None)

    app.include_router(build_router(little.folders, list_jobs, find_job, caller))
    _add_recipes(app, little, caller)
    _add_jobs(app, little, caller)
    return app


def _add_recipes(app: FastAPI, little: Little, caller: Callable[..., str]) -> None:
    @app.get("/v1/recipes")
    def recipes(authorization: str | None = Header(None)) -> list[dict[str, Any]]:
        caller(authorization)
        return [little.recipe(name) for name in little.folders]

    @app.get("/v1/recipes/{name}")
    def recipe(name: str, authorization: str | None = Header(None)) -> dict[str, Any]:
        caller(authorization)
        if name not in little.folders:
            raise HTTPException(404, f"there is no recipe {name!r}")
        return little.recipe(name)

    @app.post("/v1/generate")
    async def generate(request: Request, authorization: str | None = Header(None)) -> StreamingResponse:
        caller(authorization)
        body = await request.json()
        little.asked.append(body)
        if (body.get("sample") or {}).get("guidance") == 13:
            raise HTTPException(422, "sample.guidance: 13 brings bad luck; use 12")
        return StreamingResponse(_rows(little, body), media_type="application/x-ndjson")


def _rows(little: Little, body: dict[str, Any]) -> Iterator[str]:
    (path,) = (little.folders[body["recipe"]] / "dataset" / "data").glob("*.parquet")
    table = pq.read_table(path)
    features = datasets.Features.from_arrow_schema(table.schema)
    count = min(body["count"], len(table))
    for row in table.slice(0, count).to_pylist():
        time.sleep(little.pause)
        provenance = row.pop("provenance")
        for name, feature in features.items():
            if isinstance(feature, datasets.Image):
                row[name] = {"png": base64.b64encode(row[name]["bytes"]).decode()}
        row.pop("mesh", None)
        label = features["label"].int2str(row["label"]) if "label" in row else None
        yield json.dumps({"index": provenance["index"], "row": row, "label": label, "provenance": provenance}) + "\n"
    if little.cut:
        return
    rejected = {"agreement": 3, "copies": 0}
    yield (
        json.dumps(
            {"end": True, "rows": count, "candidates": count + 3, "rejected": rejected, "seed": body.get("seed", 0)}
        )
        + "\n"
    )


def _add_jobs(app: FastAPI, little: Little, caller: Callable[..., str]) -> None:
    @app.post("/v1/jobs", status_code=202)
    async def start(request: Request, authorization: str | None = Header(None)) -> dict[str, Any]:
        caller(authorization)
        body = await request.json()
        assert request.headers.get("idempotency-key")
        job = {
            "id": f"{len(little.jobs):032x}", "recipe": body["recipe"], "count": body["count"],
            "seed": body.get("seed"), "overrides": body.get("overrides", {}), "state": "queued",
            "stage": "", "done": 0.0, "total": 0.0,
            "rows": 0, "message": "", "eta_seconds": None, "cancel_requested": False, "made": time.time(),
        }  # fmt: skip
        little.jobs[job["id"]] = job
        return little.advance(job)

    @app.get("/v1/jobs")
    def jobs(authorization: str | None = Header(None)) -> dict[str, Any]:
        caller(authorization)
        return {"jobs": [little.advance(job) for job in reversed(little.jobs.values())], "after": None}

    @app.get("/v1/jobs/{name}")
    def job(name: str, authorization: str | None = Header(None)) -> dict[str, Any]:
        caller(authorization)
        return little.advance(little.jobs[name])

    @app.delete("/v1/jobs/{name}")
    def cancel(name: str, authorization: str | None = Header(None)) -> dict[str, Any]:
        caller(authorization)
        little.jobs[name]["cancel_requested"] = True
        return little.advance(little.jobs[name])


@contextmanager
def serving(little: Little) -> Iterator[str]:
    """The service on a free port of this machine; gives its address."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(build_little(little), log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
