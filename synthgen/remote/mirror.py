"""A run's folder whose home is a URL: worked on in a copy on this machine, from which a thread sends what is finished.

Sending goes on beside the work and never waits for it. An interruption loses nothing that was sent, and on this machine
nothing at all: the copy is there. What is trusted when work goes on is said in `copy`, who may work in `lease`.

    with RunFolder(address.copy(), recipe, fresh=False, home=Mirror(address)) as run: ...
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable

from ..errors import UserError
from ..home import Home
from ..storage import write_whole
from .address import Address
from .copy import RECIPE, RUN, follow
from .lease import SIGN, Lease, Lost
from .listing import SLOTS, Entry, Listing, read_listing
from .sending import Sending
from .snapshot import LOG, ORDER, Mark, is_kept, rank, take_snapshot
from .store import TRIES, Store

EVERY = 1.0  # seconds between two looks at what has changed
SHARE = 20  # so many times as long as a look took
PATIENT = 8  # tries of what may succeed yet, once work is at stake: a minute
HURRY = 5.0  # seconds that an interrupted run waits for a file that is being sent


class Mirror(Home):
    """The home of a run at an address."""

    def __init__(self, address: Address, whole: bool = False) -> None:
        """`whole`: of a finished run bring everything, not only what tells that it is finished."""
        self.address, self.folder, self.whole = address, address.copy(), whole
        super().__init__(str(address))
        self.store = Store(address)
        self.listing: Listing | None = None
        self.objects: dict[str, int] = {}  # what was there when this process came: size by name
        self.logged = 0  # bytes of the log there
        self.left: dict[str, Entry] = {}
        self.brought: dict[str, Mark] = {}  # the copy before this process changed it
        self.lease: Lease | None = None
        self.sending: Sending | None = None
        self.error: Exception | None = None
        self._turns = threading.Lock()
        self._stop, self._end = threading.Event(), threading.Event()  # of the sending; of the signs of life
        self._threads: list[threading.Thread] = []

    def take(self) -> None:
        objects = self.store.sizes()
        strangers = sorted({name.partition("/")[0] for name in objects} - {name.partition("/")[0] for name in ORDER})
        if strangers and RECIPE not in objects:
            raise UserError(
                f"{self.address.option}: {self.name!r} holds {strangers[0]!r} and is not a run's folder; name a new one"
            )
        mark = self.folder.with_name(f"{self.folder.name}.id")  # of the copy; whoever holds its lock may use it
        copy = mark.read_text() if mark.exists() else uuid.uuid4().hex
        lease = Lease(self.store, copy)
        lease.take()
        write_whole(mark, copy)
        self.lease = lease
        self._start(self._give_signs)
        found = self.store.sizes()
        self.objects = {name: size for name, size in found.items() if is_kept(name)}
        self.logged = found.get(LOG, 0)
        self.listing = read_listing(self.store)

    def fetch(self) -> None:
        self.left = follow(self.store, self.listing, self.folder, self.whole)
        self.brought = take_snapshot(self.folder) or {}

    def clear(self) -> None:
        assert self.lease is not None
        with self._turns:
            self._stop.set()
            self.lease.confirm()
            there = self.sending.held | set(self.left) if self.sending else set(self.objects)
            self.store.delete([*SLOTS, *sorted(there, key=rank, reverse=True), LOG])
            self.listing, self.objects, self.left, self.brought, self.sending = None, {}, {}, {}, None
            self.logged = 0

    def begin(self) -> None:
        assert self.lease is not None
        self.store.tries = PATIENT
        listing = self.listing or Listing()
        write_whole(self.folder / RUN, listing.run)
        self.sending = Sending(self.store, self.lease, self.folder, listing, self.objects, self.left, self._stop)
        whole = {path for path, (size, _) in listing.files.items() if self.objects.get(path) == size}
        self.sending.logged = self.logged
        self.sending.know({path: mark for path, mark in self.brought.items() if path in whole})
        self._stop.clear()
        if not listing.number:
            self.sending.turn()
        self._start(self._keep_sending)

    def notice(self) -> None:
        if self.error is not None:
            raise self.error

    def send(self) -> None:
        self.notice()
        with self._turns:
            while self.sending is not None and self.sending.turn():
                self.notice()

    def leave(self, finish: bool) -> None:
        self._stop.set()
        for thread in self._threads[1:]:
            thread.join(None if finish else HURRY)
        try:
            if finish:
                self._stop.clear()
                self.send()
                if self.sending is not None:
                    self.sending.send_log()
        finally:
            self._give_back(TRIES if finish and self.error is None else 2)

    def _give_back(self, tries: int) -> None:
        """The lease, unless a file is still on its way: then nobody shall write there for a minute."""
        self._end.set()
        on_its_way = any(thread.is_alive() for thread in self._threads[1:])
        if self.lease is None or isinstance(self.error, Lost) or on_its_way:
            return
        self._threads[0].join(HURRY)
        self.store.tries = tries
        try:
            self.lease.release()
            if self.sending is None:
                self.store.vanish()
        except UserError:
            pass  # it ends by itself

    def _start(self, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except Exception as error:
                self.error = self.error or error

        self._threads.append(threading.Thread(target=guarded, name=work.__name__, daemon=True))
        self._threads[-1].start()

    def _give_signs(self) -> None:
        while not self._end.wait(SIGN / 2) and self.lease is not None:
            self.lease.confirm()

    def _keep_sending(self) -> None:
        pause = EVERY
        while not self._stop.wait(pause) and self.error is None:
            with self._turns:
                if self.sending is None or self._stop.is_set():
                    return
                self.sending.turn()
                pause = max(EVERY, SHARE * self.sending.looking)
