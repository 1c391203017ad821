"""Fixtures of every test. Tests need no network and no file outside the repository."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

if ONE_OF_MANY := "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is imported; workers that wait for cores crawl

import torch  # noqa: E402
from tiny import DIGITS, start, words  # noqa: E402

from synthgen.cli import main  # noqa: E402


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _hub_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.setenv(name, "1")


@pytest.fixture(autouse=True)
def _torch_keeps_its_threads() -> Iterator[None]:
    """A test that changes them, as numba does too, would make every later test of its worker crawl."""
    count = torch.get_num_threads()
    assert count == 1 or not ONE_OF_MANY
    yield
    found = torch.get_num_threads()
    torch.set_num_threads(count)
    assert found == count


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Runs `synthgen <words>` in this process."""
    monkeypatch.delenv("SYNTHGEN_DEBUG", raising=False)

    def call(*words: str | Path) -> Outcome:
        capsys.readouterr()
        code = main([str(word) for word in words])
        return Outcome(code, *capsys.readouterr())

    return call


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run that nothing disturbed; copy it before you change it."""
    folder = tmp_path_factory.mktemp("undisturbed") / "digits"
    process = start(words(*DIGITS, folder))
    out, err = process.communicate(timeout=580)
    assert process.returncode == 0, err
    assert str(folder / "dataset") in out
    return folder
