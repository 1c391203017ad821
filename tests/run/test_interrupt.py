"""Ctrl-C, a full disk, a folder that cannot be written: told in one line, and what is finished is kept."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tiny import DIGITS, data_digests, events, rewind, start, words

from synthgen import storage

SAMPLED = ("state/shards", "state/memory")


def wait_for(process: subprocess.Popen, folder: Path, event: str) -> None:
    while process.poll() is None and not any(entry["process"] == process.pid for entry in events(folder, event)):
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_how_to_go_on(copy, undisturbed, digits, number):
    rewind(copy, *SAMPLED)
    process = start(words(*DIGITS, copy))
    wait_for(process, copy, "shard")
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130 and "Traceback" not in err
    assert err.splitlines()[-1].startswith(
        "synthgen: interrupted; what is finished is kept; to go on, run: synthgen run "
    )
    assert "done" not in [entry["event"] for entry in events(copy) if entry["process"] == process.pid]
    assert digits(copy).code == 0
    assert data_digests(copy) == data_digests(undisturbed)


@pytest.mark.slow
def test_an_interrupted_evaluation_does_not_wait_for_its_learners(tmp_path):
    process = start(words(*DIGITS, tmp_path / "run", evaluate__steps=100_000))
    wait_for(process, tmp_path / "run", "sampled")
    time.sleep(3)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    try:
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130 and err.splitlines()[-1].startswith("synthgen: interrupted")
    assert time.monotonic() - began < 60  # one learner alone would take hours


def test_a_full_disk_is_one_sentence_and_the_earlier_shards_stay(copy, undisturbed, digits, monkeypatch):
    rewind(copy, *SAMPLED)
    sync, left, before = os.fsync, [20], len(events(copy))

    def full(handle):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(storage.os, "fsync", full)
        outcome = digits(copy)
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1] == (
        "synthgen: the disk is full; free some space or choose another folder with --out, then run again"
    )
    whole = {path.stem: path.read_bytes() for path in (copy / "state" / "shards").glob("[0-9]*.parquet")}
    told = {f"{entry['number']:06d}" for entry in events(copy)[before:] if entry["event"] == "shard"}
    assert told and told <= set(whole) and len(whole) < 25
    assert digits(copy).code == 0
    assert all((copy / "state" / "shards" / f"{name}.parquet").read_bytes() == data for name, data in whole.items())
    assert data_digests(copy) == data_digests(undisturbed)


@pytest.fixture
def small_disk(tmp_path):
    """Mounts a disk of so many KiB; skips where that is not allowed."""
    mounted = []

    def mount(kib: int) -> Path:
        place = tmp_path / f"disk{len(mounted)}"
        place.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", place], capture_output=True)
        if done.returncode:
            pytest.skip("mounting a small disk is not allowed here")
        mounted.append(place)
        return place

    with contextlib.ExitStack() as after:
        after.callback(lambda: [subprocess.run(["umount", place], check=True) for place in mounted])
        try:
            yield mount
        except FileNotFoundError:
            pytest.skip("there is no mount command here")


@pytest.mark.slow
@pytest.mark.parametrize("kib", [8, 100, 600, 1000])
def test_a_disk_that_is_really_full(small_disk, digits, kib):
    """8 KiB: no room for the recipe; then for a first checkpoint, for the third, for the model."""
    outcome = digits(small_disk(kib) / "run", train__steps=20)
    assert outcome.code == 2, outcome.err
    assert outcome.err.splitlines()[-1].startswith("synthgen: the disk is full; free some space")
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("parent", ["file", "proc"])
def test_an_unwritable_folder_is_one_sentence(digits, tmp_path, parent):
    (tmp_path / "file").touch()
    outcome = digits(Path("/proc/1/none") if parent == "proc" else tmp_path / "file" / "run")
    assert outcome.code == 2
    assert outcome.err.startswith("synthgen: ") and outcome.err.count("\n") == 1 and "--out" in outcome.err
