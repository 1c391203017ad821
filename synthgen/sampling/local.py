"""The local engine: worker threads that share one model and make shards side by side.

for number in LocalEngine(maker, workers=2, cores=2).produce(orders):
    ...
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import torch

from .engine import Orders, ShardMaker

Asked = TypeVar("Asked")
Made = TypeVar("Made")


def produce(
    make: Callable[[Asked], Made], ask: Callable[[int], Asked | None], workers: int, cores: int
) -> Iterator[Made]:
    """make(n) for each n that `ask` gives, in the order of asking.

    `ask(in_flight)` is called whenever a worker could take a shard and gives the next one, or None while those in
    flight look to be enough; production ends when it gives None with nothing in flight. The cores are shared out: two
    workers of one thread each beat one worker of two on small nets, since nothing waits at the end of every operation.
    """
    threads, before = max(1, cores // workers), torch.get_num_threads()
    # torch keeps the number of threads per thread: each worker sets its own
    pool = ThreadPoolExecutor(workers, "sampling", initializer=torch.set_num_threads, initargs=(threads,))
    # so does the caller, who looks at finished shards while the workers keep every core busy
    torch.set_num_threads(1)
    begun: deque[Future[Made]] = deque()
    try:
        while True:
            while len(begun) <= workers and (number := ask(len(begun))) is not None:
                begun.append(pool.submit(make, number))
            if not begun:
                return
            yield begun.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(before)


def run_on_all(work: Callable[[], Made], workers: int, cores: int) -> list[Made]:
    """The same work on every worker at once, as `produce` would have it."""
    numbers = iter(range(workers))
    return list(produce(lambda _: work(), lambda _: next(numbers, None), workers, cores))


@dataclass(frozen=True)
class LocalEngine:
    """Threads of this process."""

    maker: ShardMaker
    workers: int
    cores: int

    def produce(self, orders: Orders) -> Iterator[int]:
        def make(number: int) -> int:
            if not orders.is_there(number):
                orders.finish(number, *self.maker.make_shard(number))
            return number

        return produce(make, orders.ask, self.workers, self.cores)

    def time_bare(self, seconds: float) -> float:
        run_on_all(lambda: self.maker.time_bare(0.01), self.workers, self.cores)  # first calls prepare kernels
        return sum(run_on_all(lambda: self.maker.time_bare(seconds), self.workers, self.cores))
