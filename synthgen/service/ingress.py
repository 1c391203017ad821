"""The service on Ray Serve: an ingress that speaks HTTP, and the replicas that hold the models.

`build` is what a Serve config imports; `run` is `synthgen serve`.

    serve run deploy/serve.yaml         # import_path: synthgen.service.ingress:build
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import ray
from fastapi import FastAPI
from pydantic import ValidationError
from ray import serve
from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import RayServeException
from sqlalchemy import make_url

from ..errors import UserError
from ..mistakes import explain
from ..pipeline import choose_replicas, open_maker
from ..sampling.engine import Answer, Wish
from ..sampling.serve import QUIET, RayOptions, describe_replicas
from . import logs
from .app import build_app
from .auth import Keys
from .catalog import Catalog
from .jobs.options import JobOptions
from .jobs.store import JobStore
from .jobs.supervisor import Supervisor
from .options import ServeOptions
from .problems import Problem
from .service import Service

APP = "synthgen"
TRIES, PAUSE = 5, 0.2  # of a wish whose replica died; seconds before the second try, doubled before each further one
MANY = 100_000  # requests that Serve lets through: the ingress itself says which it takes
DATABASE = "SYNTHGEN_DATABASE"
Made = TypeVar("Made")

log = logging.getLogger(__name__)


class ReplicaRows:
    """A RowSource: the replicas, asked anew where one died."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    async def make_rows(self, what: Any, wish: Wish) -> Answer:
        return await _insist(lambda: self._handle.make_rows.remote(what, wish))

    async def load(self, what: Any) -> int:
        return await _insist(lambda: self._handle.load.remote(what))


async def _insist(ask: Callable[[], Awaitable[Made]]) -> Made:
    for tried in range(1, TRIES + 1):
        try:
            return await ask()
        except RayTaskError as error:
            cause = error.cause
            raise cause if isinstance(cause, UserError) else error from None
        except (RayActorError, RayServeException) as error:
            if tried == TRIES:
                raise Problem(503, "Replica lost", "the replica died; ask again", {"Retry-After": "5"}) from error
            await asyncio.sleep(PAUSE * 2 ** (tried - 1))
    raise AssertionError


class Ingress:
    """One FastAPI app; Serve passes HTTP requests on to it."""

    def __init__(self, options: dict[str, Any], rows: Any, jobs: Any) -> None:
        wanted = read_options(options)
        logs.install(sys.stderr)
        keys = Keys.read(wanted.keys_file, os.environ)
        self.service = Service(Catalog.open(wanted.recipes), ReplicaRows(rows), wanted, keys, open_store(wanted))

    def __serve_build_asgi_app__(self) -> FastAPI:
        return build_app(self.service)


class Jobs:
    """Runs the jobs of the store, their shards on the same replicas."""

    def __init__(self, options: dict[str, Any], replicas: RayOptions) -> None:
        wanted = read_options(options)
        logs.install(sys.stderr)
        address = ray.get_runtime_context().gcs_address
        shared = replace(replicas, address=address, app=APP)
        slots = JobOptions(job_slots=wanted.job_slots)
        catalog = Catalog.open(wanted.recipes)
        self.supervisor = Supervisor(open_store(wanted), catalog, Path(wanted.state), slots, shared)
        self.supervisor.start()

    def check_health(self) -> None:
        """Serve asks now and then, and starts another one where this fails."""
        if not self.supervisor.is_alive():
            raise RuntimeError("the jobs' supervisor has ended")

    def __del__(self) -> None:
        if hasattr(self, "supervisor"):
            self.supervisor.stop()


def open_store(options: ServeOptions) -> JobStore:
    """The database of jobs, its tables up to date."""
    Path(options.state).mkdir(parents=True, exist_ok=True)
    url = options.database or os.environ.get(DATABASE) or f"sqlite:///{Path(options.state) / 'jobs.db'}"
    return JobStore(url)


def build(args: dict[str, Any]) -> Any:
    """The Serve application for the fields of `ServeOptions`. Raises UserError."""
    options = read_options(args)
    keys = Keys.read(options.keys_file, os.environ)
    if not keys.digests and not options.anonymous:
        raise UserError(
            "keys_file: there are no keys, and the service may be reached by others; name a file of keys, set "
            "SYNTHGEN_KEYS, or set anonymous: true where nobody else reaches it"
        )
    Catalog.open(options.recipes)  # mistakes are told here and not in a replica's log
    open_store(options).close()
    if options.database and make_url(options.database).password:
        log.warning(
            "database: its password is seen in the list of processes and in Serve's logs; set %s instead", DATABASE
        )
    chosen = choose_replicas(options.replicas, options.threads_per_replica, options.gpus_per_replica, None)
    rows = describe_replicas(
        open_maker, chosen, keep=options.models_per_replica, idle=options.idle_seconds, max_ongoing_requests=MANY
    )
    environment = {name: os.environ[name] for name in ("SYNTHGEN_KEYS", DATABASE) if name in os.environ}
    own = {"num_cpus": 0, "runtime_env": {"env_vars": environment}}
    words = options.model_dump(mode="json")
    supervision: Any = serve.deployment(Jobs)
    jobs = supervision.options(ray_actor_options=own, graceful_shutdown_timeout_s=40).bind(words, chosen)
    ingress: Any = serve.deployment(serve.ingress()(Ingress))
    described = ingress.options(name="Ingress", max_ongoing_requests=MANY, ray_actor_options=own, logging_config=QUIET)
    return described.bind(words, rows, jobs)


def read_options(args: dict[str, Any]) -> ServeOptions:
    """The checked options, with paths that hold on other working directories too. Raises UserError."""
    try:
        options = ServeOptions.model_validate(args)
    except ValidationError as error:
        raise UserError(explain(error, args, ServeOptions)[0].text) from None
    recipes = [str(Path(word).absolute()) if Path(word).exists() else word for word in options.recipes]
    return options.model_copy(update={"recipes": tuple(recipes), "state": str(Path(options.state).absolute())})
