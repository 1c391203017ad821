"""What has changed in a run's folder goes to its address, in an order that leaves nothing untrue there.

A turn sends a snapshot: what is gone is deleted first, what rests on something before what it rests on; then what is
new is sent, what is rested on before what rests on it, `state/done` last; then the listing that makes it count. Files
are held by hard links meanwhile, so that a run that goes on takes none of them away.

    sending = Sending(store, lease, folder, listing, held=[], left={}, stop=Event())
    while sending.turn(): ...
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from threading import Event

from ..errors import UserError
from ..storage import digest
from .lease import Lease
from .listing import Entry, Listing, write_listing
from .snapshot import LOG, Mark, mark_of, rank, take_snapshot
from .store import Store

STREAMS = 8  # files that are sent at a time
HELD = ".sending.tmp"  # a name that the folder's own cleaning knows as a leftover


class Changed(Exception):
    """The folder is not any more what the snapshot says."""


class Sending:
    """What is at the address, as far as this process has seen to it."""

    def __init__(
        self, store: Store, lease: Lease, folder: Path, listing: Listing, held: Iterable[str],
        left: Mapping[str, Entry], stop: Event,
    ) -> None:  # fmt: skip
        """`held`: names of objects that are there; `left`: of the listing, what this machine has no copy of and which
        stays as it is; `stop`: begin with no further file."""
        self.store, self.lease, self.folder, self.listing, self.stop = store, lease, folder, listing, stop
        self.held, self.left = set(held) - set(left), dict(left)
        self.sent: dict[str, tuple[Mark, Entry]] = {}
        self.logged = 0  # bytes of the log that are there
        self.looking = 0.0  # seconds that the last look at the folder took

    def know(self, marks: Mapping[str, Mark]) -> None:
        """Files with these marks are there as the listing says."""
        self.sent |= {path: (mark, self.listing.files[path]) for path, mark in marks.items()}

    def turn(self) -> bool:
        """Send what has changed; False where nothing had. Raises UserError."""
        began = time.monotonic()
        snapshot = take_snapshot(self.folder)
        self.looking = time.monotonic() - began
        if snapshot is None:
            return True
        gone = sorted(self.held - set(snapshot), key=rank, reverse=True)
        new = [path for path, mark in snapshot.items() if path not in self.sent or self.sent[path][0] != mark]
        if not gone and not new and self.listing.number:
            return False
        self._delete(gone)
        held = self.folder / HELD
        try:
            sources = _hold(self.folder, held, {path: snapshot[path] for path in new})
            for _, group in groupby(sorted(new, key=rank), rank):
                self._send(list(group), sources, snapshot)
        except Changed:
            return True
        finally:
            shutil.rmtree(held, ignore_errors=True)
        self._close(snapshot)
        return True

    def _delete(self, paths: list[str]) -> None:
        for path in paths:
            self.lease.confirm()
            self.sent.pop(path, None)
            self.store.delete([path])
            self.held.discard(path)

    def _send(self, paths: list[str], sources: Mapping[str, Path], snapshot: Mapping[str, Mark]) -> None:
        """Files that do not rest on one another."""

        def send(path: str) -> Entry:
            if self.stop.is_set():
                raise Changed
            self.lease.confirm()
            try:
                entry = (snapshot[path][0], digest(sources[path]))
                self.store.send(sources[path], path)
            except (OSError, UserError):
                if _is_changed(sources[path], snapshot[path]):
                    raise Changed from None
                raise
            return entry

        pool = ThreadPoolExecutor(STREAMS, "sending")
        self.held |= set(paths)
        self.left = {path: entry for path, entry in self.left.items() if path not in self.held}
        try:
            for path, entry in zip(paths, pool.map(send, paths), strict=True):
                self.sent[path] = snapshot[path], entry
        finally:
            pool.shutdown(cancel_futures=True)

    def _close(self, snapshot: Mapping[str, Mark]) -> None:
        """What was sent counts from here on."""
        self.send_log()
        self.lease.confirm()
        listing = self.listing.after({**self.left, **{path: self.sent[path][1] for path in snapshot}})
        write_listing(self.store, listing)
        self.listing = listing

    def send_log(self) -> None:
        """The log, where it has grown."""
        path = self.folder / LOG
        data = path.read_bytes() if path.exists() else b""
        if len(data) > self.logged:
            self.lease.confirm()
            self.store.write(LOG, data)
            self.logged = len(data)


def _hold(folder: Path, held: Path, wanted: Mapping[str, Mark]) -> dict[str, Path]:
    """Each file under another name, which stays when its own is taken away."""
    shutil.rmtree(held, ignore_errors=True)
    held.mkdir()
    found: dict[str, Path] = {}
    for number, (path, mark) in enumerate(wanted.items()):
        found[path] = held / str(number)
        try:
            os.link(folder / path, found[path])
        except OSError:  # a disk without links, or the file is gone
            found[path] = folder / path
        if _is_changed(found[path], mark):
            raise Changed
    return found


def _is_changed(path: Path, mark: Mark) -> bool:
    try:
        return mark_of(path.stat()) != mark
    except FileNotFoundError:
        return True
