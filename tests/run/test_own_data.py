"""A user's own folders, good and bad, through the command line."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from pathlib import Path

import datasets
import numpy as np
import pytest
from folders import IGNORED, classes_folder, masks_folder
from PIL import Image
from tiny import SMALL, words

from synthgen.judges import classifier, segmenter
from synthgen.networks.supervised import Schedule

OWN = {
    **SMALL,
    "train.steps": 6,
    "count": 12,
    "sample.steps": 4,
    "sample.batch_size": 8,
    "sample.shard_size": 8,
    "evaluate.seeds": 1,
    "evaluate.steps": 4,
    "evaluate.batch_size": 8,
    "source.kind": "files",
    "gates": "{agreement: off, copies: off, duplicates: off, quota: off}",
}


@pytest.fixture
def run(command, tmp_path, monkeypatch):
    # judges are tested on their own; here they need not be good
    monkeypatch.setattr(classifier, "choose_schedule", lambda rows: Schedule(4, 8))
    monkeypatch.setattr(segmenter, "SCHEDULE", Schedule(4, 8))

    def call(recipe: str, source: Path, *more: str, **changes):
        out = tmp_path / "run"
        changes = {
            f"source__{name}" if name in ("size", "ignore", "classes") else name: v for name, v in changes.items()
        }
        return out, command(*words(recipe, {**OWN, "source.path": str(source)}, out, **changes), *more)

    return call


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_folder_a_class_of_odd_sizes(run, tmp_path, mode):
    out, outcome = run("classification", classes_folder(tmp_path / "own", mode=mode), export__license="cc0-1.0")
    assert outcome.code == 0, outcome.err
    rows = datasets.load_dataset(str(out / "dataset"), split="train", cache_dir=str(tmp_path / "cache"))
    assert rows.num_rows == 12 and rows.features["label"].names == ["ant", "bee", "cat"]
    assert rows[0]["image"].size == (11, 7) and rows[0]["image"].mode == mode
    assert "cc0-1.0" in (out / "dataset" / "README.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("masks", ["recombine", "diffusion", "regions"])
def test_images_and_masks(run, tmp_path, masks):
    settings = {
        "conditions__masks": masks,
        "ignore": IGNORED,
        "classes": "[ground, square]",
        "export__formats": "[coco]",
    }
    settings |= {"conditions__diffusion__steps": 10, "conditions__diffusion__width": 8}
    out, outcome = run("segmentation", masks_folder(tmp_path / "own"), **settings)
    assert outcome.code == 0, outcome.err
    rows = datasets.load_dataset(
        "parquet",
        data_files=str(out / "dataset" / "data" / "*.parquet"),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert rows.num_rows == 12 and rows[0]["image"].size == rows[0]["mask"].size == (18, 14)
    assert rows[0]["image"].mode == "RGB" and rows[0]["mask"].mode == "L"
    found = set().union(*(np.unique(np.asarray(row["mask"])).tolist() for row in rows))
    assert found <= {0, 1, IGNORED} and {0, 1} <= found
    for row in rows:
        mask = np.asarray(row["mask"])
        for thing in row["objects"]:
            x, y, width, height = thing["box"]
            inside = mask[y : y + height, x : x + width] == thing["class"]
            assert 0 < thing["area"] <= int(inside.sum())
    _check_coco(out, rows.num_rows)


def _check_coco(out: Path, count: int) -> None:
    from pycocotools.coco import COCO

    (path,) = (out / "dataset" / "coco").rglob("*.json")
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(path))
    assert len(coco.getImgIds()) == count and len(coco.getCatIds()) >= 1
    for annotation in coco.loadAnns(coco.getAnnIds()):
        assert coco.annToMask(annotation).sum() == pytest.approx(annotation["area"])
    assert json.loads(path.read_text())["licenses"]


def test_corrupt_images_are_named(run, tmp_path):
    own = classes_folder(tmp_path / "own", each=4)
    for name in ("bee", "cat"):
        (own / name / "002.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    _, outcome = run("classification", own)
    assert outcome.code == 2 and "bee/002.png" in outcome.err and "not a readable image" in outcome.err


@pytest.mark.slow
def test_one_corrupt_image_is_left_out_and_told(run, tmp_path):
    own = classes_folder(tmp_path / "own")
    (own / "bee" / "002.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    out, outcome = run("classification", own)
    assert outcome.code == 0, outcome.err
    for told in (outcome.err, (out / "dataset" / "README.md").read_text()):
        assert "1 of 60 rows were left out" in told and "bee/002.png" in told


def test_a_mask_of_another_size_is_named(run, tmp_path):
    own = masks_folder(tmp_path / "own", count=10)
    for name in ("004.png", "007.png"):
        Image.fromarray(np.zeros((3, 5), np.uint8)).save(own / "masks" / name)
    _, outcome = run("segmentation", own, ignore=IGNORED)
    assert outcome.code == 2 and "images/004.png" in outcome.err and "mask is 5 x 3 pixels" in outcome.err


def test_a_class_that_is_not_in_train_is_named(run, tmp_path):
    own = tmp_path / "own"
    classes_folder(own / "train", each=6)
    classes_folder(own / "test", each=3)
    shutil.rmtree(own / "train" / "cat")
    _, outcome = run("classification", own)
    assert outcome.code == 2 and "cat" in outcome.err


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_rows_are_told(run, tmp_path, rows):
    own = classes_folder(tmp_path / "own", each=rows)
    for name in ("bee", "cat"):
        shutil.rmtree(own / name)
    _, outcome = run("classification", own)
    assert outcome.code == 2 and outcome.err.splitlines()[-1].startswith("synthgen: source")


@pytest.mark.parametrize("value", ["NaN", "null", '"cow"'])
def test_a_label_that_is_none_is_named(run, tmp_path, value):
    own = classes_folder(tmp_path / "own", each=4)
    lines = [{"image": f"{name}/{i:03d}.png", "label": name} for name in ("ant", "bee", "cat") for i in range(4)]
    text = "\n".join(json.dumps(line) for line in lines).replace('"label": "bee"', f'"label": {value}', 2)
    (own / "rows.jsonl").write_text(text + "\n")
    _, outcome = run("classification", own / "rows.jsonl", classes="[ant, bee, cat]")
    assert outcome.code == 2 and "row 4" in outcome.err and "Traceback" not in outcome.err


@pytest.mark.parametrize("recipe", ["classification", "segmentation"])
def test_a_source_that_cannot_be_used_leaves_no_folder_behind(run, tmp_path, recipe):
    out, outcome = run(recipe, tmp_path / "nowhere")
    assert outcome.code == 2 and "source.path" in outcome.err and not out.exists()
