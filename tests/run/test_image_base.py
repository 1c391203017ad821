"""Whole runs of images that start from tiny pipelines of diffusers, on both engines."""

import json

import pytest
from pipelines import write_pipeline
from tiny import data_digests, rewind, start, words

pytestmark = pytest.mark.slow

SETTINGS = {
    "count": 6, "model.size": 16, "train.seconds": "null", "train.steps": 20, "train.batch_size": 4,
    "train.optimizer": "adamw", "train.learning_rate": 1e-3, "sample.steps": 3, "sample.batch_size": 4,
    "sample.shard_size": 8, "evaluate.seeds": 1, "evaluate.steps": 2, "evaluate.batch_size": 4,
    "evaluate.gates": "false", "gates": "{agreement: off, copies: off, duplicates: off, quota: off}",
}  # fmt: skip


def go_on(folder, settings, *more):
    process = start([*words("classification", settings, folder), *more])
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return err


def test_both_engines_make_the_same_rows_from_a_base(tmp_path):
    base = write_pipeline("sdxl", tmp_path / "base")
    folder, settings = tmp_path / "run", {**SETTINGS, "train.gradient_checkpointing": "true", "model.base": base}
    err = go_on(folder, settings)
    assert "it/s" not in err and "Warning" not in err, err  # nothing of the libraries' own
    history = json.loads((folder / "model" / "training.json").read_text())["history"]
    assert history[-1]["validation_loss"] < history[0]["validation_loss"]
    before = data_digests(folder)
    base.rename(tmp_path / "gone")  # the trained model stands by itself
    rewind(folder, "state/shards")
    go_on(folder, settings, "--engine", "ray", "--replicas", "2")
    assert data_digests(folder) == before
