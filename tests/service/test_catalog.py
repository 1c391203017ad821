"""What a service may be given, and what is said of the rest."""

from __future__ import annotations

import json

import pytest

from synthgen.errors import UserError
from synthgen.recipe import load
from synthgen.service.catalog import Catalog


@pytest.fixture
def run_folder(tmp_path):
    """The folder of a run that was begun."""
    folder = tmp_path / "begun"
    (folder / "state").mkdir(parents=True)
    recipe = load("classification", ["name=mine", "count=7"])
    (folder / "state" / "recipe.json").write_text(json.dumps(recipe.resolved()))
    return folder


def test_recipes_and_run_folders_are_found_by_name(run_folder, tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text("name: own\ntask: classification\ncount: 3\nsource: {kind: builtin, name: digits}\n")
    catalog = Catalog.open(["segmentation", str(own), str(run_folder)])
    assert list(catalog.entries) == ["segmentation", "own", "mine"]
    assert catalog.entries["mine"].folder == run_folder and catalog.entries["mine"].recipe.count == 7
    assert catalog.entries["own"].folder.parts == ("runs", "own") and catalog.entries["own"].name == "own"


def test_a_run_without_model_and_dataset_says_so(run_folder):
    entry = Catalog.open([str(run_folder)]).entries["mine"]
    assert not entry.has_model() and entry.report() is None
    (run_folder / "state" / "done").write_text("{}")
    assert entry.report() is None
    (run_folder / "dataset").mkdir()
    (run_folder / "dataset" / "report.json").write_text('{"rows": {}}')
    assert entry.report() == {"rows": {}}


def test_mistakes_are_named(run_folder, tmp_path):
    (tmp_path / "bare").mkdir()
    damaged = tmp_path / "damaged" / "state"
    damaged.mkdir(parents=True)
    (damaged / "recipe.json").write_text('{"task": "poetry"}')
    for words, told in (
        (["segmentatoin"], "did you mean 'segmentation'?"),
        ([str(tmp_path / "bare")], "is a folder and not a run's"),
        ([str(damaged.parent)], "this version cannot read"),
        ([str(run_folder), str(run_folder)], "is the second with the name 'mine'"),
    ):
        with pytest.raises(UserError, match="^RECIPE: ") as raised:
            Catalog.open(words)
        assert told in str(raised.value)


def test_what_cannot_be_opened_to_callers_is_told_at_the_start(tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text(
        "name: own\ntask: classification\ncount: 3\nsource: {kind: builtin, name: digits}\n"
        "serve: {open: [sample.seed]}\n"
    )
    with pytest.raises(UserError, match="^serve.open: 'sample.seed' cannot be opened to callers; "):
        Catalog.open([str(own)])
