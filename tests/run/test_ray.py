"""Runs whose shards are made by Ray Serve replicas: the same dataset, whoever dies on the way."""

from __future__ import annotations

import time

import psutil
import pytest
from tiny import DIGITS, data_digests, descendants, events, rewind, start, words

pytestmark = pytest.mark.slow


def go_on(folder, *more):
    """`synthgen run` on the folder as a process; its replicas are among its descendants."""
    return start([*words(*DIGITS, folder), "--engine", "ray", *more])


def replicas(process):
    return descendants(process, "ServeReplica")


@pytest.mark.parametrize("words_", [("--threads-per-replica", "2"), ("--replicas", "1-2")])
def test_replicas_make_the_same_dataset(copy, undisturbed, words_):
    rewind(copy, "state/shards")
    process = go_on(copy, *words_)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert data_digests(copy) == data_digests(undisturbed)


def test_replicas_that_are_killed_change_nothing(copy, undisturbed):
    rewind(copy, "state/shards")
    process = go_on(copy, "--replicas", "2")
    killed, seen = 0, 0
    while process.poll() is None:
        made = len(events(copy, "shard"))
        if killed < 3 and made >= seen + 3 and (found := replicas(process)):
            found[killed % len(found)].kill()
            killed, seen = killed + 1, made
        time.sleep(0.05)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0 and killed, err
    assert data_digests(copy) == data_digests(undisturbed)


def test_nothing_is_left_behind_by_an_interruption(copy):
    rewind(copy, "state/shards")
    process = go_on(copy, "--replicas", "2")
    while not replicas(process):
        assert process.poll() is None
        time.sleep(0.1)
    mine = descendants(process)
    process.send_signal(2)
    process.communicate(timeout=120)
    assert process.returncode == 130
    _, alive = psutil.wait_procs(mine, timeout=30)
    assert not [child for child in alive if child.status() != psutil.STATUS_ZOMBIE]


def test_an_address_where_nothing_listens_is_named(copy):
    rewind(copy, "state/shards")
    for address, told in (("127.0.0.1:1", "cannot be reached"), ("here", "is no address")):
        process = go_on(copy, "--ray-address", address)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 2 and f"--ray-address: {address!r} {told}" in err, err
        assert "Traceback" not in err
