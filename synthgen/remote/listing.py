"""What counts at an address: the names, sizes and digests of a run's files at one moment.

An object is trusted only if it is in the listing with its size and digest, so one that is half sent, or newer or older
than the listing, is as good as absent. There are two listings in turn, each with a digest of itself: one that is cut
short, on stores where writing is not one step, leaves the one before.

    listing = read_listing(store)
    listing.files["model/digests.json"]      # (size, sha256)
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..storage import digest_bytes
from .store import Store

SLOTS = ("state/listing-0.json", "state/listing-1.json")

Entry = tuple[int, str]  # size, sha256


@dataclass(frozen=True)
class Listing:
    """The files of a run at one moment."""

    run: str = field(default_factory=lambda: uuid.uuid4().hex)  # another one after --fresh
    number: int = 0
    files: Mapping[str, Entry] = field(default_factory=dict)

    def after(self, files: Mapping[str, Entry]) -> Listing:
        """The next one of the same run."""
        return Listing(self.run, self.number + 1, dict(files))

    def below(self, *names: str) -> dict[str, Entry]:
        """The entries of these files, and of files in these folders."""
        return {
            path: entry
            for path, entry in self.files.items()
            if any(path == n or path.startswith(f"{n}/") for n in names)
        }


def read_listing(store: Store) -> Listing | None:
    """The newest that is whole; None where there is none."""
    found = [listing for name in SLOTS if (listing := _parse(store.read(name)))]
    return max(found, key=lambda listing: listing.number, default=None)


def write_listing(store: Store, listing: Listing) -> None:
    body = {"run": listing.run, "number": listing.number, "files": listing.files}
    store.write(SLOTS[listing.number % 2], json.dumps({**body, "sha256": _digest(body)}, indent=0).encode())


def _parse(data: bytes | None) -> Listing | None:
    try:
        body: dict[str, Any] = json.loads(data or b"")
        if body.pop("sha256") != _digest(body):
            return None
        files = {path: (int(size), str(sha256)) for path, (size, sha256) in body["files"].items()}
        return Listing(body["run"], body["number"], files)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _digest(body: Mapping[str, Any]) -> str:
    return digest_bytes(json.dumps(body, sort_keys=True).encode())
