"""The nearest real training row: found among the source's rows, or said why not."""

from __future__ import annotations

import shutil

import pytest
from little_runs import RECIPES, make_run

from synthgen.errors import UserError
from synthgen.service.gallery.browse import open_run
from synthgen.service.gallery.nearest import NearestRows
from synthgen.service.gallery.shelf import Shelf, StillReadingError


@pytest.mark.parametrize("task", sorted(RECIPES))
def test_a_real_row_is_nearest_to_itself(folders, task):
    run = open_run(folders[task], "recipe:x")
    rows = NearestRows.open(folders[task])
    for number in (0, 4):
        found = rows.find(run.values(number), run.index.features)
        assert found["index"] == number % 200 or found["distance"] == 0
        assert found["distance"] == pytest.approx(0, abs=2e-3)
        whole = run.row(number)
        assert found["label"] == whole["label"] and set(found["row"]) <= set(run.index.features)


def test_a_source_that_has_changed_is_told(tmp_path):
    folder = make_run("classification", tmp_path / "run", kept=4, rejected=1)
    (folder / "state" / "source.txt").write_text("0" * 64)
    with pytest.raises(UserError, match="the real rows have changed"):
        NearestRows.open(folder)
    shutil.rmtree(folder / "state")
    with pytest.raises(UserError, match="recipe.json cannot be read"):
        NearestRows.open(folder)


def test_nobody_waits_long_and_a_failure_is_tried_again(folders, tmp_path, monkeypatch):
    shelf, run = Shelf(), open_run(folders["timeseries"], "recipe:x")
    monkeypatch.setattr("synthgen.service.gallery.shelf.PATIENCE", 0.0)
    with pytest.raises(StillReadingError):
        shelf.find_nearest(run, 0)
    monkeypatch.setattr("synthgen.service.gallery.shelf.PATIENCE", 60.0)
    assert shelf.find_nearest(run, 0)["index"] == 0
    folder = make_run("classification", tmp_path / "run", kept=4, rejected=1)
    known = (folder / "state" / "recipe.json").read_text()
    (folder / "state" / "recipe.json").unlink()
    broken = shelf.open("recipe:y", folder)
    with pytest.raises(UserError):
        shelf.find_nearest(broken, 0)
    (folder / "state" / "recipe.json").write_text(known)
    assert shelf.find_nearest(broken, 0)["distance"] == pytest.approx(0, abs=2e-3)
