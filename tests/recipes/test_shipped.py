"""Every shipped recipe is read and run, tiny, on its own source; those of the Hub on a small Parquet folder."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bases import write_base
from PIL import Image
from pipelines import write_pipeline
from shape_bases import write_shap_e

from synthgen import harvest, modelling
from synthgen.evaluation import conversation_measures, pair_measures, question_measures, shape_measures
from synthgen.judges import classifier, intents, points, reader, segmenter, translator
from synthgen.networks.supervised import Schedule
from synthgen.recipe import load
from synthgen.shelf import opening, shipped

TINY = (
    "count=6", "export.rows_per_file=4", "train.seconds=null", "train.steps=3", "train.batch_size=4",
    "sample.steps=2", "sample.batch_size=4", "sample.shard_size=8", "evaluate.seeds=1", "evaluate.steps=2",
    "evaluate.batch_size=4", "gates={agreement: off, copies: off, duplicates: off, quota: off}",
)  # fmt: skip


TEXTS = ("model.width=32", "model.depth=1", "sample.batch_size=64", "gates.checks=[]", "evaluate.gates=false")
NETS = {
    "classification": ("model.widths=[8,16]", "model.blocks=1"),
    "segmentation": ("model.widths=[8,16]", "model.blocks=1", "source.rows=24"),
    "timeseries": ("model.width=32", "model.depth=1"),
    "translation": (*TEXTS, "source.rows=200"),
    "conversation": (*TEXTS, "source.rows=60"),
    "qa": (*TEXTS, "source.rows=200"),
    "shapes3d": ("model.width=32", "model.depth=1", "source.rows=24", "source.points=256", "evaluate.gates=false"),
}


def parquet_folder(folder: Path) -> Path:
    """train.parquet and test.parquet with 28×28 grey images and labels, as Fashion-MNIST is on the Hub."""
    generator = np.random.Generator(np.random.Philox(0))
    folder.mkdir()
    for part, count in (("train", 60), ("test", 20)):
        images = []
        for image in generator.integers(0, 256, (count, 28, 28), np.uint8):
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, "PNG")
            images.append({"bytes": buffer.getvalue(), "path": None})
        table = pa.table({"image": images, "label": [row % 10 for row in range(count)]})
        pq.write_table(table, folder / f"{part}.parquet")
    return folder


@pytest.fixture
def run(command, tmp_path, monkeypatch):
    """A shipped recipe, tiny; its judges are tested on their own and need not be good here."""
    monkeypatch.setattr(harvest, "BARE_SECONDS", 0.01)
    monkeypatch.setattr(classifier, "choose_schedule", lambda rows: Schedule(4, 8))
    monkeypatch.setattr(segmenter, "SCHEDULE", Schedule(4, 8))
    monkeypatch.setattr(points, "choose_schedule", lambda rows: Schedule(4, 8))
    monkeypatch.setattr(translator, "choose_steps", lambda rows: 4)
    monkeypatch.setattr(reader, "STEPS", 4)
    monkeypatch.setattr(intents, "LEAST_STEPS", 4)
    monkeypatch.setattr(intents, "MOST_STEPS", 4)
    monkeypatch.setattr(conversation_measures, "STEPS", 4)
    monkeypatch.setattr(shape_measures, "CHAMFER_ROWS", 8)
    for measures in (pair_measures, question_measures, conversation_measures):
        monkeypatch.setattr(measures, "PROBED", 12)
    monkeypatch.setattr(modelling, "LOOK_ROWS", 8)

    def call(name: str, *more: str):
        changes = [*TINY, *NETS[load(name).task], *more]
        folder = tmp_path / "run"
        return folder, command(
            "run", name, "--out", folder, *(word for change in changes for word in ("--set", change))
        )

    return call


GPU = {
    "classification": ("sdxl", "source.size=16", "source.columns={}", "model.size=16"),
    "segmentation": ("sd", "source.size=16", "model.size=16"),
    "translation": ("modernbert",),
    "qa": ("modernbert",),
    "conversation": ("modernbert", "model.block=128"),
    "shapes3d": ("shap-e", "model.grid=20", "model.fit_steps=4"),
}  # the tiny base that stands for a recipe's own


def tiny_base(name: str, folder: Path) -> list[str]:
    """Changes of a recipe under gpu/: a base of the same class, and rows to go with it."""
    task = load(name).task
    if load(name).model.base is None:
        return []
    kind, *changes = GPU[task]
    writers = {"sd": write_pipeline, "sdxl": write_pipeline, "shap-e": lambda kind, folder: write_shap_e(folder)}
    base = writers.get(kind, lambda kind, folder: write_base(kind, folder, longest=2048))(kind, folder)
    return [f"model.base={base}", "model.revision=null", "train.accumulate=1", "train.drop=0.1", *changes]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_shipped_recipe_runs(name, run, tmp_path):
    own = load(name).source.kind == "hub"
    changes = ["source.kind=files", f"source.path={parquet_folder(tmp_path / 'rows')}"] if own else []
    changes += tiny_base(name, tmp_path / "base")
    folder, outcome = run(name, *changes)
    assert outcome.code == 0, outcome.err
    report = json.loads((folder / "dataset" / "report.json").read_text())
    assert report["rows"]["accepted"] == 6 and report["recipe"] == load(name).name
    card = (folder / "dataset" / "README.md").read_text()
    for picture in (folder / "dataset" / "assets").iterdir():
        assert f"(assets/{picture.name})" in card and Image.open(picture).width > 100
    assert (folder / "dataset" / "assets" / "scenes.png").exists() == ("scenes" in load(name).export.formats)


@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_shipped_recipe_says_what_it_is(name):
    path = shipped()[name]
    first, second, *_ = path.read_text().splitlines()
    assert first.startswith("# yaml-language-server: $schema=") and second.startswith("# ") and len(second) > 30
    schema = (path.parent / first.partition("=")[2]).resolve()
    assert json.loads(schema.read_text())["title"] == "synthgen recipe"
    assert load(name).description


@pytest.mark.parametrize("name", [name for name in sorted(shipped()) if name.startswith("gpu/")])
def test_a_recipe_for_gpus_says_what_is_measured_and_what_to_change(name):
    text = "\n".join(opening(shipped()[name]))
    assert all(f"{size} GB" in text or f"{size} and" in text for size in (12, 24, 48, 80)) and "Not measured" in text
    base, revision = load(name).model.base, load(name).model.revision
    assert base is None or re.fullmatch("[0-9a-f]{40}", revision or "") or "Its commit is not named here" in text


def _rename_weights(base: Path) -> None:
    (base / "model.safetensors").rename(base / "pytorch_model.bin")


def _need_code(base: Path) -> None:
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "model_type": "own", "auto_map": {"AutoModel": "own.Own"}}))


@pytest.mark.parametrize("command_name", ["run", "validate"])
@pytest.mark.parametrize(
    ("spoil", "more", "told"),
    [
        (None, "model.base=/no/such/folder", "model.base: there is no folder /no/such/folder"),
        (_rename_weights, "count=6", "its weights only as pytorch_model.bin, a pickle"),
        (_need_code, "count=6", "needs code of its own (own; auto_map in config.json), which is never run"),
        (None, "model.targets=[to_q]", "model.targets: no layer of "),
        (lambda base: (base / "tokenizer.json").write_text("{}"), "count=6", "model.base: "),
    ],
)
def test_a_base_that_does_not_serve_is_refused_first(command, command_name, spoil, more, told, tmp_path):
    base = write_base("bert", tmp_path / "base")
    if spoil:
        spoil(base)
    settings = (f"model.base={base}", "source.rows=200", more)
    words = [word for change in settings for word in ("--set", change)]
    outcome = command(command_name, "translation", "--out", tmp_path / "run", *words)
    line = outcome.err.splitlines()[-1]
    assert outcome.code == 2 and line.startswith("synthgen: model.") and told in line, outcome.err
    assert "Traceback" not in outcome.err and not (tmp_path / "run").exists()


def test_refinement_is_for_texts(command, tmp_path):
    outcome = command("run", "classification", "--out", tmp_path / "run", "--set", "sample.solver=refine")
    assert outcome.code == 2 and "sample.solver: refine writes texts, and rows of classification" in outcome.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("change", ["sample.threshold=0.5", "sample.editing_threshold=0.5"])
def test_thresholds_without_refinement_are_refused(command, tmp_path, change):
    name = change.partition("=")[0].partition(".")[2]
    outcome = command("validate", "translation", "--set", change)
    assert outcome.code == 2 and f"{name} is of solver refine, and solver is dpm++" in outcome.err


def test_changed_rows_are_not_for_pretrained_bases(run, tmp_path):
    base = write_pipeline("dit", tmp_path / "base")
    folder, outcome = run("classification", f"model.base={base}", "train.augment=[shift]")
    told = outcome.err.splitlines()[-1]
    assert outcome.code == 2 and told.startswith("synthgen: train.augment: a pretrained base cannot be told")
    assert not (folder / "model").exists()
