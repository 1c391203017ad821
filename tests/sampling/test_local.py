"""Shards side by side: order, thrift, and what becomes of errors."""

import threading
import time

import pytest
import torch

from synthgen.sampling.local import produce, run_on_all


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_shards_come_in_the_order_of_asking(workers):
    numbers = iter(range(7))

    def make(number):
        time.sleep(0.02 if number % 2 else 0)
        return number

    assert list(produce(make, lambda in_flight: next(numbers, None), workers, cores=2)) == list(range(7))


def test_asking_stops_while_those_in_flight_look_to_be_enough():
    seen, made = [], []

    def ask(in_flight):
        seen.append(in_flight)
        return len(made) + in_flight if len(made) + in_flight < 3 else None

    for number in produce(lambda number: number, ask, workers=2, cores=2):
        made.append(number)
    assert made == [0, 1, 2] and max(seen) <= 3


def test_workers_share_the_cores_and_the_caller_keeps_its_threads():
    before = torch.get_num_threads()
    assert run_on_all(torch.get_num_threads, workers=2, cores=2) == [1, 1]
    assert run_on_all(torch.get_num_threads, workers=1, cores=2) == [2]
    assert torch.get_num_threads() == before


def test_workers_run_at_once():
    both = threading.Barrier(2, timeout=20)
    assert sorted(run_on_all(both.wait, workers=2, cores=2)) == [0, 1]


def test_an_error_in_a_worker_reaches_the_caller_and_ends_the_rest():
    made, numbers = [], iter(range(100))

    def make(number):
        if number == 2:
            raise OSError(28, "No space left on device")
        made.append(number)

    with pytest.raises(OSError, match="No space"):
        list(produce(make, lambda in_flight: next(numbers, None), workers=2, cores=2))
    assert len(made) < 8
