"""A run on the model, judge and labels of another one."""

from __future__ import annotations

import datasets
import pytest
from tiny import SMALL, data_digests, events

from synthgen import pipeline
from synthgen.recipe import change, load
from synthgen.storage import digest_folder


@pytest.fixture
def recipe():
    return load("classification", [f"{name}={value}" for name, value in SMALL.items()])


def test_preparing_what_is_there_does_nothing(copy, recipe, monkeypatch):
    monkeypatch.setattr(pipeline, "open_workshop", None)
    before = digest_folder(copy)
    pipeline.prepare(recipe, copy)
    assert digest_folder(copy) == before


def test_preparing_makes_what_is_missing_and_no_row(copy, recipe, undisturbed):
    for path in (copy / "judges").iterdir():
        path.unlink()
    shards = len(events(copy, "shard"))
    pipeline.prepare(recipe, copy)
    assert digest_folder(copy / "judges") == digest_folder(undisturbed / "judges")
    assert len(events(copy, "shard")) == shards and len(events(copy, "model")) == 1


@pytest.mark.slow
def test_other_rows_of_the_same_model(undisturbed, recipe, tmp_path):
    changes = {"count": 24, "sample.seed": 7, "evaluate.seeds": 1, "evaluate.steps": 4, "evaluate.gates": False}
    made = {}
    for seed in (0, 7, None):
        folder = tmp_path / f"seed {seed}"
        other = change(recipe, {**changes, "sample.seed": seed})
        pipeline.inherit(other, folder, undisturbed)
        report = pipeline.run(other, folder).report
        assert report["rows"]["accepted"] == 24 and not events(folder, "training", "model")
        rows = datasets.Dataset.from_parquet(
            str(folder / "dataset" / "data" / "*.parquet"), cache_dir=str(tmp_path / "c")
        )
        assert {row["seed"] for row in rows["provenance"]} == {seed or 0}
        made[seed] = [image.tobytes() for image in rows["image"]]
    assert made[0] == made[None] and not set(made[0]) & set(made[7])
    assert data_digests(tmp_path / "seed 7") != data_digests(tmp_path / "seed 0")
