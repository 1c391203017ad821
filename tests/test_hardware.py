from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from synthgen import hardware, progress
from synthgen.doctor import table
from synthgen.estimate import estimate
from synthgen.hardware import GIB, Hardware
from synthgen.recipe import Recipe, load

TEXT = "name: small\ntask: classification\ncount: 1000\nsource: {kind: builtin, name: digits}\n"


@pytest.fixture
def small(tmp_path: Path) -> str:
    path = tmp_path / "small.yaml"
    path.write_text(TEXT)
    return str(path)


def _cgroup(folder: Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> None:
    for name, text in files.items():
        (folder / name.replace("_", ".", 1)).write_text(text + "\n")
    monkeypatch.setattr(hardware, "CGROUP", folder)


def test_describe_is_json() -> None:
    described = json.loads(json.dumps(hardware.look().describe()))
    assert set(described) == {"versions", "hardware"}
    assert described["versions"]["torch"] and described["versions"]["synthgen"]
    assert described["hardware"]["cores"] >= 1
    assert 0 < described["hardware"]["available_gib"] <= described["hardware"]["memory_gib"]


@pytest.mark.parametrize(("quota", "cores"), [("150000 100000", 2), ("max 100000", 64), ("50000 100000", 1), ("", 64)])
def test_cores_follow_the_containers_quota(
    quota: str, cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    _cgroup(tmp_path, monkeypatch, cpu_max=quota)
    assert hardware.cores() == cores


def test_memory_follows_the_containers_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _cgroup(tmp_path, monkeypatch, memory_max=str(GIB // 2), memory_current=str(GIB // 8))
    machine = hardware.look()
    assert machine.memory_gib == 0.5
    assert machine.available_gib <= 0.38


def test_free_disk_of_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert hardware.free_disk(tmp_path / "a/b/c") == pytest.approx(hardware.free_disk(tmp_path), rel=0.05)


def test_speed_is_that_of_one_thread_and_leaves_the_threads_alone() -> None:
    import torch

    before = torch.get_num_threads()
    assert hardware.speed(0.02) > 0.1
    assert torch.get_num_threads() == before


def _machine(cores: int = 2) -> Hardware:
    return Hardware("Linux", "x", cores, 8.0, 6.0, False, (), {})


def _estimate(recipe: Recipe, cores: int = 2) -> float:
    return estimate(recipe, _machine(cores), 60.0).seconds


def test_estimate_grows_with_the_work(small: str) -> None:
    base = _estimate(load(small, ["train.seconds=60"]))
    assert _estimate(load(small, ["train.seconds=160"])) == pytest.approx(base + 100)
    assert _estimate(load(small, ["train.seconds=60", "count=1000000"])) > base + 5
    assert _estimate(load(small, ["train.seconds=60", "evaluate.seeds=9"])) > base
    assert _estimate(load(small, ["train.seconds=60", "train.steps=1"])) < base - 50
    assert _estimate(load(small, ["train.seconds=null", "train.steps=100000"]), cores=8) < _estimate(
        load(small, ["train.seconds=null", "train.steps=100000"])
    )


def test_estimate_of_disk_grows_with_the_rows(small: str) -> None:
    few, many = (estimate(load(small, [f"count={count}"]), _machine(), 60.0).disk for count in (1000, 1_000_000))
    assert many > 10 * few


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1 s"), (40.2, "40 s"), (240, "4 min"), (5400, "1 h 30 min"), (3 * 86400, "3 days")],
)
def test_duration(seconds: float, text: str) -> None:
    assert progress.duration(seconds) == text


def test_table_is_aligned() -> None:
    assert table(("a", "bb"), [("xxx", "y"), ("z", "")]) == "a    bb\n---  --\nxxx  y\nz"


def test_plain_lines_tell_share_and_time_left() -> None:
    now = [0.0]
    stream = io.StringIO()
    lines = progress.Lines(stream, every=10, clock=lambda: now[0])
    lines.stage("train", total=100)
    for _ in range(4):
        now[0] += 5
        lines.advance(5)
    lines.note("loss 0.5")
    assert stream.getvalue().splitlines() == ["train", "train 10 %, 2 min left", "train 20 %, 80 s left", "  loss 0.5"]


def test_bars_only_on_a_terminal() -> None:
    stream = io.StringIO()
    with progress.on(stream) as plain:
        assert isinstance(plain, progress.Lines)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    with progress.on(screen) as bars:
        bars.stage("train", total=10)
        bars.advance(3)
        bars.stage("sample")
        bars.note("[bold]as it is[/bold]")
    assert "[bold]as it is[/bold]" in screen.getvalue()
    assert "train" in screen.getvalue() and "sample" in screen.getvalue()


def test_hardware_is_frozen() -> None:
    machine = _machine()
    with pytest.raises(AttributeError):
        machine.cores = 3  # type: ignore[misc]
