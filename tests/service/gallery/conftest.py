"""Finished runs of every task, a service around them, and a real Chromium that looks at it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from little_runs import RECIPES, make_run
from little_service import Little, serving

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A finished run of each task, by the task's name."""
    place = tmp_path_factory.mktemp("runs")
    return {task: make_run(task, place / task) for task in RECIPES}


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 kept and 30 rejected digits: four pages."""
    return make_run("classification", tmp_path_factory.mktemp("runs") / "digits", kept=120, rejected=30)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Of one module: Playwright keeps an event loop running in this thread, beside which no other can be begun."""
    sync_api = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.is_file():
        pytest.skip(f"{CHROMIUM} is not there; install Debian's chromium or set CHROMIUM")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[Little, str]]]:
    """Starts a service around some folders; gives its state and its address."""
    opened: list[Any] = []

    def call(folders: dict[str, Path], **settings: Any) -> tuple[Little, str]:
        little = Little(folders, **settings)
        opened.append(serving(little))
        return little, opened[-1].__enter__()

    yield call
    for service in opened:
        service.__exit__(None, None, None)


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Opens an address in a page of its own; a test fails if the page complains or asks another host for anything."""
    complaints: list[str] = []
    contexts: list[Any] = []

    def call(
        base: str, path: str = "", *, size: tuple[int, int] = (1280, 860), quiet: bool = True, **settings: Any
    ) -> Any:
        context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda asked: _note_stranger(asked.url, base, complaints))
        if quiet:
            page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.goto(f"{base}/{path}")
        return page

    yield call
    for context in contexts:
        context.close()
    assert not complaints


def _note_stranger(url: str, base: str, complaints: list[str]) -> None:
    if not url.startswith((base, "blob:", "data:")):
        complaints.append(f"asked {url}")
