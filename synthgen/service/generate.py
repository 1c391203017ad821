"""POST /v1/generate: rows now, streamed."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from ..errors import UserError
from ..requests import accept
from .auth import Known
from .catalog import Entry
from .problems import Problem, describe
from .rows import RowStream
from .service import Service
from .wire import WRITERS, Form

RANDOM_SEEDS = 2**53  # every number below is exact in JavaScript
Name = Annotated[str, Field(max_length=64, description="One of GET /v1/recipes.")]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]


class GenerateRequest(BaseModel):
    """What is wanted."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={
        "examples": [{"recipe": "segmentation", "count": 4, "seed": 7}]
    })  # fmt: skip

    recipe: Name
    count: int = Field(ge=1, le=1_000_000, description="Rows; the recipe's `most_rows` is the cap.")
    seed: Seed | None = Field(None, description="The same seed gives the same rows. Left out, one is drawn.")
    conditions: dict[str, JsonValue] = Field({}, description="What to draw, as far as the recipe opens it.")
    sample: dict[str, JsonValue] = Field({}, description="How to draw, as far as the recipe opens it.")
    format: Form = "json"

    def overrides(self) -> dict[str, Any]:
        """By dotted field."""
        stages = {"conditions": self.conditions, "sample": self.sample}
        return {f"{stage}.{name}": value for stage, values in stages.items() for name, value in values.items()}


def build_router(service: Service) -> APIRouter:
    router = APIRouter(tags=["rows"])
    content = {
        "application/x-ndjson": {"schema": {"type": "string"}},
        "application/vnd.apache.arrow.stream": {"schema": {"type": "string", "format": "binary"}},
        "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}},
    }

    @router.post(
        "/v1/generate",
        response_class=StreamingResponse,
        responses={
            200: {"description": "Rows, as they are made.", "content": content},
            **describe(400, 401, 404, 408, 409, 413, 422, 429, 503),
        },
    )
    async def generate(body: GenerateRequest, caller: Known) -> Response:
        """Rows now. The same recipe, model, seed and changes give the same rows, whoever else asks meanwhile.

        JSON lines end with a line {"end": true, "rows", "candidates", "rejected", "seed"}; without it the body is cut.
        """
        entry = service.find(body.recipe)
        most = min(service.options.rows_per_request, entry.recipe.serve.most_rows)
        if body.count > most:
            raise Problem(
                422, "Invalid request", f"count: {body.count} is more than {most}, the most rows of a request here; "
                "ask for fewer, or make a job",
            )  # fmt: skip
        overrides = body.overrides()
        check_changes(entry, overrides)
        if not await service.sees_model(entry):
            raise Problem(
                409, "No model yet", f"recipe: {entry.name!r} has no trained model yet; a job on it trains one"
            )
        seed = secrets.randbelow(RANDOM_SEEDS) if body.seed is None else body.seed
        room = ExitStack()
        room.enter_context(service.admission.enter(caller.id, body.count))
        try:
            writer = WRITERS[body.format]()
            rows = RowStream(service.rows, entry.run, overrides, seed, body.count, writer.asks)
            stream = _write(service, entry, rows, writer, seed)
            first = await anext(stream)  # a refusal after it could not be told by a status any more
            whole = b"".join([first, *[part async for part in stream]]) if rows.rows == body.count else None
        except BaseException as error:
            room.close()
            if isinstance(error, UserError):  # what only shows with the data, such as a class that is none
                raise Problem(422, "Invalid request", str(error)) from None
            raise
        headers = {"X-Synthgen-Seed": str(seed), "X-Accel-Buffering": "no"}
        if whole is not None:  # streaming costs a task and a message for each part
            room.close()
            return Response(whole, media_type=writer.media, headers=headers)
        return StreamingResponse(_leaving(room, first, stream), media_type=writer.media, headers=headers)

    return router


def check_changes(entry: Entry, overrides: dict[str, Any]) -> None:
    """A Problem 422 for what the recipe does not open, or that is no value of it."""
    try:
        accept(entry.recipe, overrides)
    except UserError as error:
        raise Problem(422, "Invalid request", str(error)) from None


async def _write(service: Service, entry: Entry, rows: RowStream, writer: Any, seed: int) -> AsyncIterator[bytes]:
    async for answer, wanted in rows.answers():
        service.count_answer(entry.name, answer)
        yield writer.add(answer, wanted) if writer.light else await run_in_threadpool(writer.add, answer, wanted)
    yield writer.end({"rows": rows.rows, "candidates": rows.candidates, "rejected": dict(rows.rejected), "seed": seed})


async def _leaving(room: ExitStack, first: bytes, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The body; the room is given back when it ends, however it ends."""
    with room:
        yield first
        async for part in stream:
            yield part
