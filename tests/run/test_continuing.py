"""Runs that start from the model of an earlier one, and runs whose model goes on learning."""

from __future__ import annotations

import json
import shutil

import datasets
import numpy as np
import pytest
from safetensors.torch import load_file
from tiny import QUICK, data_digests, events, rewind, start, words

from synthgen import pipeline
from synthgen.continuing import read_memory
from synthgen.errors import UserError
from synthgen.recipe import change, load
from synthgen.regeneration import regenerate

pytestmark = pytest.mark.slow

OLD, NEW = '["0", "1", "2"]', '["3", "2", "4"]'
TINY = {**QUICK, "train.steps": 30, "count": 24, "sample.steps": 4, "gates.duplicates": "off"}
CONTINUED = {
    "source__only": NEW, "model__continue__replay": 0.4, "evaluate__seeds": 2, "gates__agreement": "off",
}  # fmt: skip
WEIGHTS = "model/denoiser/diffusion_pytorch_model.safetensors"


def recipe(**changes):
    settings = {**TINY, **{name.replace("__", "."): value for name, value in changes.items()}}
    return load("classification", [f"{name}={value}" for name, value in settings.items()])


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The folder of a finished run of three classes."""
    folder = tmp_path_factory.mktemp("base") / "old"
    pipeline.run(recipe(source__only=OLD), folder)
    return folder


@pytest.fixture(scope="module")
def wanted(base):
    return recipe(**CONTINUED, model__base=base)


@pytest.fixture(scope="module")
def continued(base, wanted, tmp_path_factory):
    """A finished run that went on from it with two new classes and one that both know."""
    folder = tmp_path_factory.mktemp("continued") / "new"
    pipeline.run(wanted, folder)
    return folder


def test_the_classes_are_those_of_both_and_old_rows_are_drawn_ones(base, continued, wanted):
    report = json.loads((continued / "dataset" / "report.json").read_text())
    assert report["classes"] == ["0", "1", "2", "3", "4"]
    memory = read_memory(wanted, pipeline.RunFolder(continued, wanted, fresh=False))
    new = pipeline.tasks.find("classification").load(wanted.source, wanted.seed)
    rows = len(memory.train["label"])
    assert rows == round(0.4 / 0.6 * len(new.train["label"])) and set(memory.train["label"]) == {0, 1, 2}
    assert report["data"]["train"] == rows + len(new.train["label"])
    old = pipeline.tasks.find("classification").load(recipe(source__only=OLD).source, 0)
    real = {image.tobytes() for image in old.train["image"]}
    assert not real & {image.tobytes() for image in memory.train["image"]}  # nothing of the old real rows is trained on
    assert {image.tobytes() for image in memory.heldout["image"]} <= {image.tobytes() for image in old.heldout["image"]}
    held = {image.tobytes() for image in memory.heldout["image"]}
    assert held and not held & {image.tobytes() for image in new.train["image"]}
    drawn = datasets.Dataset.from_parquet(str(continued / "dataset/data/*.parquet"), cache_dir=str(continued / "cache"))
    assert set(drawn["label"]) == {0, 1, 2, 3, 4}
    shutil.rmtree(continued / "cache")


def test_the_report_tells_what_was_forgotten(continued):
    report = json.loads((continued / "dataset" / "report.json").read_text())
    found = report["utility"]["forgetting"]
    assert found["classes"] == ["0", "1", "2"] and found["replay"] == 0.4 and found["seeds"] == 2
    for time in ("before", "after"):
        assert len(found[time]["values"]) == 2 and set(found[time]["per_class"]) == {"0", "1", "2"}
        assert found[time]["mean"] == pytest.approx(np.mean(found[time]["values"]))
    assert found["kept"] == pytest.approx(found["after"]["mean"] / found["before"]["mean"])
    card = (continued / "dataset" / "README.md").read_text()
    page = (continued / "report.html").read_text()
    for text in (card, page):
        assert "What it kept of what it knew" in text and f"{100 * found['kept']:.1f}%" in text
    assert f"SHA-256 {report['training']['base']['sha256']}" in card and report["training"]["base"]["name"] in page
    assert any("of the old classes" in finding["text"] for finding in report["findings"])


def test_the_log_says_what_was_kept(base, continued):
    (told,) = events(continued, "base")
    assert told["resized"] == ["told.label.weight"] and not told["new"] and len(told["kept"]) == 31
    facts = json.loads((continued / "model" / "training.json").read_text())
    assert facts["axes"] == {"classes": ["0", "1", "2", "3", "4"]} and facts["task"] == "classification"
    assert facts["base"]["sha256"] == told["sha256"]
    (drawn,) = events(continued, "replay")
    assert drawn["share"] == 0.4 and drawn["rows"] > 100


def test_replayed_rows_repeat_and_nothing_asks_for_the_base_once_the_model_is_there(continued, wanted, base, tmp_path):
    again = tmp_path / "again"
    pipeline.run(wanted, again)
    assert data_digests(again) == data_digests(continued)
    for name in ("train", "validation", "heldout", "conditions", "before"):
        one, other = ((folder / "state" / "replay" / f"{name}.npz").read_bytes() for folder in (again, continued))
        assert one == other
    gone = base.with_name("gone")
    base.rename(gone)
    try:
        rewind(again, "state/shards", "state/memory")
        assert json.loads((pipeline.run(wanted, again).folder / "dataset" / "report.json").read_text())["utility"]
        assert data_digests(again) == data_digests(continued)
        assert not regenerate(again, 5).differing
        job = change(wanted, {"count": 12, "sample.seed": 3})
        pipeline.inherit(job, tmp_path / "job", again)
        assert pipeline.run(job, tmp_path / "job").report["utility"]["forgetting"]["rows"] == 24
        with pytest.raises(UserError, match="^model.base: there is no folder"):
            pipeline.run(wanted, tmp_path / "third")
    finally:
        gone.rename(base)


def test_replicas_make_the_same_rows(continued, wanted, base, tmp_path):
    folder = shutil.copytree(continued, tmp_path / "new")
    rewind(folder, "state/shards")
    process = start([*words("classification", TINY, folder, **CONTINUED, model__base=base), "--engine", "ray"])
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert data_digests(folder) == data_digests(continued)


def test_without_replay_old_classes_are_drawn_where_they_are_named(base, tmp_path):
    changes = {"source__only": NEW, "model__base": base, "model__continue__replay": 0, "gates__agreement": "off"}
    report = pipeline.run(recipe(**changes), tmp_path / "new").report
    assert report["classes"] == ["0", "1", "2", "3", "4"] and report["utility"]["forgetting"]["replay"] == 0
    rows = datasets.Dataset.from_parquet(str(tmp_path / "new/dataset/data/*.parquet"), cache_dir=str(tmp_path / "c"))
    assert set(rows["label"]) == {2, 3, 4}
    named = recipe(**changes, conditions__balance='{"0": 1, "3": 1}')
    pipeline.inherit(named, tmp_path / "named", tmp_path / "new")
    pipeline.run(named, tmp_path / "named")
    rows = datasets.Dataset.from_parquet(str(tmp_path / "named/dataset/data/*.parquet"), cache_dir=str(tmp_path / "d"))
    assert set(rows["label"]) == {0, 3}


def test_a_killed_training_goes_on_from_the_same_base(base, tmp_path):
    copy = shutil.copytree(base, tmp_path / "base")
    changes = {"model__base": copy, "train__steps": 400, "train__checkpoint_seconds": 0.1, "count": 8}
    process = start(words("classification", TINY, tmp_path / "run", **changes))
    while not list((tmp_path / "run" / "state" / "training").glob("step-*/digests.json")):
        assert process.poll() is None, process.communicate()
    process.kill()
    process.communicate()
    kept = (copy / WEIGHTS).read_bytes()
    (copy / WEIGHTS).write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    asked = recipe(**changes)
    with pytest.raises(UserError, match="^model.base: it changed since this run began; put back the weights"):
        pipeline.run(asked, tmp_path / "run")
    (copy / WEIGHTS).write_bytes(kept)
    pipeline.run(asked, tmp_path / "run")
    pipeline.run(asked, tmp_path / "undisturbed")
    assert (tmp_path / "run" / WEIGHTS).read_bytes() == (tmp_path / "undisturbed" / WEIGHTS).read_bytes()


def test_heads_leave_the_rest_bit_identical(base, tmp_path):
    pipeline.run(recipe(source__only=NEW, model__base=base / "model", model__adapt="heads"), tmp_path / "new")
    old, new = load_file(base / WEIGHTS), load_file(tmp_path / "new" / WEIGHTS)
    changed = {name for name, value in new.items() if value.shape != old[name].shape or not value.equal(old[name])}
    assert changed == {"told.label.weight"}


def test_lora_is_kept_beside_the_base(base, tmp_path):
    pytest.importorskip("peft")
    changes = {"source__only": NEW, "model__base": base, "model__adapt": "lora", "model__rank": 2}
    pipeline.run(recipe(**changes), tmp_path / "new")
    old, new = load_file(base / WEIGHTS), load_file(tmp_path / "new" / WEIGHTS)
    same = {name.replace(".base_layer", "") for name, value in new.items() if "lora_" not in name}
    assert same == set(old) and sum("lora_B" in name for name in new) == 10
    for name, value in new.items():
        if "lora_" not in name and name != "told.label.weight":
            assert value.equal(old[name.replace(".base_layer", "")]), name
    assert all(value.abs().max() > 0 for name, value in new.items() if "lora_B" in name)
    assert not regenerate(tmp_path / "new", 3).differing
    # and it is a base itself
    pipeline.run(recipe(source__only=NEW, model__base=tmp_path / "new"), tmp_path / "next")
    (told,) = events(tmp_path / "next", "base")
    assert len(told["kept"]) == 32


@pytest.mark.parametrize(
    "changes, told",
    [
        (
            {"model__continue__replay": 0.3, "source__size": 12},
            r"^model.continue: image of .* the shape \[8, 8, 1\]",
        ),
        ({"model__adapt": "heads"}, "^model.adapt: heads would train nothing"),
        ({"model__widths": "[8,24]"}, r"^model.widths: \(8, 24\) is not the shape of"),
    ],
)
def test_what_cannot_be_continued_is_refused_before_anything_is_trained(changes, told, base, tmp_path):
    with pytest.raises(UserError, match=told):
        pipeline.run(recipe(source__only=OLD, model__base=base, **changes), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_validate_tells_of_the_base(base, command):
    settings = words("classification", TINY, base.with_name("never"), model__base=base)[2:]
    outcome = command("validate", "classification", *settings)
    assert outcome.code == 0 and f"from {base}: a SmallUNet of classification" in outcome.out
    outcome = command("validate", "timeseries", "--set", f"model.base={base}")
    assert (
        outcome.code == 2 and outcome.err.startswith("synthgen: model.base: ") and not base.with_name("never").exists()
    )


def test_a_model_alone_draws_no_old_rows(base, tmp_path):
    shutil.copytree(base / "model", tmp_path / "lone" / "model")
    asked = recipe(source__only=NEW, model__base=tmp_path / "lone", model__continue__replay=0.3)
    with pytest.raises(UserError, match="^model.continue: .* is a model without its run"):
        pipeline.run(asked, tmp_path / "new")
