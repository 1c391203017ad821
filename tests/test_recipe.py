from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from synthgen import strict_yaml, task
from synthgen.errors import UserError
from synthgen.options import Options
from synthgen.recipe import Recipe, change, difference, load, locate, recipe_class, schema
from synthgen.shelf import opening, shipped

ROOT = Path(__file__).parent.parent
TEXT = "name: small\ntask: classification\ncount: 10\nsource: {kind: builtin, name: digits}\n"


@pytest.fixture
def small(tmp_path: Path) -> str:
    path = tmp_path / "small.yaml"
    path.write_text(TEXT)
    return str(path)


def test_defaults_are_the_stages_own(small: str) -> None:
    recipe = load(small)
    assert (recipe.name, recipe.task, recipe.count, recipe.seed) == ("small", "classification", 10, 0)
    found = task.find("classification")
    assert recipe.model == found.model_options()
    assert recipe.conditions == found.condition_options()
    assert recipe.train.seconds is not None


def test_is_frozen(small: str) -> None:
    with pytest.raises(ValidationError):
        load(small).count = 11  # type: ignore[misc]


def test_overrides(small: str) -> None:
    masks = ["task=segmentation", "source.name=tissue"]
    recipe = load(small, ["count=7", "train.learning_rate=1e-3", "export.formats=[coco]", "gates.copies=off", *masks])
    assert recipe.count == 7
    assert recipe.train.learning_rate == 0.001
    assert recipe.export.formats == ["coco"]
    assert recipe.gates.copies is False


def test_a_format_that_rows_cannot_have_is_refused_before_anything_is_made(small: str) -> None:
    with pytest.raises(UserError, match="--set: export.formats: the rows of classification cannot be .* 'coco'; leave"):
        load(small, ["export.formats=[coco]"])


def test_the_description_of_other_rows_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "told.yaml"
    path.write_text(TEXT + "description: Handwritten digits.\n")
    own = ["source.kind=files", "source.path=photos"]
    assert load(str(path)).description == "Handwritten digits."
    assert "digits" not in load(str(path), own).description
    assert load(str(path), [*own, "description=Ants."]).description == "Ants."
    hub = load("classification/fashion-mnist").description  # the same rows, from files
    assert load("classification/fashion-mnist", own).description == hub != ""


def test_an_extra_is_named_although_what_it_brings_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name="scipy")

    monkeypatch.setattr(task, "import_module", missing)
    with pytest.raises(UserError, match=r"needs the package 'scipy'.*pip install 'synthgen\[images\]'"):
        task.find("segmentation")
    assert not task.is_installed("segmentation")


def test_override_goes_below_a_switched_off_section(tmp_path: Path) -> None:
    path = tmp_path / "off.yaml"
    path.write_text(TEXT + "gates: {agreement: off}\n")
    assert load(str(path)).gates.agreement is False
    changed = load(str(path), ["gates.agreement.quantile=0.25"]).gates.agreement
    assert changed and changed.quantile == 0.25


def test_the_last_override_counts(small: str) -> None:
    assert load(small, ["count=7", "count=8"]).count == 8


def test_changing_the_kind_forgets_the_builtin_name(small: str) -> None:
    source = load(small, ["source.kind=files", "source.path=here"]).source
    assert (source.kind, source.path, source.name) == ("files", "here", None)


