"""Runs whose folder is a URL: made there, gone on with on another machine, whatever was interrupted or damaged."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny import DIGITS, data_digests, events, rewind, start, words

from synthgen.pipeline import open_folder
from synthgen.recipe import Recipe, load
from synthgen.remote import lease
from synthgen.remote.address import Address
from synthgen.remote.listing import SLOTS
from synthgen.storage import digest_folder

Machine = Callable[[], Path]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Another machine from here on, with an empty cache; gives the copy's folder."""
    monkeypatch.setattr(lease, "SETTLE", 0.0)
    count = iter(range(100))

    def change() -> Path:
        monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path / f"machine-{next(count)}"))
        return address(tmp_path).copy()

    change()
    return change


def address(tmp_path: Path) -> Address:
    return Address(f"file://{home(tmp_path)}")


def home(tmp_path: Path) -> Path:
    return tmp_path / "home" / "digits"


def recipe_of(folder: Path) -> Recipe:
    return load(str(folder / "dataset" / "recipe.yaml"))


def publish(folder: Path, tmp_path: Path, *gone: str) -> Path:
    """The run in `folder` at the URL, without what is named; the folder that the URL stands for."""
    with open_folder(recipe_of(folder), address(tmp_path)) as place:
        shutil.copytree(folder, place.path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("lock"))
        if gone:
            rewind(place.path, *gone)
    return home(tmp_path)


def test_a_finished_run_is_told_of_on_another_machine(undisturbed, tmp_path, machine, digits):
    there = publish(undisturbed, tmp_path)
    before, copy = digest_folder(there), machine()
    assert set(digest_folder(undisturbed)) - {"state/lock"} == set(before) - set(SLOTS)
    outcome = digits(f"file://{there}")
    assert outcome.code == 0 and f"file://{there}/dataset\n" in outcome.out
    assert outcome.out.endswith(f"report: file://{there}/report.html\n")
    assert digest_folder(there) == before and not (copy / "model").exists()
    assert data_digests(there) == data_digests(undisturbed) == data_digests(copy)


def test_another_machine_makes_what_is_missing_or_damaged(undisturbed, tmp_path, machine, digits):
    there = publish(undisturbed, tmp_path, "state/rejections.parquet")
    shards = there / "state" / "shards"
    (shards / "000003.parquet").write_bytes(b"rows")
    (shards / "000005.json").unlink()
    (shards / "000007.parquet").unlink()
    before, _ = len(events(there)), machine()
    assert digits(f"file://{there}").code == 0
    made = sorted(entry["number"] for entry in events(there)[before:] if entry["event"] == "shard")
    assert made == [3, 5, 7] and data_digests(there) == data_digests(undisturbed)
    machine()
    assert digits(f"file://{there}").code == 0


def test_a_row_again_and_a_preview(undisturbed, tmp_path, machine, command):
    there, url = publish(undisturbed, tmp_path), str(address(tmp_path))
    before, _ = digest_folder(there), machine()
    assert command("regenerate", url, "17").out == "row 17: identical\n"
    told = command("regenerate", url, "99999")
    assert told.code == 2 and "INDEX: 99999 was never made in this run" in told.err
    told = command("regenerate", f"{url}-none", "17")
    assert told.code == 2 and f"RUN: '{url}-none' is not a run's folder" in told.err
    assert digest_folder(there) == before
    recipe = str(undisturbed / "dataset" / "recipe.yaml")
    outcome = command("preview", recipe, "--out", url, "-n", "8")
    assert outcome.code == 0 and outcome.out.split() == [f"{url}/preview.png", f"{url}/preview.parquet"]
    assert (there / "preview.png").is_file() and data_digests(there) == data_digests(undisturbed)


