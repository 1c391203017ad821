"""What a process needs of a run that another one holds at an address: a copy of its own, to read.

The copy is a folder that appears whole, named by what is in it, so several processes of a machine share it and none
sees half of it; a run that was begun anew has another. Nothing is written at the address.

    folder = borrow(Address("s3://bucket/runs/digits"))      # model/, judges/, labels/, state/
"""

from __future__ import annotations

import fcntl
import json
import shutil
from pathlib import Path

from ..errors import UserError
from ..storage import digest_bytes, replace_folder
from .address import Address, cache
from .copy import MAKERS, RECIPE
from .fetching import fetch
from .listing import Entry, read_listing
from .store import Store

MAKING = (RECIPE, "state/source.txt", "state/replay", "model", "judges", "labels", MAKERS)


def borrow(address: Address, *more: str) -> Path:
    """The folder with what makes rows, and with `more` files of the run where they are there. Raises UserError."""
    store = Store(address)
    listing = read_listing(store)
    if listing is None:
        raise UserError(f"{address.option}: {str(address)!r} is not a run's folder; name one that `synthgen run` made")
    wanted = listing.below(*MAKING)
    folder = cache() / "loans" / f"{address.name}-{_digest(wanted)}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _bring(store, wanted, folder)
        _refuse_damaged(store, fetch(store, {**wanted, **listing.below(*more)}, folder))
    return folder


def _bring(store: Store, wanted: dict[str, Entry], folder: Path) -> None:
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    _refuse_damaged(store, fetch(store, wanted, temporary))
    replace_folder(temporary, folder)


def _refuse_damaged(store: Store, damaged: set[str]) -> None:
    if damaged:
        address = store.address
        raise UserError(
            f"{address.option}: {min(damaged)!r} in {str(address)!r} is damaged or changes just now; `synthgen run` "
            "makes it anew"
        )


def _digest(wanted: dict[str, Entry]) -> str:
    return digest_bytes(json.dumps(sorted(wanted.items())).encode())[:12]
