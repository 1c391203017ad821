"""Every task starts from a model of its own earlier run, and goes on learning where rows of two runs can be mixed."""

from __future__ import annotations

import json

import pytest
from tiny import events

from synthgen import pipeline
from synthgen.errors import UserError
from synthgen.judges import classifier, intents, points, reader, segmenter, translator
from synthgen.networks.supervised import Schedule
from synthgen.recipe import load

pytestmark = pytest.mark.slow

TINY = (
    "count=6", "train.seconds=null", "train.steps=3", "train.batch_size=4", "sample.steps=2", "sample.batch_size=4",
    "sample.shard_size=8", "evaluate.seeds=1", "evaluate.steps=2", "evaluate.batch_size=4", "evaluate.gates=false",
    "gates={agreement: off, copies: off, duplicates: off, quota: off}",
)  # fmt: skip
TEXTS = ("model.width=32", "model.depth=1", "sample.batch_size=64", "gates.checks=[]")
NETS = {
    "segmentation": ("model.widths=[8,16]", "model.blocks=1", "source.rows=24"),
    "timeseries": ("model.width=32", "model.depth=1"),
    "translation": (*TEXTS, "source.rows=200"),
    "conversation": (*TEXTS, "source.rows=60"),
    "qa": (*TEXTS, "source.rows=200"),
    "3d": ("model.width=32", "model.depth=1", "source.rows=24", "source.points=256"),
}


@pytest.fixture(autouse=True)
def _judges_need_not_be_good(monkeypatch):
    for module in (classifier, points):
        monkeypatch.setattr(module, "choose_schedule", lambda rows: Schedule(4, 8))
    monkeypatch.setattr(segmenter, "SCHEDULE", Schedule(4, 8))
    monkeypatch.setattr(translator, "choose_steps", lambda rows: 4)
    monkeypatch.setattr(reader, "STEPS", 4)
    monkeypatch.setattr(intents, "LEAST_STEPS", 4)
    monkeypatch.setattr(intents, "MOST_STEPS", 4)


def tiny(name, *more):
    return load(name, [*TINY, *NETS[name], *more])


def told_of(folder):
    (told,) = events(folder, "base")
    facts = json.loads((folder / "model" / "training.json").read_text())
    assert facts["base"]["kept"] == told["kept"]
    return set(told["kept"]), set(told["resized"]), set(told["new"])


@pytest.mark.parametrize(
    "name, change, resized",
    [
        ("segmentation", ["source.size=48"], set()),
        ("timeseries", ["source.name=power"],  # other classes and steps, and other channels
         {"position", "told.label.weight", "enter.weight"}),
        ("3d", ["source.points=320"], {"position"}),
        ("translation", ["source.languages=[en, fr]"], set()),
        ("qa", ["source.rows=150"], set()),
        ("conversation", ["source.rows=40", "seed=1"], None),
    ],
)  # fmt: skip
def test_a_task_starts_from_its_own_model(name, change, resized, tmp_path):
    pipeline.prepare(tiny(name), tmp_path / "old")
    base = f"model.base={tmp_path / 'old' / 'model'}"
    pipeline.prepare(tiny(name, base, *change), tmp_path / "new")
    kept, again, new = told_of(tmp_path / "new")
    assert len(kept) > 5
    if resized is not None:
        assert again >= resized - {"enter.weight"} and again - resized <= {
            "offset.weight", "told.label.weight", "leave.weight", "leave.bias"
        }  # fmt: skip
        assert new <= {"leave.weight", "leave.bias", "enter.weight"}
    if name in ("translation", "qa", "conversation"):
        one, other = (tmp_path / run / "model" / "tokenizer.json" for run in ("old", "new"))
        assert one.read_text() == other.read_text()


def test_a_model_of_texts_serves_another_task_of_texts(tmp_path):
    pipeline.prepare(tiny("translation"), tmp_path / "old")
    pipeline.prepare(tiny("qa", f"model.base={tmp_path / 'old'}"), tmp_path / "new")
    _, resized, _ = told_of(tmp_path / "new")
    assert {"token.weight", "bias"} <= resized  # questions have marks


@pytest.mark.parametrize("name", ["segmentation", "timeseries", "3d"])
def test_a_task_goes_on_with_rows_of_its_own(name, tmp_path):
    pipeline.prepare(tiny(name), tmp_path / "old")
    asked = tiny(name, f"model.base={tmp_path / 'old'}", "model.continue={replay: 0.25}", "train.steps=4")
    report = pipeline.run(asked, tmp_path / "new").report
    (drawn,) = events(tmp_path / "new", "replay")
    assert drawn["rows"] == round(0.25 * report["data"]["train"]) > 0
    assert set(report["utility"]["forgetting"]["classes"]) == set(report["classes"])


def test_where_rows_cannot_be_mixed_it_is_said_before_anything_is_trained(tmp_path):
    pipeline.prepare(tiny("qa"), tmp_path / "old")
    asked = tiny("qa", f"model.base={tmp_path / 'old'}", "model.continue={}")
    with pytest.raises(UserError, match="^model.continue: rows of two runs of qa cannot be mixed; remove it"):
        pipeline.run(asked, tmp_path / "new")
    assert not (tmp_path / "new").exists()
