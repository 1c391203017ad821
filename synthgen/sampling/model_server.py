"""Models in memory, and threads that make shards and rows with them; a Serve replica is one of these.

Several recipes share a server: their makers are opened when they are first asked for, the one that was not asked for
longest goes when there are more than `keep`, and all go that nobody asked for in `idle` seconds. Wishes of one kind
that come in together are made in one batch.

    server = ModelServer(open_maker, threads=2)
    answer = await server.make_rows(what, Wish(seed=0, first=0, count=4))
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from ..diffusion.stopping import stoppable
from .engine import Answer, RowMaker, Shard, ShardMaker, Wish

Made = TypeVar("Made")
LINGER = 0.003  # seconds without a further wish of its kind after which a batch begins, if a thread is free
SOCIABLE = 0.025  # the same where wishes had company in the last seconds
LONGEST = 0.1  # seconds that a wish waits for company at most while a thread is free
MEMORY = 3.0  # seconds in which company is remembered
SMALL = 16  # rows of a batch that is not shared out between threads
LOOK = 30.0  # seconds between looks for makers that nobody asks for


class ModelServer:
    """Everything runs on the event loop of whoever calls, but the work itself."""

    def __init__(
        self, open: Callable[[Any], ShardMaker], threads: int = 1, keep: int = 2, idle: float = math.inf
    ) -> None:
        """`open` reads what a request names, such as (recipe, folder); `threads` shards and as many batches of rows are
        made at a time."""
        import torch

        one: dict[str, Any] = {"initializer": torch.set_num_threads, "initargs": (1,)}
        self._open, self._keep, self._idle = open, keep, idle
        self._makers: OrderedDict[Hashable, asyncio.Future[Any]] = OrderedDict()
        self._asked: dict[Hashable, float] = {}
        self._shards = ThreadPoolExecutor(threads, "shards", **one)
        self._batches = ThreadPoolExecutor(threads, "rows", **one)
        self._opening = ThreadPoolExecutor(1, "opening", **one)
        self._threads = self._free = threads
        self._timing = asyncio.Lock()
        self._waiting: OrderedDict[Hashable, deque[tuple[Wish, asyncio.Future[Answer]]]] = OrderedDict()
        self._since: dict[Hashable, tuple[float, float]] = {}  # when the first and the last that wait came in
        self._crowded = -math.inf  # when a batch last had more than one wish
        self._tasks: set[asyncio.Task[None]] = set()
        self._watching = False

    async def make_shard(self, what: Hashable, number: int) -> Shard:
        maker = await self._maker(what)
        return await _run(self._shards, lambda: maker.make_shard(number))

    async def time_bare(self, what: Hashable, seconds: float) -> float:
        """Rows per second of all threads at once, whoever else asks."""
        maker = await self._maker(what)
        async with self._timing:
            work = (_run(self._shards, lambda: maker.time_bare(seconds)) for _ in range(self._threads))
            return float(sum(await asyncio.gather(*work)))

    async def make_rows(self, what: Hashable, wish: Wish) -> Answer:
        """The wish's rows, in a batch with others of the same recipe, overrides and form that came in meanwhile."""
        await self._maker(what)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        key, now = (what, wish.overrides, wish.form), time.monotonic()
        self._waiting.setdefault(key, deque()).append((wish, answer))
        self._since[key] = (self._since.get(key, (now, now))[0], now)
        self._spawn(self._serve_soon(self._linger(now)))
        return await answer

    async def load(self, what: Hashable) -> int:
        """Open it, and make one row for real; the number of `lanes`."""
        maker = await self._maker(what)
        await self.make_rows(what, Wish(0, 0, 1))
        return int(maker.lanes)

    def loaded(self) -> int:
        """Makers in memory."""
        return len(self._makers)

    async def _maker(self, what: Hashable) -> Any:
        self._asked[what] = time.monotonic()
        if what not in self._makers:
            self._makers[what] = asyncio.ensure_future(_run(self._opening, lambda: self._open(what)))
            if self._idle < math.inf:
                self._spawn(self._forget_idle())
        self._makers.move_to_end(what)
        try:
            maker = await asyncio.shield(self._makers[what])
        except BaseException:
            if what in self._makers and self._makers[what].done():
                self._drop(what)
            raise
        while len(self._makers) > self._keep:
            self._drop(next(iter(self._makers)))
        return maker

    def _drop(self, what: Hashable) -> None:
        self._makers.pop(what, None)
        self._asked.pop(what, None)
        asyncio.get_running_loop().call_soon(_give_memory_back)

    async def _forget_idle(self) -> None:
        if self._watching:
            return
        self._watching = True
        while self._makers:
            await asyncio.sleep(min(LOOK, self._idle / 4))
            for what, at in list(self._asked.items()):
                if time.monotonic() - at > self._idle and (what not in self._makers or self._makers[what].done()):
                    self._drop(what)
        self._watching = False

    async def _serve_soon(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        now = time.monotonic()
        ripe = [key for key in self._waiting if self._is_ripe(*self._since[key], now)][: self._free]
        for key in ripe:
            rows = sum(wish.count for wish, _ in self._waiting[key])
            parts = max(1, min(self._free // len(ripe), rows // SMALL))
            self._waiting.move_to_end(key)
            self._free -= parts
            for _ in range(parts):
                self._spawn(self._serve(key, math.ceil(rows / parts)))

    def _linger(self, now: float) -> float:
        return SOCIABLE if now - self._crowded < MEMORY else LINGER

    def _is_ripe(self, first: float, last: float, now: float) -> bool:
        # a timer may be early by the clock's grain
        return now - last >= self._linger(now) - 0.001 or now - first >= LONGEST

    async def _serve(self, key: Hashable, share: int) -> None:
        try:
            maker: RowMaker = await self._maker(_first(key))
            lanes = await _run(self._opening, lambda: maker.lanes)  # the first time, it looks which batches agree
            batch = self._take(key, lanes, share)
            if len(batch) > 1:
                self._crowded = time.monotonic()
            if batch:
                await self._answer(maker, batch)
        except Exception as error:
            self._since.pop(key, None)
            for _, answer in self._waiting.pop(key, ()):
                if not answer.done():
                    answer.set_exception(error)
        finally:
            self._free += 1
            if self._waiting:
                self._spawn(self._serve_soon(0))

    def _take(self, key: Hashable, lanes: int, share: int) -> list[tuple[Wish, asyncio.Future[Answer]]]:
        """The oldest wishes that still wait, until they have the `share` of rows or the batch is full; what is left
        goes behind the other kinds."""
        queue, rows = self._waiting.pop(key, deque()), 0
        batch: list[tuple[Wish, asyncio.Future[Answer]]] = []
        while queue and (not batch or (rows < share and rows + queue[0][0].count <= lanes)):
            wish, answer = queue.popleft()
            if not answer.done():
                batch.append((wish, answer))
                rows += wish.count
        if queue:
            self._waiting[key] = queue
        else:
            self._since.pop(key, None)
        return batch

    async def _answer(self, maker: RowMaker, batch: list[tuple[Wish, asyncio.Future[Answer]]]) -> None:
        wishes = [wish for wish, _ in batch]
        work = asyncio.ensure_future(_run(self._batches, lambda: maker.make_rows(wishes)))
        watch = [answer for _, answer in batch]
        for answer in watch:
            answer.add_done_callback(lambda _: work.cancel() if all(one.done() for one in watch) else None)
        try:
            made = await work
        except BaseException as error:
            for answer in watch:
                if not answer.done():
                    answer.set_exception(error if isinstance(error, Exception) else RuntimeError("the work was ended"))
            return
        for answer, one in zip(watch, made, strict=True):
            if not answer.done():
                answer.set_result(one)

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _first(key: Any) -> Hashable:
    what: Hashable = key[0]
    return what


async def _run(pool: ThreadPoolExecutor, work: Callable[[], Made]) -> Made:
    """The work on a thread; if nobody waits for it any more, it ends at the next step of the denoiser."""
    unwanted = threading.Event()

    def begin() -> Made:
        with stoppable(unwanted):
            return work()

    try:
        return await asyncio.get_running_loop().run_in_executor(pool, begin)
    except asyncio.CancelledError:
        unwanted.set()
        raise


def _give_memory_back() -> None:
    gc.collect()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # glibc keeps what large arrays leave behind
    except OSError:
        pass
