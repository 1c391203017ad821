"""Errors as the caller sees them: RFC 9457 problem documents, one sentence each.

raise Problem(429, "Busy", "64 requests are under way; try again in 2 s", headers={"Retry-After": "2"})
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from ..mistakes import shorten, show

TYPE = "application/problem+json"
HEADS = {"body": "", "query": "query ", "path": "path ", "header": "header "}


class ProblemDocument(BaseModel):
    """RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str
    """The request's X-Request-Id, as a URN."""


class Problem(HTTPException):
    """A refusal that is told to the caller."""

    def __init__(self, status: int, title: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.title = title


def describe(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route that may end with these."""
    content = {TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def respond(
    status: int, title: str, detail: str, request_id: str, headers: Mapping[str, str] | None = None
) -> Response:
    document = ProblemDocument(title=title, status=status, detail=detail, instance=f"urn:request:{request_id}")
    return JSONResponse(document.model_dump(), status, dict(headers or {}), TYPE)


def install(app: FastAPI) -> None:
    """Every error of the app becomes a problem document."""

    @app.exception_handler(HTTPException)
    async def _refused(request: Request, error: HTTPException) -> Response:
        title = getattr(error, "title", HTTPStatus(error.status_code).phrase)
        return respond(error.status_code, title, str(error.detail), request_id(request), error.headers)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        return respond(422, "Invalid request", explain(error), request_id(request))


def add_schema(app: FastAPI) -> None:
    """Problem documents in the OpenAPI, instead of the validation errors that FastAPI writes there by itself."""
    usual = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = usual()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas["ProblemDocument"] = ProblemDocument.model_json_schema()
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]


def explain(error: RequestValidationError) -> str:
    """The first mistake in one sentence that names the field."""
    first = error.errors()[0]
    where, *path = first["loc"]
    name = f"{HEADS.get(str(where), '')}{shorten('.'.join(str(key) for key in path), 80)}"
    if first["type"] == "json_invalid":
        return 'body: is not JSON; send an object such as {"recipe": "segmentation", "count": 4}'
    given = "" if first["type"] == "missing" or isinstance(first["input"], dict | list) else f"{show(first['input'])} "
    return f"{name or 'body'}: {given}{_lower(first['msg'])}"


def request_id(request: Request) -> str:
    return str(request.scope.get("state", {}).get("request_id", "unknown"))


def _lower(text: str) -> str:
    return shorten(text[:1].lower() + text[1:], 200)
