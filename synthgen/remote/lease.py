"""One machine at a time at an address: an object that says who works there and when they last gave a sign of life.

A lease whose holder gave no sign for a minute is anybody's; the holder looks before each sign whether it is still its
own, and stops where it is not. Where the store can create an object only if there is none (S3), two that begin at
once cannot both have it. Elsewhere, and where a dead holder is replaced, each writes, waits and reads back what is
there then. That leaves a gap: two whose writing and reading lie further apart than that wait may both begin. The one
that is replaced notices it at its next sign, after ten seconds at most, before it writes anything more, and the
listing keeps what both have written from being taken for sound. The clocks of the machines must agree to within half
a minute.

    lease = Lease(store, copy="5b0c…")
    lease.take()
    lease.confirm()      # before anything is written
"""

from __future__ import annotations

import json
import socket
import threading
import time
import uuid
from typing import Any

from ..errors import UserError
from .store import Store

NAME = "state/lease.json"
SIGN = 10.0  # seconds between two signs of life
DEAD = 60.0  # seconds without one
SETTLE = 1.0  # seconds between writing and reading back


class Lost(UserError):
    """Another process has the address now."""


class Lease:
    """This process's right to write at an address."""

    def __init__(self, store: Store, copy: str) -> None:
        """`copy`: the name of the local copy that this process has locked; a lease of that name is of one that died."""
        self.store = store
        self.mine = {"copy": copy, "turn": uuid.uuid4().hex, "host": socket.gethostname(), "since": time.time()}
        self.signed = 0.0  # when this process last gave a sign
        self._lock = threading.Lock()

    def take(self) -> None:
        """Raises UserError where another process has it."""
        found = self._read()
        if found is not None and self._is_alive(found):
            raise self._taken(found)
        if found is None:
            self.store.create(NAME, self._sign())
        else:
            self.store.write(NAME, self._sign())
        self.signed = time.time()
        if found is None or found.get("copy") != self.mine["copy"]:
            time.sleep(SETTLE)
        found = self._read()
        if found is None or not self._is_mine(found):
            raise self._taken(found or {})

    def confirm(self) -> None:
        """Raises Lost where another process has it; costs nothing while the last sign is young."""
        with self._lock:
            if 0 <= time.time() - self.signed < SIGN:
                return
            found, address = self._read(), self.store.address
            if found is None:
                raise Lost(f"{address.option}: {NAME} in {str(address)!r} was deleted; run it again, which goes on")
            if not self._is_mine(found):
                raise Lost(f"{self._taken(found)}; this one gave no sign of life for a minute and was replaced")
            self.store.write(NAME, self._sign())
            self.signed = time.time()

    def release(self) -> None:
        found = self._read()
        if found is not None and self._is_mine(found):
            self.store.delete([NAME])

    def _read(self) -> dict[str, Any] | None:
        data = self.store.read(NAME)
        try:
            found = json.loads(data) if data is not None else None
            return {**found, "sign": float(found["sign"]), "since": float(found["since"])} if found else None
        except (ValueError, KeyError, TypeError):
            return {"sign": 0.0, "since": 0.0}  # cut short

    def _sign(self) -> bytes:
        return json.dumps({**self.mine, "sign": time.time()}).encode()

    def _is_mine(self, found: dict[str, Any]) -> bool:
        return found.get("turn") == self.mine["turn"]

    def _is_alive(self, found: dict[str, Any]) -> bool:
        return found.get("copy") != self.mine["copy"] and time.time() - found["sign"] < DEAD

    def _taken(self, found: dict[str, Any]) -> UserError:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found.get("since") or time.time()))
        address = self.store.address
        return UserError(
            f"{address.option}: another process is working in {str(address)!r} ({found.get('host', 'unknown host')}, "
            f"since {since}); wait for it or use another {address.option}"
        )
