"""What a recipe lets callers change."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from synthgen.errors import UserError
from synthgen.recipe import load
from synthgen.requests import accept, describe, opened


@pytest.mark.parametrize("name", ["classification", "segmentation", "qa", "timeseries", "3d"])
def test_defaults_open_nothing_that_trains_or_reads(name):
    recipe = load(name)
    assert {field.partition(".")[0] for field in opened(recipe)} <= {"conditions", "sample"}
    assert "conditions.texts" not in opened(recipe) and "conditions.masks" not in opened(recipe)
    Draft202012Validator.check_schema(describe(recipe))
    assert accept(recipe, {}) == recipe


def test_changes_are_checked_like_the_recipe():
    recipe = load("classification")
    changed = accept(recipe, {"conditions.balance": {"3": 1}, "sample.steps": 12})
    assert changed.conditions.balance == {"3": 1.0} and changed.sample.steps == 12
    assert changed.sha256 != recipe.sha256 and changed.train == recipe.train
    for wrong, told in (
        ({"sample.steps": 500}, "sample.steps: 500 is more than callers may ask for; use at most 50"),
        ({"sample.steps": "9"}, "sample.steps: '9' is not a whole number"),
        ({"sample.seed": 1}, "sample.seed: is not opened"),
        ({"model.base": "x"}, "model.base: is not opened"),
        ({"sample": 3}, "sample: is not opened"),
    ):
        with pytest.raises(UserError) as raised:
            accept(recipe, wrong)
        assert str(raised.value).startswith(told)


def test_the_schema_says_what_is_accepted():
    recipe = load("classification")
    schema = Draft202012Validator(describe(recipe))
    for good in ({}, {"sample": {"steps": 12, "guidance": 1.0}}, {"conditions": {"balance": "uniform"}}):
        dotted = {f"{stage}.{name}": value for stage, fields in good.items() for name, value in fields.items()}
        assert schema.is_valid(good) and accept(recipe, dotted)
    for bad in ({"sample": {"steps": 500}}, {"model": {}}, {"sample": {"seed": 3}}):
        assert not schema.is_valid(bad)


def test_a_recipe_opens_what_it_names():
    recipe = load("classification", ["serve.open=[sample.steps]", "serve.most_steps=20"])
    assert opened(recipe) == ("sample.steps",)
    with pytest.raises(UserError, match="conditions.balance: is not opened"):
        accept(recipe, {"conditions.balance": "real"})
    for name in ("sample.seed", "train.steps", "sample.stepz"):
        with pytest.raises(UserError, match=f"serve.open: '{name}' cannot be opened"):
            opened(load("classification", [f"serve.open=[{name}]"]))