def test_relative_source_path_stays_as_written(small: str) -> None:
    assert load(small, ["source.kind=files", "source.path=data/x"]).source.path == "data/x"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("count=-5", "--set: count: -5 is too small; use 1 or more"),
        ("count=1e5", "--set: count: 100000.0 is not a whole number; write 100000"),
        ("train.stepz=3", "--set: train.stepz: unknown field; did you mean 'steps'?"),
        ("trian.steps=3", "--set: trian: unknown field; did you mean 'train'?"),
        ("seed=true", "--set: seed: true is not a whole number; write one such as 10"),
        ("gates.copies=5", "--set: gates.copies: 5 is not a mapping of fields or off; use one of these"),
        ("export.formats=[voc]", "--set: export.formats.0: 'voc' is not 'coco' or 'scenes'; use one of these"),
        ("task=clasification", "--set: task: 'clasification' is not a task; did you mean 'classification'?"),
        ("train.learning_rate=.nan", "--set: train.learning_rate: NaN is not a finite number; use one such as 0.5"),
    ],
)
def test_sentences(change: str, sentence: str, small: str) -> None:
    with pytest.raises(UserError) as caught:
        load(small, [change])
    assert str(caught.value) == sentence


def test_a_mistake_in_the_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(TEXT + "train: {stepz: 3}\n")
    with pytest.raises(UserError, match=r"x\.yaml: train\.stepz: unknown field; did you mean 'steps'\?$"):
        load(str(path), ["count=9"])


def test_digest_follows_every_field_and_nothing_else(small: str, tmp_path: Path) -> None:
    recipe = load(small)
    spelled_out = tmp_path / "other.yaml"
    spelled_out.write_text("# comment\nseed: 0\n" + TEXT)
    assert load(str(spelled_out)).sha256 == recipe.sha256
    assert len(recipe.sha256) == 64
    digests = {load(small, [change]).sha256 for change in ("seed=1", "count=11", "train.ema=0.1", "gates.quota=off")}
    assert len(digests | {recipe.sha256}) == 5


def test_yaml_reads_back_equal(small: str, tmp_path: Path) -> None:
    recipe = load(small, ["description='yes: no, 010 # off'", "train.learning_rate=1e-7", "gates.copies=off", "seed=9"])
    again = tmp_path / "again.yaml"
    again.write_text(recipe.yaml(), encoding="utf-8")
    assert load(str(again)) == recipe
    assert load(str(again)).sha256 == recipe.sha256


def test_difference_names_field_and_both_values(small: str) -> None:
    old, new = (
        load(small, ["train.steps=100"]).resolved(),
        load(small, ["train.steps=200", "gates.copies=off"]).resolved(),
    )
    lines = difference(old, new)
    assert "train.steps: 100 -> 200" in lines
    assert any(line.startswith("gates.copies: {") and line.endswith("-> false") for line in lines)
    assert len(lines) == 2
    assert difference(old, old) == []
    assert difference({"a": 1}, {"b": 2}) == ["a: 1 -> null", "b: null -> 2"]


@pytest.mark.parametrize("name", shipped())
def test_shipped_recipes_load_and_say_what_they_are(name: str) -> None:
    recipe = load(name)
    path = shipped()[name]
    assert recipe.name in (name.rpartition("/")[2], name.replace("/", "-"))
    assert path.read_text().startswith("# yaml-language-server: $schema=")
    assert (
        path.parent / path.read_text().splitlines()[0].partition("=")[2]
    ).resolve() == ROOT / "docs/recipe.schema.json"
    assert len(opening(path)) >= 2


def test_a_file_goes_before_a_shipped_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine").write_text(TEXT)
    assert locate("mine") == Path("mine")


def _walk(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, dict):
        return [node, *(found for value in node.values() for found in _walk(value))]
    return [found for item in node for found in _walk(item)] if isinstance(node, list) else []


def test_schema_resolves_and_describes_every_field() -> None:
    made = schema()
    for node in _walk(made):
        if "$ref" in node:
            assert node["$ref"].removeprefix("#/$defs/") in made["$defs"]
    for name, definition in {**made["$defs"], "recipe": made}.items():
        for field, described in definition.get("properties", {}).items():
            if field not in ("source", "model", "conditions"):
                assert described.get("description"), f"{name}.{field} has no description"


