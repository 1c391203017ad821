"""Checks of a task from shard to report: a task with two of them, made of the digits'."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny import rewind

from synthgen import task as tasks
from synthgen.judges.classifier import ClassifierJudge
from synthgen.types import Check, Score

EXAMINED: list[int] = []


def judge_ink(rows):
    ink = rows["image"].reshape(len(rows["image"]), -1).mean(1)
    return ink, [f"the mean of its pixels is {value:.4g}" if value > 85 else "" for value in ink.tolist()]


def judge_label(rows):
    return rows["label"].astype(np.float32), ["" if label < 8 else "an 8 or a 9" for label in rows["label"]]


class Learner:
    """What the task's own learner gives, and how often it was right in the first class."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def measure(self, *args, **options):
        score = self.inner.measure(*args, **options)
        return Score(score.value, score.per_class, {"zeros": score.per_class[0]})


@pytest.fixture
def checked(monkeypatch):
    """The digits' task, with checks; the judge's calls are counted."""
    plain = tasks.find("classification")
    checks = (Check("ink", "too much ink", judge_ink), Check("small", "not an 8 or a 9", judge_label))
    made = replace(plain, checks=lambda data: checks, learner=lambda data: Learner(plain.learner(data)))
    monkeypatch.setattr("synthgen.pipeline.tasks.find", lambda name: made)
    examine = ClassifierJudge.examine

    def count(self, columns):
        EXAMINED.append(len(columns["label"]))
        return examine(self, columns)

    monkeypatch.setattr(ClassifierJudge, "examine", count)
    EXAMINED.clear()


def test_a_wrong_name_is_told_before_anything_is_trained(tmp_path, digits, checked):
    outcome = digits(tmp_path / "run", gates__checks="[inc]")
    assert outcome.code == 2 and not (tmp_path / "run" / "model").exists()
    assert "gates.checks: 'inc' is not a check of these rows; did you mean 'ink'?" in outcome.err


def test_checks_are_told_of_from_shard_to_report(copy, digits, checked):
    settings = {"gates__checks": "[ink, small]", "gates__quota": "off", "count": 40, "evaluate__seeds": 1}
    # the model and the judge of the other run serve
    rewind(copy, "state/recipe.json", "state/memory", "state/shards", "state/makers.json")
    outcome = digits(copy, **settings)
    assert outcome.code == 0, outcome.err
    report = json.loads((copy / "dataset" / "report.json").read_text())
    assert list(report["gates"]) == ["ink", "small", "agreement", "copies", "duplicates"]
    assert list(report["rows"]["rejected"]) == list(report["gates"])
    assert report["gates"]["small"]["explanation"] == "not an 8 or a 9"
    assert report["rows"]["rejected"]["small"] > 0 and report["gates"]["small"]["worth"] is not None
    for name in ("train_real", "train_synthetic", "train_both"):
        regime = report["utility"][f"{name}_test_real"]
        assert regime["also"]["zeros"] == {
            "mean": regime["per_class"]["0"],
            "sd": None,
            "values": [regime["per_class"]["0"]],
        }
    assert "score-without_small-0.json" in {path.name for path in (copy / "state" / "memory").iterdir()}
    table = pa.concat_tables(pq.read_table(path) for path in sorted((copy / "state" / "shards").glob("*.parquet")))
    refused, facts = table.column("gate").to_pylist(), table.column("provenance").to_pylist()
    assert list(facts[0]["scores"]) == ["ink", "small", "agreement", "copy_distance", "copy_ratio"]
    for gate, label, fact in zip(refused, table.column("label").to_pylist(), facts, strict=True):
        assert (label < 8) or gate in ("ink", "small")
        assert np.isnan(fact["scores"]["agreement"]) == (gate in ("ink", "small"))
        assert fact["scores"]["small"] == label
    in_shards = sum(gate not in ("ink", "small") for gate in refused)
    assert in_shards < len(refused) and sum(EXAMINED[: len(EXAMINED) - 3]) == in_shards  # three for fidelity
    assert (
        "small" in (copy / "report.html").read_text() and "not an 8 or a 9" in (copy / "dataset/README.md").read_text()
    )


def test_a_run_whose_rows_are_refused_ends_soon_and_names_the_gate(copy, digits, monkeypatch):
    plain = tasks.find("classification")
    never = Check(
        "never", "nothing passes", lambda rows: (rows["label"].astype(np.float32), ["no"] * len(rows["label"]))
    )
    monkeypatch.setattr("synthgen.pipeline.tasks.find", lambda name: replace(plain, checks=lambda data: (never,)))
    rewind(copy, "state/shards")
    outcome = digits(copy)
    told = outcome.err.splitlines()[-1]
    assert outcome.code == 2 and told.startswith("synthgen: gates: only 0 of 64 candidates were accepted and 'never'")
    assert len(list((copy / "state" / "shards").glob("*.parquet"))) < 16  # the run wants 160 rows
