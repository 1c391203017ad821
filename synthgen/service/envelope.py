"""What surrounds every request: its id, its largest body, its time, its line in the log, and headers of every answer.

app.add_middleware(Envelope, body_bytes=65536, metrics=metrics, hosts=("localhost",))
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Sequence
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .metrics import Metrics
from .problems import Problem, respond

OUR_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
HEAD_BYTES = 32_768  # of all headers and the query
BODY_SECONDS = 20.0  # in which a body has to be here
UNKNOWN = "unmatched"  # route of a request that none matches: paths themselves would make labels without end
log = logging.getLogger("synthgen.service")


class Envelope:
    """ASGI middleware around the whole app."""

    def __init__(self, app: ASGIApp, body_bytes: int, metrics: Metrics, hosts: Sequence[str] = ()) -> None:
        """`hosts`: names that the Host header may give; any, if there are none."""
        self.app, self.body_bytes, self.metrics, self.hosts = app, body_bytes, metrics, tuple(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers, began, status = Headers(scope=scope), time.perf_counter(), [500]
        given = headers.get("x-request-id", "")
        identity = given if OUR_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = identity

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                status[0] = message["status"]
                own = MutableHeaders(scope=message)
                own["X-Request-Id"] = identity
                own.setdefault("X-Content-Type-Options", "nosniff")
                own.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            refusal = self._refuse(scope, headers)
            if refusal is not None:
                told = (refusal.status_code, refusal.title, str(refusal.detail), identity, refusal.headers)
                response = respond(*told)
                await response(scope, receive, answer)
                return
            await self.app(scope, self._bounded(receive), answer)
        except asyncio.CancelledError:
            status[0] = 499  # the caller went away
            raise
        finally:
            self._tell(scope, identity, status[0], time.perf_counter() - began)

    def _refuse(self, scope: Scope, headers: Headers) -> Problem | None:
        if sum(len(name) + len(value) for name, value in scope["headers"]) + len(scope["query_string"]) > HEAD_BYTES:
            return Problem(431, "Head too large", f"headers: they are larger than {HEAD_BYTES:,} bytes; send less")
        length = headers.get("content-length", "0")
        if not length.isdecimal():
            return Problem(400, "Bad request", "Content-Length: is not a number; leave it to the HTTP library")
        if int(length[:20]) > self.body_bytes:
            return self._too_large()
        if self.hosts and _name(headers.get("host", "")) not in self.hosts:
            return Problem(
                421,
                "Misdirected request",
                f"Host: is not one of {', '.join(self.hosts)}; without keys no other is served",
            )
        return None

    def _too_large(self) -> Problem:
        return Problem(413, "Content too large", f"body: is larger than {self.body_bytes:,} bytes; send less")

    def _bounded(self, receive: Receive) -> Receive:
        """The body, as long as it is short enough and comes in time."""
        got, due, whole = 0, time.monotonic() + BODY_SECONDS, False

        async def take() -> Message:
            nonlocal got, whole
            if whole:
                return await receive()  # waits for the caller to go away
            try:
                message = await asyncio.wait_for(receive(), max(0.01, due - time.monotonic()))
            except TimeoutError:
                told = f"body: was not here within {BODY_SECONDS:g} s; send it at once"
                raise Problem(408, "Request timeout", told, {"Connection": "close"}) from None
            got += len(message.get("body", b""))
            if got > self.body_bytes:
                raise self._too_large()
            whole = not message.get("more_body", False)
            return message

        return take

    def _tell(self, scope: Scope, identity: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", UNKNOWN)
        self.metrics.requests.labels(route=route, status=str(status)).inc()
        self.metrics.request_seconds.labels(route=route).observe(seconds)
        facts: dict[str, Any] = {"request": identity, "route": route, "method": scope["method"], "status": status}
        caller = scope["state"].get("caller")
        log.info("request", extra={"facts": {**facts, "caller": caller, "seconds": round(seconds, 4)}})


def _name(host: str) -> str:
    """The Host header's name, without its port; brackets of IPv6 stay."""
    return re.sub(r":\d*$", "", host).lower()
