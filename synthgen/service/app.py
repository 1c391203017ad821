"""The HTTP application: routes, and what surrounds them. It knows neither Ray nor where it listens.

app = build_app(Service(catalog, rows, options, keys))
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from .. import __version__
from ..requests import describe as describe_changes
from . import generate, job_routes, problems
from .auth import Caller, Known, find_caller
from .catalog import Entry
from .envelope import Envelope
from .gallery import pages
from .gallery.pages import FinishedJob
from .jobs.assignment import job_folder
from .jobs.job import Job
from .metrics import CONTENT_TYPE
from .problems import Problem, describe
from .service import Service

SHOWN = 100  # finished jobs of a caller in the gallery
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


class Quality(BaseModel):
    """What the recipe's rows are worth to a learner, measured on held-out real rows."""

    metric: str
    real: float | None
    synthetic: float | None
    both: float | None


class RecipeDescription(BaseModel):
    """A recipe that is served."""

    name: str
    task: str
    description: str
    count: int
    classes: list[str]
    count_cap: int
    open: dict[str, Any]
    """JSON Schema of the changes that a request may make: {"conditions": {…}, "sample": {…}}."""
    has_model: bool
    rows: int | None
    quality: Quality | None


class Alive(BaseModel):
    status: str


class Ready(BaseModel):
    status: str
    warm: list[str]


def build_app(service: Service) -> FastAPI:
    """The application of one ingress."""

    @asynccontextmanager
    async def live(app: FastAPI) -> AsyncIterator[None]:
        warming = asyncio.ensure_future(service.warm_up())
        yield
        warming.cancel()

    app = FastAPI(
        title="synthgen",
        version=__version__,
        summary="Annotated rows from conditional diffusion models.",
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        lifespan=live,
        separate_input_output_schemas=False,
    )
    app.state.keys = service.keys
    problems.install(app)

    @app.exception_handler(SQLAlchemyError)
    async def _away(request: Request, error: SQLAlchemyError) -> Response:
        told = "the service's database does not answer; try again"
        return problems.respond(503, "Database away", told, problems.request_id(request), {"Retry-After": "5"})

    _add_health(app, service)
    _add_recipes(app, service)
    app.include_router(generate.build_router(service))
    if service.jobs is not None:
        app.include_router(job_routes.build_router(service))
    app.include_router(_build_gallery(service), tags=["gallery"], responses=describe(401, 404, 422, 503))
    hosts = () if service.keys.digests else LOOPBACK
    app.add_middleware(Envelope, body_bytes=service.options.body_bytes, metrics=service.metrics, hosts=hosts)
    problems.add_schema(app)
    return app


def _build_gallery(service: Service) -> APIRouter:
    """The page, and the runs of the catalog and of the caller's own jobs."""
    store, root = service.jobs, Path(service.options.state)

    def show(job: Job) -> FinishedJob:
        return FinishedJob(job.id, job_folder(root, job.id))

    def list_done(caller: Caller) -> list[FinishedJob]:
        return [] if store is None else [show(job) for job in store.list(caller.id, None, SHOWN, "done")[0]]

    def find_done(caller: Caller, id: str) -> FinishedJob | None:
        job = None if store is None else store.get(id, caller.id)
        return show(job) if job is not None and job.state == "done" else None

    folders = {name: entry.folder for name, entry in service.catalog.entries.items()}
    return pages.build_router(folders, list_done, find_done, find_caller)


def _add_health(app: FastAPI, service: Service) -> None:
    @app.get("/healthz", tags=["service"])
    async def is_alive() -> Alive:
        """Whether the process answers."""
        return Alive(status="alive")

    @app.get("/readyz", tags=["service"], responses=describe(503))
    async def is_ready() -> Ready:
        """Whether rows come: one was made for real of each recipe that has a model."""
        wanted = await run_in_threadpool(service.with_models)
        cold = [name for name in wanted if name not in service.warm]
        if cold:
            raise Problem(503, "Not ready", f"{cold[0]} is not warm yet; ask again", {"Retry-After": "2"})
        if service.jobs is not None:
            await run_in_threadpool(service.jobs.count)  # whether the database answers
        return Ready(status="ready", warm=sorted(service.warm))

    @app.get("/metrics", tags=["service"], response_class=Response)
    async def metrics() -> Response:
        """Prometheus' text format."""
        service.metrics.queue_length.set(service.admission.inside)
        if service.jobs is not None:
            service.metrics.set_jobs(await run_in_threadpool(service.jobs.count))
        return Response(service.metrics.render(), media_type=CONTENT_TYPE)


def _add_recipes(app: FastAPI, service: Service) -> None:
    @app.get("/v1/recipes", tags=["recipes"], responses=describe(401))
    async def list_recipes(caller: Known) -> list[RecipeDescription]:
        """The recipes that are served."""
        return [await run_in_threadpool(_describe, service, entry) for entry in service.catalog.entries.values()]

    @app.get("/v1/recipes/{name}", tags=["recipes"], responses=describe(401, 404, 422))
    async def show_recipe(name: str, caller: Known) -> RecipeDescription:
        """One of them."""
        return await run_in_threadpool(_describe, service, service.find(name))


def _describe(service: Service, entry: Entry) -> RecipeDescription:
    recipe, report = entry.recipe, entry.report()
    worth = (report or {}).get("utility", {})
    means = {kind: (worth.get(f"train_{kind}_test_real") or {}).get("mean") for kind in ("real", "synthetic", "both")}
    return RecipeDescription(
        name=entry.name,
        task=recipe.task,
        description=recipe.description,
        count=recipe.count,
        classes=list(report["classes"]) if report else [],
        count_cap=min(service.options.rows_per_request, recipe.serve.most_rows),
        open=describe_changes(recipe),
        has_model=service.has_model(entry),
        rows=report["rows"]["accepted"] if report else None,
        quality=Quality(metric=worth["metric"], **means) if report else None,
    )
