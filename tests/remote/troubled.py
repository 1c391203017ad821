"""Files in memory that give trouble, and what tests do to a run that is kept there."""

from __future__ import annotations

import errno
import json
import threading
import time
from collections.abc import Callable
from typing import Any

from fsspec.implementations.memory import MemoryFileSystem

from synthgen.remote.address import Address
from synthgen.remote.lease import DEAD, NAME
from synthgen.remote.listing import SLOTS
from synthgen.remote.store import Store
from synthgen.run_folder import RunFolder
from synthgen.storage import digest_bytes, digest_folder, sealed_folder, write_whole

OURS = {*SLOTS, NAME}  # objects that are no files of a run
WRITES = ("pipe_file", "put_file", "rm_file")


class Troubled(MemoryFileSystem):
    """Files in memory; what was put down in `trouble` is done before each call."""

    protocol = "troubled"
    cachable = False
    store: dict[str, Any] = {}
    pseudo_dirs = [""]
    trouble: Callable[[str, str], None] | None = None  # (call, path)

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return super()._strip_protocol(str(path).replace("troubled://", "memory://"))

    def _meet(self, call: str, path: str) -> None:
        if Troubled.trouble is not None:
            Troubled.trouble(call, str(path))

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **more: Any) -> None:
        self._meet("pipe_file", path)
        super().pipe_file(path, value, mode, **more)

    def put_file(self, lpath: str, rpath: str, *rest: Any, **more: Any) -> None:
        self._meet("put_file", rpath)
        super().put_file(lpath, rpath, *rest, **more)

    def rm_file(self, path: str) -> None:
        self._meet("rm_file", path)
        super().rm_file(path)

    def cat_file(self, path: str, *rest: Any, **more: Any) -> bytes:
        self._meet("cat_file", path)
        return bytes(super().cat_file(path, *rest, **more))

    def get_file(self, rpath: str, lpath: str, *rest: Any, **more: Any) -> None:
        self._meet("get_file", rpath)
        super().get_file(rpath, lpath, *rest, **more)


class Every:
    """Every nth call fails, as when a network drops; the same call again does not."""

    def __init__(self, nth: int) -> None:
        self.nth, self.count, self.lock = nth, 0, threading.Lock()
        self.failed: set[tuple[str, str]] = set()

    def __call__(self, call: str, path: str) -> None:
        with self.lock:
            self.count += 1
            if (call, path) in self.failed:
                self.failed.remove((call, path))
            elif self.count % self.nth == 0:
                self.failed.add((call, path))
                raise OSError(errno.ECONNRESET, "Connection reset by peer")


def refuse(error: Exception, *calls: str) -> Callable[[str, str], None]:
    """Those calls fail with the error."""

    def meet(call: str, path: str) -> None:
        if call in calls:
            raise error

    return meet


def finish_shard(place: RunFolder, number: int, data: bytes = b"rows") -> None:
    write_whole(place.shard_path(number), data)
    place.finish_shard(number, digest_bytes(data), {"sample": 1.5})


def spoil(address: Address, name: str, data: bytes | None = None) -> None:
    """Put other bytes into an object, or as many of which one differs."""
    path = "/" + address.url.partition("://")[2] + "/" + name
    old = Troubled.store[path].getvalue()
    MemoryFileSystem.pipe_file(Troubled(), path, old[:-1] + bytes([old[-1] ^ 1]) if data is None else data)


def train(place, weights="weights"):
    """What a run makes before its shards, in its order."""
    with sealed_folder(place.state / "training" / "step-000000001") as folder:
        (folder / "model.safetensors").write_text(weights)
    with sealed_folder(place.model) as folder:
        (folder / "weights").write_text(weights)
    write_whole(place.judges / "judge.json", "{}")
    place.rest_on(weights)


def finish(place):
    """What a run leaves at its end."""
    write_whole(place.dataset / "data" / "a.parquet", "rows")
    write_whole(place.path / "report.html", "report")
    write_whole(place.state / "done", json.dumps(digest_folder(place.dataset)))


def kill(place):
    """As when its machine is gone: no further word, and its lease stays."""
    place.home._stop.set()
    place.home._end.set()
    for thread in place.home._threads:
        thread.join()
    place._lock.close()


def forget(address):
    """The lease's last sign is a minute old."""
    store = Store(address)
    found = json.loads(store.read(NAME))
    store.write(NAME, json.dumps({**found, "sign": found["sign"] - DEAD}).encode())


def wait_until(holds, seconds=20):
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def same(place, there):
    """Whether each file of the run is at the address, byte for byte, and no other."""
    own = {p.relative_to(place.path).as_posix(): p.read_bytes() for p in place.path.rglob("*") if p.is_file()}
    for name in ("state/lock", "state/run.txt"):
        own.pop(name, None)
    return own == {name: data for name, data in there().items() if name not in OURS}
