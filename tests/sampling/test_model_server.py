"""Models in memory: which stay, which wishes share a batch, and what happens to those that nobody waits for."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from synthgen.diffusion.stopping import Stopped, go_on
from synthgen.errors import UserError
from synthgen.sampling.engine import Answer, Wish
from synthgen.sampling.model_server import ModelServer


class Maker:
    """Rows that say whose they are; each batch takes its time."""

    lanes = 16
    opened: list[str] = []
    alive: list[str] = []

    def __init__(self, what):
        if what == "bad":
            raise UserError("bad: cannot be opened")
        self.what, self.batches, self.stopped = what, [], threading.Event()
        Maker.opened.append(what)

    def make_shard(self, number):
        return f"{self.what}-{number}".encode(), {}

    def time_bare(self, seconds):
        return 2.0

    def make_rows(self, wishes):
        self.batches.append([wish.seed for wish in wishes])
        try:
            for _ in range(20):
                go_on()
                time.sleep(0.002)
        except Stopped:
            self.stopped.set()
            raise
        total = sum(wish.count for wish in wishes)
        return [Answer([f"{self.what}-{wish.seed}".encode()], wish.count, {}, total, {}) for wish in wishes]


@pytest.fixture
def makers():
    Maker.opened.clear()
    found = {}

    def open_(what):
        found[what] = Maker(what)
        return found[what]

    open_.found = found
    return open_


def test_wishes_that_come_together_share_a_batch(makers):
    async def scenario():
        server = ModelServer(makers)
        answers = await asyncio.gather(*(server.make_rows("a", Wish(seed, 0, 4)) for seed in range(10)))
        assert [answer.rows for answer in answers] == [[f"a-{seed}".encode()] for seed in range(10)]
        assert max(len(batch) for batch in makers.found["a"].batches) == 4  # 16 lanes of 4 rows
        assert sorted(sum(makers.found["a"].batches, [])) == list(range(10))

    asyncio.run(scenario())


def test_free_threads_share_what_waits(makers):
    async def scenario():
        server = ModelServer(makers, threads=2)
        await server.make_shard("a", 0)
        await asyncio.gather(*(server.make_rows("a", Wish(seed, 0, 16 if seed == 3 else 4)) for seed in range(8)))
        sizes = [sum(16 if seed == 3 else 4 for seed in batch) for batch in makers.found["a"].batches]
        assert sum(sizes) == 44 and max(sizes) <= 16 and len(sizes) <= 4
        makers.found["a"].batches.clear()
        makers.found["a"].lanes = 64
        await asyncio.gather(*(server.make_rows("a", Wish(seed, 0, 4)) for seed in range(10)))
        assert sorted(map(len, makers.found["a"].batches)) == [5, 5]

    asyncio.run(scenario())


def test_other_terms_and_forms_are_other_batches(makers):
    async def scenario():
        server = ModelServer(makers)
        wishes = [Wish(0, 0, 1), Wish(1, 0, 1, '{"sample":{}}'), Wish(2, 0, 1, form="arrow"), Wish(3, 0, 1)]
        await asyncio.gather(*(server.make_rows("a", wish) for wish in wishes))
        assert sorted(makers.found["a"].batches) == [[0, 3], [1], [2]]

    asyncio.run(scenario())


def test_a_wish_that_is_larger_than_a_batch_is_made_alone(makers):
    async def scenario():
        server = ModelServer(makers)
        await asyncio.gather(*(server.make_rows("a", Wish(seed, 0, count)) for seed, count in enumerate((3, 40, 3))))
        assert [1] in makers.found["a"].batches

    asyncio.run(scenario())


def test_the_model_that_was_not_asked_for_longest_goes(makers):
    async def scenario():
        server = ModelServer(makers, keep=2)
        for what in ("a", "b", "a", "c", "a", "b"):
            assert (await server.make_shard(what, 7))[0] == f"{what}-7".encode()
        assert Maker.opened == ["a", "b", "c", "b"] and server.loaded() == 2

    asyncio.run(scenario())


def test_idle_models_are_dropped(makers):
    async def scenario():
        server = ModelServer(makers, idle=0.1)
        await server.make_rows("a", Wish(0, 0, 1))
        assert server.loaded() == 1
        await asyncio.sleep(0.4)
        assert server.loaded() == 0
        await server.make_rows("a", Wish(0, 0, 1))
        assert Maker.opened == ["a", "a"]

    asyncio.run(scenario())


def test_many_who_ask_at_once_open_it_once(makers):
    async def scenario():
        server = ModelServer(makers)
        await asyncio.gather(*(server.make_shard("a", number) for number in range(8)))
        assert Maker.opened == ["a"]

    asyncio.run(scenario())


def test_what_cannot_be_opened_is_told_each_time(makers):
    async def scenario():
        server = ModelServer(makers)
        for _ in range(2):
            with pytest.raises(UserError, match="bad: cannot be opened"):
                await server.make_rows("bad", Wish(0, 0, 1))
        assert server.loaded() == 0
        await server.make_rows("a", Wish(0, 0, 1))

    asyncio.run(scenario())


def test_a_batch_ends_at_the_next_step_when_nobody_waits(makers):
    async def scenario():
        server = ModelServer(makers)
        await server.make_shard("a", 0)
        asked = [asyncio.ensure_future(server.make_rows("a", Wish(seed, 0, 2))) for seed in range(2)]
        await asyncio.sleep(0.02)
        asked[0].cancel()
        await asyncio.sleep(0.005)
        assert not makers.found["a"].stopped.is_set()  # the other still waits
        assert (await asked[1]).accepted == 2
        last = asyncio.ensure_future(server.make_rows("a", Wish(9, 0, 2)))
        while [9] not in makers.found["a"].batches:
            await asyncio.sleep(0.002)
        last.cancel()
        assert await asyncio.to_thread(makers.found["a"].stopped.wait, 5)
        assert (await server.make_rows("a", Wish(10, 0, 2))).accepted == 2

    asyncio.run(scenario())