def test_a_refused_run_leaves_nothing(tmp_path, machine, digits, command):
    url = str(address(tmp_path))
    assert digits(url, source__path="/nowhere", source__kind="files").code == 2
    told = digits(url, sample__shard_size=0)
    assert told.code == 2 and not home(tmp_path).parent.exists()
    assert not list(tmp_path.glob("machine-*/runs/*/state"))
    (tmp_path / "file").touch()
    told = digits(f"file://{tmp_path}/file/digits")
    assert told.code == 2 and told.err.startswith(f"synthgen: --out: 'file://{tmp_path}/file/digits' cannot hold a run")
    for url, sentence in (("gopher://b/x", "cannot be opened"), ("s3://", "names no bucket or folder")):
        for words_ in (("run", "classification"), ("validate", "classification"), ("preview", "classification")):
            told = command(*words_, "--out", url)
            assert told.code == 2 and f"--out: {url!r} {sentence}" in told.err and told.err.count("\n") == 1
    told = command("serve", "s3://bucket/runs/x")
    assert told.code == 2 and "RECIPE: 's3://bucket/runs/x' is a URL, and serve reads a run's folder" in told.err


def test_another_recipe_is_refused_there_too(undisturbed, tmp_path, machine, digits):
    there = publish(undisturbed, tmp_path)
    before, _ = digest_folder(there), machine()
    outcome = digits(f"file://{there}", sample__steps=5)
    assert outcome.code == 2 and f"'file://{there}' was made with another recipe: sample.steps" in outcome.err
    assert digest_folder(there) == before


def test_validate_writes_nothing(tmp_path, machine, command):
    outcome = command("validate", "classification", "--out", str(address(tmp_path)))
    assert outcome.code == 0 and f"rows in {address(tmp_path)}" in outcome.out and "for the copy in" in outcome.out
    assert [path.name for path in tmp_path.iterdir()] == []


def lose(tmp_path: Path) -> None:
    """A minute has passed since the last sign of life."""
    path = home(tmp_path) / lease.NAME
    found = json.loads(path.read_text())
    path.write_text(json.dumps({**found, "sign": found["sign"] - lease.DEAD}))


def kill_when(process: subprocess.Popen[str], holds: Callable[[], bool]) -> None:
    try:
        while process.poll() is None and not holds():
            time.sleep(0.002)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == -9, "it ended by itself"


@pytest.mark.slow
def test_machines_that_are_lost_while_they_sample_and_send_change_nothing(undisturbed, tmp_path, machine):
    """SIGKILL in training, while files are sent, and in sampling; each time another machine with nothing goes on."""
    asked, there = words(*DIGITS, tmp_path / "replaced"), home(tmp_path)
    asked[asked.index("--out") + 1] = str(address(tmp_path))
    shards = there / "state" / "shards"

    def sending(copy: Path) -> Callable[[], bool]:
        return lambda: any((there / "state" / "training").glob("*/*")) and (copy / ".sending.tmp").exists()

    for moment in (
        sending,
        lambda copy: lambda: (there / "model" / "digests.json").exists(),
        lambda copy: lambda: len(list(shards.glob("*.json"))) > 3,
        lambda copy: lambda: len(events(copy, "shard")) > 2 and (copy / ".sending.tmp").exists(),
        lambda copy: lambda: len(events(copy, "measured")) > 2,
    ):
        copy = machine()
        kill_when(start(asked, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), moment(copy))
        lose(tmp_path)
    copy = machine()
    process = start(asked)
    _, err = process.communicate(timeout=580)
    assert process.returncode == 0, err
    assert data_digests(there) == data_digests(undisturbed) == data_digests(copy)
    assert not (there / lease.NAME).exists()


@pytest.mark.slow
def test_replicas_open_the_run_at_its_url(undisturbed, tmp_path, machine):
    there = publish(undisturbed, tmp_path, "state/shards")
    copy = machine()
    asked = words(*DIGITS, tmp_path / "replaced")
    asked[asked.index("--out") + 1] = str(address(tmp_path))
    process = start([*asked, "--engine", "ray", "--replicas", "2"])
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert data_digests(there) == data_digests(undisturbed)
    (loan,) = [path for path in (copy.parents[1] / "loans").iterdir() if path.is_dir()]
    assert (loan / "model").is_dir() and not (loan / "state" / "shards").exists()
