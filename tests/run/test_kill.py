"""SIGKILL at ten moments of one run, and what must hold once it is finished all the same."""

from __future__ import annotations

import random
import re
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from folders import masks_folder
from tiny import DIGITS, SMALL, data_digests, events, start, words

from synthgen.storage import digest_folder

# (kills, the event that a process is waited for, how many of them at most, seconds after it at most)
MOMENTS = (
    (3, "training", 4, 0.4),  # in training
    (1, "model", 1, 2.0),  # while the judge is fitted
    (2, "shard", 3, 0.2),  # in sampling
    (2, "measured", 2, 0.2),  # in evaluation
    (2, "export", 1, 0.15),
)


def newest_checkpoint(folder: Path) -> int:
    return max((int(path.name[5:]) for path in (folder / "state" / "training").glob("step-*")), default=0)


def run_until(asked: list[str], folder: Path, event: str, count: int, delay: float) -> list[dict]:
    """Start the run, kill it `delay` seconds after its own `count`-th such event; all events of that process."""
    process = start(asked, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            mine = [entry for entry in events(folder, event) if entry["process"] == process.pid]
            if len(mine) >= count:
                time.sleep(delay)
                break
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == -9, f"it ended by itself before {count} × {event!r}"
    return [entry for entry in events(folder) if entry["process"] == process.pid]


def finish(asked: list[str]) -> None:
    process = start(asked)
    _, err = process.communicate(timeout=580)
    assert process.returncode == 0, err


def first_step(entries: list[dict]) -> int | None:
    told = [entry["text"] for entry in entries if entry["event"] == "training"]
    return int(re.match(r"step (\d+)", told[0])[1]) if told else None


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_run_that_is_killed_ten_times_makes_the_same_dataset(undisturbed, tmp_path):
    folder, chance = tmp_path / "killed", random.Random(5)
    asked = words(*DIGITS, folder)
    for kills, event, most, longest in MOMENTS:
        for _ in range(kills):
            saved = newest_checkpoint(folder)
            mine = run_until(asked, folder, event, chance.randint(1, most), chance.uniform(0, longest))
            if event == "training":
                assert first_step(mine) > saved, "training began again before its last checkpoint"
    finish(asked)
    assert data_digests(folder) == data_digests(undisturbed)
    made = Counter(entry["number"] for entry in events(folder, "shard"))
    assert made and set(made.values()) == {1}
    assert sum(entry["event"] == "model" for entry in events(folder)) == 1


@pytest.mark.slow
def test_masks_of_their_own_model_and_other_formats_survive_too(tmp_path):
    """Segmentation, on one worker undisturbed and on two with four kills: masks drawn by a model, own colours, COCO."""
    settings = {
        **SMALL, "source.kind": "files", "source.path": str(masks_folder(tmp_path / "cells")), "source.ignore": 255,
        "conditions.masks": "diffusion", "conditions.diffusion.steps": 20, "conditions.diffusion.resolution": 8,
        "model.appearance": "row", "export.formats": "[coco]", "count": 48, "sample.steps": 4, "evaluate.seeds": 1,
        "evaluate.steps": 4, "gates": "{agreement: off, copies: off, quota: off}",
    }  # fmt: skip
    settings = {name: value for name, value in settings.items() if not name.startswith("gates.")}
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    finish([*words("segmentation", settings, undisturbed), "--replicas", "1"])
    asked = [*words("segmentation", settings, killed), "--replicas", "2"]
    for event, count in (("training", 2), ("model", 1), ("shard", 2), ("export", 1)):
        run_until(asked, killed, event, count, 0)
    finish(asked)
    for part in ("data", "coco"):
        assert digest_folder(killed / "dataset" / part) == digest_folder(undisturbed / "dataset" / part) != {}
    assert set(Counter(entry["number"] for entry in events(killed, "shard")).values()) == {1}


SHORT = {
    "model.width": 32, "model.depth": 1, "train.seconds": "null", "train.steps": 40, "train.batch_size": 8,
    "train.validate_every": 0.05, "train.checkpoint_seconds": 0.2, "train.early_stop.patience": "null",
    "train.early_stop.nearest_ratio": "null", "count": 32, "sample.steps": 4, "sample.batch_size": 8,
    "sample.shard_size": 8, "gates": "{agreement: off, copies: off, quota: off}", "evaluate.seeds": 1,
    "evaluate.steps": 4, "evaluate.gates": "false",
}  # fmt: skip
SHAPES = {
    "source.rows": 24, "source.points": 256, "export.formats": "[scenes]", "conditions.scenes.count": 6,
    "conditions.scenes.objects": "[2, 3]",
}  # fmt: skip


@pytest.mark.slow
def test_shapes_survive_too(tmp_path):
    """On one worker undisturbed and on two with two kills: every file that a user gets, byte for byte."""
    settings = {**SHORT, **SHAPES}
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    finish([*words("3d", settings, undisturbed), "--replicas", "1"])
    asked = [*words("3d", settings, killed), "--replicas", "2"]
    for event, count in (("training", 2), ("shard", 2)):
        run_until(asked, killed, event, count, 0)
    finish(asked)
    for part in ("data", *settings.get("export.formats", "").strip("[]").split()):
        assert digest_folder(killed / "dataset" / part) == digest_folder(undisturbed / "dataset" / part) != {}
    assert set(Counter(entry["number"] for entry in events(killed, "shard")).values()) == {1}
