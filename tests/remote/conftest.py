"""A run's folder that has its home in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest
from troubled import Troubled

from synthgen.pipeline import open_folder
from synthgen.recipe import load
from synthgen.remote import lease, mirror, store
from synthgen.remote.address import Address
from synthgen.run_folder import RunFolder


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cache and a memory of one test, and short waits."""
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(store, "PAUSE", 0.001)
    monkeypatch.setattr(lease, "SETTLE", 0.0)
    monkeypatch.setattr(mirror, "EVERY", 0.02)
    fsspec.register_implementation("troubled", Troubled, clobber=True)
    Troubled.store.clear()
    Troubled.pseudo_dirs[:] = [""]
    Troubled.trouble = None
    yield
    Troubled.trouble = None


@pytest.fixture
def address() -> Address:
    return Address("troubled://bucket/runs/digits")


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From here on this is another machine, one whose cache is empty."""
    count = iter(range(100))
    return lambda: monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path / f"machine-{next(count)}"))


@pytest.fixture
def enter(address: Address) -> Callable[..., RunFolder]:
    """The run at the address, to be entered."""

    def call(*changes: str, fresh: bool = False, whole: bool = False) -> RunFolder:
        return open_folder(load("classification", list(changes)), address, fresh=fresh, whole=whole)

    return call


@pytest.fixture
def there(address: Address) -> Callable[[], dict[str, bytes]]:
    """The objects at the address."""
    head = address.url.partition("://")[2] + "/"

    def look() -> dict[str, bytes]:
        found = {path.lstrip("/"): file.getvalue() for path, file in Troubled.store.items()}
        return {path.removeprefix(head): data for path, data in found.items() if path.startswith(head)}

    return look
