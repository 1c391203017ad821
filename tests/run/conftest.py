"""One tiny run of the digits, made once by a process of its own; the tests copy it and take away what they want remade."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from synthgen import harvest
from synthgen.storage import digest_folder

ROOT = Path(__file__).parents[2]

SMALL = {
    "model.widths": "[8,16]",
    "model.blocks": 1,
    "train.seconds": "null",
    "train.steps": 150,
    "train.batch_size": 8,
    "train.validate_every": 0.02,
    "train.checkpoint_seconds": 0.1,
    "train.early_stop.patience": "null",
    "train.early_stop.nearest_ratio": "null",
    "count": 400,
    "sample.steps": 16,
    "sample.batch_size": 16,
    "sample.shard_size": 16,
    "gates.agreement": "off",
    "evaluate.seeds": 2,
    "evaluate.steps": 20,
    "evaluate.batch_size": 16,
}
DIGITS = ("classification", SMALL)


def words(recipe: str, settings: dict[str, Any], out: Path, **changes: Any) -> list[str]:
    """The words of `synthgen run`; `changes` are settings with __ for the dot."""
    wanted = {**settings, **{name.replace("__", "."): value for name, value in changes.items()}}
    return ["run", recipe, "--out", str(out), *(word for n, v in wanted.items() for word in ("--set", f"{n}={v}"))]


def start(arguments: list[str], **options: Any) -> subprocess.Popen[str]:
    """`synthgen` as a process of its own, on one thread an operation."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-m", "synthgen", *arguments], cwd=ROOT, env=env, stdout=pipe, stderr=pipe, text=True, **options
    )


def events(folder: Path, *kinds: str) -> list[dict[str, Any]]:
    """The lines of the run's log so far, or those of some kinds."""
    try:
        lines = (folder / "state" / "log.jsonl").read_text().splitlines()
    except FileNotFoundError:
        return []
    return [entry for line in lines if not kinds or (entry := json.loads(line))["event"] in kinds]


def data_digests(folder: Path) -> dict[str, str]:
    return digest_folder(folder / "dataset" / "data")


def rewind(folder: Path, *gone: str) -> None:
    """Take away the dataset and what else is named, as if the run had not come so far."""
    for name in ("dataset", "report.html", "state/done", "state/rejections.parquet", *gone):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run that nothing disturbed; copy it before you change it."""
    folder = tmp_path_factory.mktemp("undisturbed") / "digits"
    process = start(words(*DIGITS, folder))
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert str(folder / "dataset") in out
    return folder


@pytest.fixture
def copy(undisturbed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(undisturbed, tmp_path / "digits"))


@pytest.fixture(autouse=True)
def _one_thread_and_no_long_timing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(harvest, "BARE_SECONDS", 0.05)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def digits(command: Callable[..., Any]) -> Callable[..., Any]:
    """Runs the tiny digits recipe into a folder, in this process."""

    def call(folder: Path, *more: str, **changes: Any) -> Any:
        return command(*words(*DIGITS, folder, **changes), *more)

    return call
