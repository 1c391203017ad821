"""One tiny run of the digits, made once by a process of its own; tests copy it and take away what is to be remade."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import DIGITS, words

from synthgen import harvest


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
