"""Fixtures of every test. Tests need no network and no file outside the repository."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tiny import DIGITS, start, words

from synthgen.cli import main

if "PYTEST_XDIST_WORKER" in os.environ:  # torch has not been imported yet; workers that wait for cores crawl
    os.environ["OMP_NUM_THREADS"] = "1"


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _hub_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.setenv(name, "1")


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
