"""Room for requests: how many at once, of one key, and rows a minute."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from synthgen.service.admission import Admission
from synthgen.service.problems import Problem


@pytest.fixture
def clock():
    return [100.0]


def refused(admission, key="a", rows=1):
    with pytest.raises(Problem) as raised, admission.enter(key, rows):
        pass
    assert raised.value.status_code == 429
    return int(raised.value.headers["Retry-After"])


def test_room_is_bounded_and_given_back(clock):
    admission = Admission(3, 2, 1000, lambda: clock[0])
    with ExitStack() as inside:
        for key in ("a", "a", "b"):
            inside.enter_context(admission.enter(key, 1))
        assert refused(admission, "c") >= 1
    assert admission.inside == 0
    with admission.enter("a", 1), admission.enter("a", 1):
        refused(admission, "a")  # its own share
        with admission.enter("b", 1):
            pass


def test_a_failure_inside_gives_the_room_back(clock):
    admission = Admission(1, 1, 1000, lambda: clock[0])
    with pytest.raises(ZeroDivisionError), admission.enter("a", 1):
        raise ZeroDivisionError
    assert admission.inside == 0


def test_the_allowance_of_rows_comes_back_evenly(clock):
    admission = Admission(9, 9, 600, lambda: clock[0])
    with admission.enter("a", 600):
        pass
    assert refused(admission, rows=100) == 10
    with admission.enter("b", 600):
        pass
    clock[0] += 10
    with admission.enter("a", 100):
        pass
    refused(admission, rows=1)
    clock[0] += 60
    with admission.enter("a", 5000):  # more than a minute's, once nothing is owed
        pass
    assert 430 <= refused(admission, rows=1) <= 441


def test_the_time_to_wait_follows_how_long_requests_take(clock):
    admission = Admission(1, 9, 10**6, lambda: clock[0])
    for _ in range(60):
        with admission.enter("a", 1):
            clock[0] += 20
    with admission.enter("a", 1):
        assert 15 <= refused(admission, "b") <= 20
