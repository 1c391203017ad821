"""One process at a time at an address."""

import json

import pytest
from troubled import Troubled

from synthgen.errors import UserError
from synthgen.remote import lease as module
from synthgen.remote.lease import DEAD, NAME, SIGN, Lease, Lost
from synthgen.remote.store import Store


@pytest.fixture
def objects(address):
    return Store(address)


def age(objects, seconds):
    found = json.loads(objects.read(NAME))
    objects.write(NAME, json.dumps({**found, "sign": found["sign"] - seconds}).encode())


def test_the_second_is_refused_by_name(objects):
    Lease(objects, "a").take()
    with pytest.raises(
        UserError, match=r"^--out: another process is working in 'troubled://.*' \(.+, since 20.+\); wait"
    ):
        Lease(objects, "b").take()


def test_given_back_it_is_free(objects):
    first, second = Lease(objects, "a"), Lease(objects, "b")
    first.take()
    first.release()
    second.take()
    first.release()  # not his any more
    with pytest.raises(UserError):
        Lease(objects, "c").take()


@pytest.mark.parametrize("data", [b"", b"{", b'{"turn": 1}', b"[1]"])
def test_one_that_was_cut_short_is_nobodys(objects, data):
    objects.write(NAME, data)
    Lease(objects, "a").take()


def test_one_that_died_is_replaced_after_a_minute_and_stops(objects):
    first, second = Lease(objects, "a"), Lease(objects, "b")
    first.take()
    age(objects, DEAD - 10)
    with pytest.raises(UserError):
        second.take()
    age(objects, 11)
    second.take()
    first.confirm()  # its last sign is young
    first.signed -= SIGN
    with pytest.raises(Lost, match="another process is working .* was replaced"):
        first.confirm()
    second.signed -= SIGN
    second.confirm()


def test_one_that_was_deleted_is_lost(objects):
    lease = Lease(objects, "a")
    lease.take()
    objects.delete([NAME])
    lease.signed -= SIGN
    with pytest.raises(Lost, match="state/lease.json in 'troubled://.*' was deleted; run it again"):
        lease.confirm()


def test_whoever_holds_the_copy_goes_on_at_once(objects):
    """The folder's lock is his, so the process before him is dead."""
    Lease(objects, "a").take()
    Lease(objects, "a").take()


def test_signs_are_given(objects):
    lease = Lease(objects, "a")
    lease.take()
    age(objects, DEAD)
    lease.signed -= SIGN
    lease.confirm()
    with pytest.raises(UserError):
        Lease(objects, "b").take()


def test_of_two_that_write_at_once_one_has_it(objects, monkeypatch):
    """On a store that overwrites: the other one writes between the first one's writing and reading back."""
    Lease(objects, "dead").take()
    age(objects, DEAD)
    second = Lease(objects, "b")
    monkeypatch.setattr(module.time, "sleep", lambda seconds: objects.write(NAME, second._sign()))
    with pytest.raises(UserError, match="another process is working"):
        Lease(objects, "a").take()
    Troubled.trouble = None
    assert json.loads(objects.read(NAME))["copy"] == "b"
