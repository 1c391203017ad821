"""The Ray engine with makers that hold nothing: order, bounds, mistakes, and what dies."""

from __future__ import annotations

import os
import sys
import time
from functools import partial

import psutil
import pytest

from synthgen.errors import UserError
from synthgen.sampling.engine import Orders
from synthgen.sampling.serve import RayEngine, RayOptions, connect

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True, scope="module")
def _replicas_can_have_what_stands_here():
    connect(RayOptions())
    from ray import cloudpickle, shutdown

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    shutdown()


class Maker:
    """Shards that say their number; some end their process the first time that they are asked for."""

    def __init__(self, folder, deadly=(), wrong=(), closed=False):
        if closed:
            raise UserError(f"{folder} cannot be opened")
        self.folder, self.deadly, self.wrong = folder, deadly, wrong

    def make_shard(self, number):
        mark = self.folder / f"died-{number}"
        if number in self.deadly and not mark.exists():
            mark.touch()
            os._exit(1)
        if number in self.wrong:
            raise UserError(f"shard {number} cannot be made")
        time.sleep(0.02 * (number % 3))
        return str(number).encode(), {"sample": 0.02}

    def time_bare(self, seconds):
        return 1.0


@pytest.fixture
def engine(tmp_path):
    def call(**traits):
        return RayEngine(partial(Maker, **traits), tmp_path, RayOptions((2, 2), 1))

    return call


def orders(count, there=()):
    numbers, finished, most = iter(range(count)), [], [0]

    def ask(in_flight):
        most[0] = max(most[0], in_flight + 1)
        return next(numbers, None)

    def finish(number, data, seconds):
        assert data == str(number).encode() and seconds
        finished.append(number)

    return Orders(ask, lambda number: number in there, finish), finished, most


def test_shards_come_in_order_and_few_are_in_flight(engine):
    wanted, finished, most = orders(40, there={3, 4})
    with engine() as replicas:
        assert list(replicas.produce(wanted)) == list(range(40))
        assert replicas.time_bare(0.01) == 2.0 and replicas.workers == 2
    assert finished == [n for n in range(40) if n not in (3, 4)] and most[0] <= 4


def test_a_shard_whose_replica_dies_is_asked_for_again(engine):
    wanted, finished, _ = orders(20)
    with engine(deadly=(2, 11)) as replicas:
        assert list(replicas.produce(wanted)) == list(range(20))
    assert finished == list(range(20))


def test_a_mistake_in_a_replica_is_told_as_it_is(engine):
    wanted, finished, _ = orders(20)
    with engine(wrong=(5,)) as replicas, pytest.raises(UserError, match="^shard 5 cannot be made$"):
        list(replicas.produce(wanted))
    assert finished == list(range(5))


def test_a_run_that_cannot_be_opened_is_told_as_it_is(engine, tmp_path):
    wanted, finished, _ = orders(20)
    with engine(closed=True) as replicas, pytest.raises(UserError, match=f"^{tmp_path} cannot be opened$"):
        list(replicas.produce(wanted))
    assert not finished


def test_only_this_machine_is_listened_to(engine):
    with engine():
        mine = psutil.Process().children(recursive=True)
        heard = [at for process in mine for at in process.net_connections("tcp") if at.status == psutil.CONN_LISTEN]
    outside = {at.laddr.port for at in heard if at.laddr.ip not in ("127.0.0.1", "::1", "::ffff:127.0.0.1")}
    assert len(heard) > 5 and len(outside) <= 2  # a port of each replica, where Serve asks for the token
