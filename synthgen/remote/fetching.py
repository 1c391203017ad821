"""Files of an address come to this machine, each checked by the digest that the listing has of it.

damaged = fetch(store, listing.below("model"), folder)
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..storage import digest
from .listing import Entry
from .store import Store

STREAMS = 8  # files that come at a time


def fetch(store: Store, wanted: Mapping[str, Entry], folder: Path) -> set[str]:
    """Bring the files, but those that are there already as they should be; the names of those that are damaged at the
    address, of which nothing is in the folder then. Raises UserError."""

    def bring(path: str) -> bool:
        return is_as_listed(folder / path, wanted[path]) or _bring(store, path, wanted[path], folder / path)

    with ThreadPoolExecutor(STREAMS, "fetching") as pool:
        return {path for path, well in zip(wanted, pool.map(bring, wanted), strict=True) if not well}


def is_as_listed(path: Path, entry: Entry) -> bool:
    try:
        return path.stat().st_size == entry[0] and digest(path) == entry[1]
    except OSError:
        return False


def _bring(store: Store, name: str, entry: Entry, path: Path) -> bool:
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        if not store.get(name, temporary) or not is_as_listed(temporary, entry):
            return False
        os.replace(temporary, path)
        return True
    finally:
        temporary.unlink(missing_ok=True)
