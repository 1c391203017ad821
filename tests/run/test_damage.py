"""What was truncated or altered is noticed by its digest and made again, never read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tiny import data_digests, events, rewind


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def alter(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def remade(folder: Path, before: int) -> Counter:
    """Shards made since the log had `before` lines."""
    return Counter(entry["number"] for entry in events(folder)[before:] if entry["event"] == "shard")


def test_damaged_shards_are_made_again_and_no_other(copy, undisturbed, digits):
    rewind(copy)
    shards, before = copy / "state" / "shards", len(events(copy))
    truncate(shards / "000003.parquet")
    alter(shards / "000005.parquet")
    (shards / "000007.json").write_text("{")
    assert digits(copy).code == 0
    assert remade(copy, before) == Counter([3, 5, 7])
    assert data_digests(copy) == data_digests(undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("damage", [truncate, alter])
def test_a_damaged_model_is_made_again_from_its_checkpoint(copy, undisturbed, digits, damage):
    rewind(copy)
    weights, before = copy / "model" / "denoiser" / "diffusion_pytorch_model.safetensors", len(events(copy))
    good = weights.read_bytes()
    damage(weights)
    assert digits(copy).code == 0
    assert weights.read_bytes() == good and data_digests(copy) == data_digests(undisturbed)
    new = [entry["event"] for entry in events(copy)[before:]]
    assert "model" in new and "training" not in new and not remade(copy, before)


@pytest.mark.slow
@pytest.mark.parametrize("damage", [truncate, alter])
@pytest.mark.parametrize("file", ["trained.safetensors", "optimizer.bin", "custom_checkpoint_2.pkl"])
def test_training_goes_on_from_the_checkpoint_before_a_damaged_one(copy, undisturbed, digits, damage, file):
    rewind(copy, "model")
    older, newest = sorted((copy / "state" / "training").glob("step-*"))
    damage(newest / file)
    before = len(events(copy))
    assert digits(copy).code == 0
    steps = [
        int(entry["text"].split()[1].strip(",")) for entry in events(copy)[before:] if entry["event"] == "training"
    ]
    assert steps and min(steps) > int(older.name[5:])
    assert data_digests(copy) == data_digests(undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("file", ["judge.safetensors", "judge.json"])
def test_an_altered_judge_is_fitted_again(copy, undisturbed, digits, file):
    rewind(copy)
    path = copy / "judges" / file
    good = path.read_bytes()
    path.write_bytes(good.replace(b'"temperature": ', b'"temperature": 1') if file.endswith("json") else good[:-20])
    assert path.read_bytes() != good
    assert digits(copy).code == 0
    assert path.read_bytes() == good
    assert data_digests(copy) == data_digests(undisturbed)


def test_a_damaged_dataset_is_written_again(copy, undisturbed, digits):
    (path,) = (copy / "dataset" / "data").iterdir()
    truncate(path)
    before = len(events(copy))
    assert digits(copy).code == 0
    assert data_digests(copy) == data_digests(undisturbed) and not remade(copy, before)


def test_other_rows_in_the_source_are_refused(copy, digits):
    rewind(copy)
    (copy / "state" / "source.txt").write_text("0" * 64)
    outcome = digits(copy)
    assert outcome.code == 2 and "source: it changed since this run began; use --fresh" in outcome.err