def test_schema_knows_each_tasks_own_fields() -> None:
    made = schema()
    assert made["properties"]["task"]["enum"] == task.names()
    for branch in made["allOf"]:
        name = branch["if"]["properties"]["task"]["const"]
        reference = branch["then"]["properties"]["conditions"]["$ref"].rpartition("/")[2]
        assert set(made["$defs"][reference]["properties"]) == set(task.find(name).condition_options.model_fields)
    assert len(made["allOf"]) == len(task.names())


def test_schema_file_is_up_to_date() -> None:
    written = json.loads((ROOT / "docs/recipe.schema.json").read_text())
    assert written == schema(), "run: make schema"


@pytest.mark.parametrize("name", task.names())
def test_every_option_is_described(name: str) -> None:
    def check(model: type[Options]) -> None:
        for field, info in model.model_fields.items():
            assert info.description, f"{model.__name__}.{field}"
            if isinstance(info.annotation, type) and issubclass(info.annotation, Options):
                check(info.annotation)

    made = recipe_class(name)
    assert issubclass(made, Recipe)
    check(made)


VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False),
        st.text(st.characters(exclude_categories=("C", "Zs", "Zl", "Zp")), max_size=12),
        st.sampled_from(
            ["no", "1e-3", "1.e5", "010", "0x1F", "1:30", "off", "~", "null", "", " x ", "a: b", "# x", "1_0", ".5"]
        ),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text("abc01.:-#*&!", min_size=1, max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None, derandomize=True)
@given(VALUES)
def test_written_yaml_reads_back(value: Any) -> None:
    assert strict_yaml.read(strict_yaml.write({"value": value})) == {"value": value}


@settings(deadline=None, derandomize=True)
@given(VALUES)
def test_other_readers_see_the_same(value: Any) -> None:
    # An oracle: what is written means the same to PyYAML's own reader (YAML 1.1).
    assert yaml.safe_load(strict_yaml.write({"value": value})) == {"value": value}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", True), ("off", False), ("no", "no"), ("yes", "yes"), ("1e-3", 0.001), ("1_000", 1000), ("010", "010"),
        ("1:30", "1:30"), ("2024-01-01", "2024-01-01"), ("~", None), ("-.5", -0.5), ("0x10", "0x10"), ("+3", 3),
        ("{0: a, off: b}", {"0": "a", "off": "b"}), ("-.inf", float("-inf")), ("<<", "<<"), ("=", "="),
    ],
)  # fmt: skip
def test_the_dialect(text: str, value: Any) -> None:
    read = strict_yaml.read(text)
    assert read == value and type(read) is type(value)


def test_guidance_needs_a_net_that_learned_without_its_condition():
    with pytest.raises(UserError, match=r"sample\.guidance: 2 needs .* set train\.drop to 0\.1"):
        load("segmentation", ["sample.guidance=2"])
    assert load("segmentation", ["sample.guidance=2", "train.drop=0.1"]).sample.guidance == 2


def test_fields_of_a_checked_recipe_are_changed_by_name():
    recipe = load("classification", ["gates.quota=off"])
    assert change(recipe, {}) == recipe
    changed = change(recipe, {"count": 7, "conditions.balance": {"1": 0.5}, "sample.seed": None, "sample.steps": 3})
    assert (changed.count, changed.sample.steps, changed.gates) == (7, 3, recipe.gates) and recipe.sample.steps != 3
    assert changed.resolved()["conditions"]["balance"] == {"1": 0.5}
    for values, told in (
        ({"count": "7"}, "count: "), ({"sample.stepz": 1}, "sample.stepz: unknown field; did you mean 'steps'?"),
        ({"sample": 3}, "sample: "), ({"conditions.balance.x.y": 1}, "conditions.balance"), ({"": 1}, ""),
        ({"export.formats": ["coco"]}, "export.formats: the rows of classification cannot be written as 'coco'"),
    ):  # fmt: skip
        with pytest.raises(UserError) as raised:
            change(recipe, values)
        assert str(raised.value).startswith(told), str(raised.value)
