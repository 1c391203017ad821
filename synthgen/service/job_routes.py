"""/v1/jobs: whole runs, made behind the caller's back, and the files of their datasets."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Response
from fastapi import Path as InPath
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse

from .auth import Known
from .generate import Name, Seed, check_changes
from .jobs.assignment import job_folder
from .jobs.job import Conflict, Job, QuotaReached, UnknownCursor
from .jobs.store import JobStore
from .problems import Problem, describe
from .service import Service

PAGE = 100  # jobs of a page, at most
WAIT = "30"  # seconds after which a caller with too many jobs may look again
State = Literal["queued", "running", "done", "failed", "cancelled"]
Identity = Annotated[str, InPath(pattern="^[0-9a-f]{32}$", description="Of the job.")]


class JobRequest(BaseModel):
    """A run of a served recipe."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={
        "examples": [{"recipe": "segmentation", "count": 500, "overrides": {"sample.steps": 12}}]
    })  # fmt: skip

    recipe: Name
    count: int = Field(ge=1, le=100_000_000, description="Accepted rows.")
    seed: Seed | None = Field(None, description="Of the rows; left out, the recipe's own.")
    overrides: dict[str, JsonValue] = Field(
        {}, description='Dotted fields that the recipe opens, such as {"sample.steps": 12}.'
    )


class DatasetFile(BaseModel):
    path: str
    bytes: int


class JobDescription(BaseModel):
    """How far a job is; moments are UTC."""

    id: str
    recipe: str
    count: int
    seed: int | None
    overrides: dict[str, Any]
    state: State
    stage: str
    done: float
    total: float | None
    rows: int
    eta_seconds: float | None
    message: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    updated_at: datetime
    cancel_requested: bool
    dataset: list[DatasetFile] = []
    """Files of /v1/jobs/{id}/dataset/, once the job is done."""


class JobPage(BaseModel):
    """Newest first."""

    jobs: list[JobDescription]
    after: str | None
    """For the next page; null at the end."""


def build_router(service: Service) -> APIRouter:
    """The routes of a service that has jobs."""
    assert service.jobs is not None, "a service without jobs has no routes for them"
    router, root = APIRouter(tags=["jobs"]), Path(service.options.state)
    _add_beginning(router, service, service.jobs, root)
    _add_looking(router, service.jobs, root)
    _add_files(router, service.jobs, root)
    return router


def _add_beginning(router: APIRouter, service: Service, store: JobStore, root: Path) -> None:
    @router.post("/v1/jobs", status_code=202, responses=describe(400, 401, 404, 408, 413, 422, 429, 503))
    async def create(
        body: JobRequest, response: Response, caller: Known,
        idempotency_key: Annotated[str | None, Header(pattern="^[!-~]{1,128}$")] = None,
    ) -> JobDescription:  # fmt: skip
        """Make a dataset with its report. The same Idempotency-Key gives the job that it gave first."""
        entry = service.find(body.recipe)
        most = entry.recipe.serve.most_job_rows
        if body.count > most:
            raise Problem(422, "Invalid request", f"count: {body.count} is more than {most}, the most rows of a job")
        check_changes(entry, body.overrides)
        limit = service.options.jobs_per_key
        asked = (caller.id, body.recipe, body.count, body.seed, body.overrides, idempotency_key, limit)
        try:
            job, _ = await run_in_threadpool(store.create, *asked)
        except Conflict:
            told = f"Idempotency-Key: {idempotency_key!r} was sent with another request; use a new one"
            raise Problem(422, "Key used before", told) from None
        except QuotaReached:
            told = f"{limit} of your jobs are not ended, as many as a key may have; wait for one, or cancel it"
            raise Problem(429, "Too many jobs", told, {"Retry-After": WAIT}) from None
        response.headers["Location"] = f"/v1/jobs/{job.id}"
        return _describe(job, root)


def _add_looking(router: APIRouter, store: JobStore, root: Path) -> None:
    @router.get("/v1/jobs", responses=describe(401, 422, 503))
    async def list_jobs(
        caller: Known,
        after: Annotated[str | None, Query(pattern="^[0-9a-f]{32}$", description="From the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=PAGE)] = 20,
        state: State | None = None,
    ) -> JobPage:
        """Your jobs, newest first."""
        try:
            jobs, following = await run_in_threadpool(store.list, caller.id, after, limit, state)
        except UnknownCursor:
            raise Problem(422, "Invalid request", f"query after: {after!r} is no job of yours; leave it out") from None
        return JobPage(jobs=[_describe(job) for job in jobs], after=following)

    @router.get("/v1/jobs/{id}", responses=describe(401, 404, 422, 503))
    async def show(id: Identity, caller: Known) -> JobDescription:
        """How far it is."""
        return _describe(_found(id, await run_in_threadpool(store.get, id, caller.id)), root)

    @router.delete("/v1/jobs/{id}", responses=describe(401, 404, 422, 503))
    async def cancel(id: Identity, caller: Known) -> JobDescription:
        """End it, and delete what it made. One that has ended stays as it is."""
        return _describe(_found(id, await run_in_threadpool(store.request_cancel, id, caller.id)), root)


def _add_files(router: APIRouter, store: JobStore, root: Path) -> None:
    @router.get(
        "/v1/jobs/{id}/dataset/{path:path}",
        response_class=FileResponse,
        responses=describe(400, 401, 404, 409, 416, 422, 503),
    )
    async def read_file(id: Identity, path: str, caller: Known) -> FileResponse:
        """One file of a finished dataset."""
        job = _found(id, await run_in_threadpool(store.get, id, caller.id))
        if job.state != "done":
            raise Problem(409, "Not done", f"id: the job is {job.state}; its files are there once it is done")
        file = locate(job_folder(root, id) / "dataset", path)
        if file is None:
            raise Problem(404, "Not found", "path: is no file of the dataset; GET /v1/jobs/{id} lists them")
        return FileResponse(file, media_type="application/octet-stream", filename=file.name)


def _found(id: str, job: Job | None) -> Job:
    if job is None:
        raise Problem(404, "Not found", f"id: {id!r} is no job of yours; GET /v1/jobs lists them")
    return job


def locate(folder: Path, path: str) -> Path | None:
    """The regular file at `path` below `folder`; None for what is not there or lies elsewhere."""
    try:
        root = folder.resolve(strict=True)
        file = (root / path).resolve(strict=True)
    except (OSError, ValueError):
        return None
    return file if file.is_relative_to(root) and file.is_file() else None


def _describe(job: Job, root: Path | None = None) -> JobDescription:
    """With the files of its dataset where `root` is given and the job is done."""
    shown = {name: getattr(job, name) for name in JobDescription.model_fields if name != "dataset"}
    files = []
    if root is not None and job.state == "done":
        folder = job_folder(root, job.id) / "dataset"
        there = sorted(path for path in folder.rglob("*") if path.is_file())
        files = [DatasetFile(path=path.relative_to(folder).as_posix(), bytes=path.stat().st_size) for path in there]
    return JobDescription(**shown, dataset=files)
