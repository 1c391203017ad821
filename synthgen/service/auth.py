"""Who asks: bearer keys from a file or the environment.

Kept as SHA-256, so that a dump of memory or a log holds none; all are compared, each in constant time.

    keys = Keys.read(None, os.environ)      # SYNTHGEN_KEYS="ann:…\\nbob:…"
    keys.who("…")                            # "ann" or None
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ..errors import UserError
from .problems import Problem

SHORTEST = 16  # characters of a key
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
ANYBODY = "anonymous"
FORM = "write a line name:key for each caller, the key of at least 16 characters"


@dataclass(frozen=True)
class Keys:
    """Names of callers and the digests of their keys; without any, everybody is one and the same caller."""

    digests: Mapping[str, bytes]

    @staticmethod
    def read(file: str | None, environment: Mapping[str, str]) -> Keys:
        """Raises UserError, which never shows a key."""
        source, text = "SYNTHGEN_KEYS", environment.get("SYNTHGEN_KEYS", "")
        if file is not None:
            source = f"keys_file: {file!r}"
            try:
                text = Path(file).read_text(encoding="utf-8")
            except (OSError, ValueError) as error:
                raise UserError(f"{source} cannot be read ({type(error).__name__}); {FORM}") from None
        found: dict[str, bytes] = {}
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            name, colon, key = (part.strip() for part in line.partition(":"))
            if not colon or not NAME.fullmatch(name) or len(key) < SHORTEST or not key.isascii():
                raise UserError(f"{source}: line {number} is not name:key; {FORM}")
            if name in found:
                raise UserError(f"{source}: line {number} names {name!r} again; give each caller one key")
            found[name] = _digest(key)
        if file is not None and not found:
            raise UserError(f"{source} holds no key; {FORM}")
        return Keys(found)

    def who(self, key: str) -> str | None:
        given, found = _digest(key), None
        for name, digest in self.digests.items():
            if hmac.compare_digest(given, digest):
                found = name
        return found


@dataclass(frozen=True)
class Caller:
    """Somebody with a key, by its name."""

    id: str


_bearer = HTTPBearer(auto_error=False, description="A key that the operator gave you.")


async def find_caller(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Caller:
    """The dependency of every route that needs a key."""
    keys: Keys = request.app.state.keys
    if not keys.digests:
        return Caller(ANYBODY)
    name = keys.who(credentials.credentials) if credentials is not None else None
    if name is None:
        told = "the key is not known" if credentials else "no key was sent"
        raise Problem(
            401, "Unauthorized", f"Authorization: {told}; send `Authorization: Bearer <key>`",
            {"WWW-Authenticate": "Bearer"},
        )  # fmt: skip
    request.state.caller = name
    return Caller(name)


Known = Annotated[Caller, Depends(find_caller)]


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
