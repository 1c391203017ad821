"""Whole runs of texts that start from pretrained language models, on both engines."""

from __future__ import annotations

import json

import pytest
from bases import write_refiner
from tiny import data_digests, rewind, start, words

pytestmark = pytest.mark.slow

SETTINGS = {
    "count": 6, "source.rows": 200, "train.seconds": "null", "train.steps": 20, "train.batch_size": 4,
    "train.learning_rate": 1e-3, "sample.steps": 3, "sample.batch_size": 4, "sample.shard_size": 8,
    "evaluate.seeds": 1, "evaluate.steps": 2, "evaluate.batch_size": 4, "evaluate.gates": "false",
    "gates": "{agreement: off, copies: off, duplicates: off, quota: off, checks: []}",
}  # fmt: skip
REFINED = {"sample.solver": "refine", "sample.threshold": 0.5, "sample.editing_threshold": 0.4}


def go_on(folder, settings, *more):
    process = start([*words("translation", settings, folder), *more])
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return err


def test_both_engines_make_the_same_rows_from_a_base(tmp_path):
    base = write_refiner("modernbert", tmp_path / "base", longest=512)
    folder, settings = tmp_path / "run", {**SETTINGS, **REFINED, "model.base": base}
    go_on(folder, settings)
    config = json.loads((folder / "model" / "denoiser" / "config.json").read_text())
    assert config["lora"]["targets"] == ["attn.Wo", "attn.Wqkv"] and config["base"]["model_type"] == "modernbert"
    assert json.loads((folder / "model" / "model_index.json").read_text())["size"] == 8  # the base's own block
    history = json.loads((folder / "model" / "training.json").read_text())["history"]
    assert history[-1]["validation_loss"] < history[0]["validation_loss"]
    before = data_digests(folder)
    base.rename(tmp_path / "gone")  # the trained model stands by itself
    rewind(folder, "state/shards")
    go_on(folder, settings, "--engine", "ray", "--replicas", "2")
    assert data_digests(folder) == before
