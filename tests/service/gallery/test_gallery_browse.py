"""Pages, rows and pictures of finished runs of every task."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from little_runs import RECIPES, make_run
from PIL import Image

from synthgen.errors import UserError
from synthgen.export.parquet import encode_png
from synthgen.service.gallery.browse import open_run
from synthgen.service.gallery.cells import Cells
from synthgen.service.gallery.index import Wanted

MOST = 600_000  # bytes of a page of 36 rows


@pytest.mark.parametrize("task", sorted(RECIPES))
def test_rows_of_every_task(folders, task):
    run = open_run(folders[task], f"recipe:{task}")
    page = run.page(Wanted())
    text = json.dumps(page, allow_nan=False)
    assert len(page["rows"]) == page["total"] == 36 and page["next"] is None and len(text) < MOST
    assert [row["index"] for row in page["rows"]] == list(range(36))
    kept, refused = page["rows"][0], page["rows"][4]
    assert kept["gate"] == "" and "reason" not in kept
    assert refused["gate"] == "agreement" and refused["reason"] == "refused by agreement"
    assert kept["row"].keys() <= set(run.index.features) and kept["scores"]["agreement"] > 0
    for number in (0, 4):
        whole = run.row(number)
        json.dumps(whole, allow_nan=False)
        assert whole["command"].startswith("synthgen regenerate ") and whole["command"].endswith(f" {number}")
        assert whole["seed"] == "0" and whole["nearest"]["distance"] >= 1
    facts = run.facts()
    assert facts["task"] == task and facts["quality"]["synthetic"] == 0.85 and facts["rows"]["kept"] == 30


def test_only_accepted_shapes_have_a_mesh(folders):
    run = open_run(folders["shapes3d"], "recipe:3d")
    assert "mesh" in run.row(0)["row"] and "mesh" not in run.row(4)["row"]
    assert run.picture(0, "mesh", None).data.startswith(b"ply\n")
    with pytest.raises(UserError, match="column: row 4 has no picture 'mesh'"):
        run.picture(4, "mesh", None)


def test_pictures_are_the_datasets_own_bytes(folders):
    run = open_run(folders["segmentation"], "recipe:tissue")
    for number in (0, 4, 11):
        for column in ("image", "mask"):
            picture = run.picture(number, column, 256)
            assert picture.kind == "image/png" and picture.data == run.values(number)[column].as_py()["bytes"]


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_large_pictures_are_reduced_and_masks_keep_their_values(tmp_path, mode):
    noise = np.random.default_rng(0).integers(0, 3, (600, 400, 3) if mode == "RGB" else (600, 400), np.uint8) * 100
    folder = make_run("classification", tmp_path / "run", kept=4, rejected=1, change={"image": encode_png(noise)})
    run = open_run(folder, "recipe:x")
    small = Image.open(io.BytesIO(run.picture(0, "image", 256).data))
    assert small.size == (171, 256) and Image.open(io.BytesIO(run.picture(0, "image", None).data)).size == (400, 600)
    if mode == "L":
        assert set(np.unique(np.asarray(small))) == {0, 100, 200}


def test_bytes_that_are_no_picture_are_not_sent_as_one(tmp_path):
    evil = {"bytes": b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "path": "x.svg"}
    run = open_run(make_run("classification", tmp_path / "run", kept=4, rejected=1, change={"image": evil}), "r")
    assert run.picture(0, "image", None).kind == "application/octet-stream"


def test_chunks_are_forgotten_when_they_are_too_many(folders):
    run = open_run(folders["segmentation"], "recipe:tissue")
    cells = Cells(run.index.files, budget=1)
    for row in (0, 20, 1):
        assert cells.read(0, row, "image") == run.cells.read(0, row, "image")
        assert len(cells._kept) == 1
    assert cells.read(0, 0, "mask") == run.cells.read(0, 0, "mask")


def test_a_row_that_is_not_there_is_told(folders):
    run = open_run(folders["qa"], "recipe:qa")
    with pytest.raises(UserError, match="index: this run has no row 99"):
        run.row(99)
    with pytest.raises(UserError, match="it has none"):
        run.picture(0, "context", None)
