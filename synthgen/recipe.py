"""A recipe: one YAML file that names everything a run needs. Here it becomes a frozen, checked `Recipe`.

It knows which stage owns which options and which task brings `source`, `model` and `conditions`. It runs nothing and
reads no data. A relative `source.path` is relative to the working directory, not to the recipe's file.

    recipe = load("segmentation", ["count=500", "train.seconds=60"])
    recipe.sha256
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, create_model, model_validator
from pydantic.json_schema import models_json_schema

from . import strict_yaml, task
from .callers import CallerOptions
from .errors import UserError
from .evaluation.options import EvaluateOptions
from .export.options import ExportOptions
from .gates.options import GateOptions
from .mistakes import Mistake, explain, meant, shorten, show
from .options import ConditionOptions, Options
from .sampling.options import SampleOptions
from .shelf import shipped
from .sources.options import SourceOptions
from .training.options import TrainOptions

LARGEST = 1_000_000  # bytes of a recipe's file
OF_THE_TASK = ("source", "model", "conditions")  # the stages whose fields depend on the task


class Recipe(Options):
    """What to make, from what, how, and how to judge it."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    """Small letters, digits, '-', '_' and '.', beginning with a letter or digit; also the run folder's name."""
    task: str
    """What a row is; `synthgen tasks` lists them."""
    description: str = Field("", max_length=2000)
    """One or two sentences for the dataset card."""
    count: int = Field(ge=1, le=100_000_000)
    """How many accepted rows to make."""
    seed: int = Field(0, ge=0, le=2**63 - 1)
    """The same seed gives the same rows, whatever the number of workers."""
    source: SourceOptions
    """The real rows to learn from; its fields depend on the task."""
    model: Options
    """The denoiser; its fields depend on the task."""
    train: TrainOptions = Field(default_factory=TrainOptions)
    """How long and how to train."""
    conditions: ConditionOptions
    """What to draw; its fields depend on the task."""
    sample: SampleOptions = Field(default_factory=SampleOptions)
    """How to turn noise into rows."""
    gates: GateOptions = Field(default_factory=GateOptions)
    """Reasons to reject a row; each can be `off`."""
    evaluate: EvaluateOptions = Field(default_factory=EvaluateOptions)
    """How to measure what the rows are worth."""
    export: ExportOptions = Field(default_factory=ExportOptions)
    """What is written besides sharded Parquet."""
    serve: CallerOptions = Field(default_factory=CallerOptions)
    """What those may change who ask for rows over HTTP."""

    @model_validator(mode="after")
    def _can_be_guided(self) -> Self:
        untrained = getattr(self.model, "adapt", None) == "none"
        if self.sample.guidance != 1 and self.train.drop == 0 and not untrained:
            raise ValueError(
                f"sample.guidance: {self.sample.guidance:g} needs a net that also learned without its condition; "
                "set train.drop to 0.1, or sample.guidance to 1"
            )
        return self

    @property
    def sha256(self) -> str:
        """Digest of every resolved field: two recipes with the same digest ask for the same run."""
        text = json.dumps(self.resolved(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def resolved(self) -> dict[str, Any]:
        """Every field, defaults included, as JSON has it."""
        return self.model_dump(mode="json")

    def yaml(self) -> str:
        """The resolved recipe as a file that `load` reads back to an equal one."""
        return strict_yaml.write(self.resolved())


@lru_cache
def recipe_class(name: str) -> type[Recipe]:
    """The Recipe of one task; a UserError if the task's extra is not installed."""
    found = task.find(name)
    own: dict[str, Any] = {"task": (Literal[name], Field(description=Recipe.model_fields["task"].description))}
    for stage, options in (
        ("source", found.source_options),
        ("model", found.model_options),
        ("conditions", found.condition_options),
    ):
        required = stage == "source" or any(field.is_required() for field in options.model_fields.values())
        default: dict[str, Any] = {} if required else {"default_factory": options}
        own[stage] = (options, Field(description=Recipe.model_fields[stage].description, **default))
    made: type[Recipe] = create_model(f"{name.capitalize()}Recipe", __base__=Recipe, **own)
    return made


def load(reference: str, overrides: list[str] | None = None) -> Recipe:
    """The recipe at a path, or the shipped one of that name, with `a.b=c` overrides. Raises UserError."""
    path = locate(reference)
    label = shorten(str(reference), 100)
    document = _read(path, label)
    changed = [_override(document, text) for text in overrides or []]
    if changed:
        _forget_builtin(document, changed)
    return _check(document, label, changed)


def change(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """The recipe with other values, as JSON has them, of dotted fields: {"sample.steps": 8}. Raises UserError."""
    document = recipe.resolved()
    for field, value in values.items():
        _put(document, tuple(field.split(".")), value)
    return _check(document, "", [])


def locate(reference: str) -> Path:
    """The file of a recipe; UserError if there is none."""
    known = shipped()
    try:
        path = Path(reference)
        if path.is_file():
            return path
        if reference in known:
            return known[reference]
        if path.is_dir():
            raise UserError(f"RECIPE: {shorten(reference, 100)!r} is a folder; name a YAML file in it")
        if path.exists():
            raise UserError(f"RECIPE: {shorten(reference, 100)!r} is not a regular file; name a YAML file")
    except (OSError, ValueError):
        pass
    raise UserError(
        f"RECIPE: {shorten(reference, 100)!r} is neither a file nor a shipped recipe; {meant(reference, known)}"
    )


def difference(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    """What changed between two resolved recipes, such as ["train.steps: 100 -> 200"]."""
    lines: list[str] = []
    for key in [*old, *(key for key in new if key not in old)]:
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            lines += difference(before, after, f"{prefix}{key}.")
        elif before != after:
            lines.append(f"{shorten(prefix + key)}: {show(before)} -> {show(after)}")
    return lines


def with_defaults(old: Any, new: Mapping[str, Any]) -> Any:
    """A resolved recipe of an earlier version with the defaults of fields that came since, as `new`'s task has them.

    What this version cannot read stays as it is.
    """
    try:
        return recipe_class(new["task"]).model_validate(old).resolved()
    except ValidationError:
        return old


def schema() -> dict[str, Any]:
    """One JSON Schema (2020-12) for the recipes of every task whose extra is installed."""
    classes = {name: recipe_class(name) for name in task.names() if task.is_installed(name)}
    if not classes:
        recipe_class(task.names()[0])  # says what to install
    inputs: list[tuple[type[BaseModel], Literal["validation"]]] = [(made, "validation") for made in classes.values()]
    references, definitions = models_json_schema(inputs)
    defs = definitions.get("$defs", {})
    properties: dict[str, Any] = {}
    branches = []
    for name, made in classes.items():
        own = defs.pop(references[(made, "validation")]["$ref"].rpartition("/")[2])
        mine = {stage: own["properties"][stage] for stage in OF_THE_TASK}
        branches.append(
            {"if": {"properties": {"task": {"const": name}}, "required": ["task"]}, "then": {"properties": mine}}
        )
        properties = {**own["properties"], **{stage: {"type": "object"} for stage in mine}}
    properties["task"] = {"enum": list(classes), "description": Recipe.model_fields["task"].description}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "synthgen recipe",
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "task", "count", "source"],
        "properties": properties,
        "allOf": branches,
        "$defs": _with_off(defs),
    }


def _with_off(node: Any) -> Any:
    # Editors read YAML 1.2, where `off` is a word.
    if isinstance(node, dict):
        if node.get("const") is False:
            return {
                **{key: value for key, value in node.items() if key not in ("const", "type")},
                "enum": [False, "off"],
            }
        return {key: _with_off(value) for key, value in node.items()}
    return [_with_off(item) for item in node] if isinstance(node, list) else node


def _read(path: Path, label: str) -> dict[str, Any]:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UserError(f"{label}: is not a regular file; name a YAML file")
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise UserError(f"{label}: is larger than {LARGEST:,} bytes; a recipe is a short YAML file")
        document = strict_yaml.read(data.decode("utf-8-sig"))
    except OSError as error:
        raise UserError(f"{label}: cannot be read ({error.strerror}); name a readable YAML file") from None
    except UnicodeDecodeError:
        raise UserError(f"{label}: is not UTF-8 text; a recipe is a YAML file") from None
    except strict_yaml.Refusal as refusal:
        raise UserError(f"{label}: {refusal}") from None
    if document is None:
        raise UserError(f"{label}: is empty; give at least name, task, count and source")
    if not isinstance(document, dict):
        raise UserError(
            f"{label}: {show(document)} is not a mapping of fields; give at least name, task, count and source"
        )
    return document


def _override(document: dict[str, Any], text: str) -> tuple[str, ...]:
    path, equals, value = text.partition("=")
    keys = tuple(path.split("."))
    if not equals or not all(key and key.isprintable() and key == key.strip() for key in keys):
        raise UserError(f"--set: {show(text)} is not of the form field=value, such as train.steps=100")
    if not value.strip():
        raise UserError(f"--set: {show(text)} gives no value; write null to empty a field")
    try:
        parsed = strict_yaml.read(value)
    except strict_yaml.Refusal as refusal:
        raise UserError(f"--set {shorten(path)}: {show(value)} cannot be read ({refusal}); put it in quotes") from None
    _put(document, keys, parsed)
    return keys


def _put(document: dict[str, Any], keys: tuple[str, ...], value: Any) -> None:
    here = document
    for key in keys[:-1]:
        if not isinstance(here.get(key), dict):
            here[key] = {}
        here = here[key]
    here[keys[-1]] = value


def _forget_builtin(document: dict[str, Any], changed: list[tuple[str, ...]]) -> None:
    # `--set source.kind=files --set source.path=…` on a recipe of a built-in source must not stumble over its name.
    source = document.get("source")
    if ("source", "kind") in changed and ("source", "name") not in changed and isinstance(source, dict):
        if source.get("kind") != "builtin" and source.pop("name", None) and ("description",) not in changed:
            document.pop("description", None)  # it tells of the built-in rows


def _check(document: dict[str, Any], label: str, changed: list[tuple[str, ...]]) -> Recipe:
    name = document.get("task")
    if "task" not in document:
        raise UserError(f"{label}: task: is missing; use one of: {', '.join(task.names())}")
    if not isinstance(name, str) or name not in task.names():
        where = "--set" if ("task",) in changed else label
        raise UserError(f"{where}: task: {show(name)} is not a task; {meant(str(name), task.names())}")
    made = recipe_class(name)
    try:
        # As JSON, strictly: true is no number and "5" no count, yet a list may stand for a tuple.
        recipe = made.model_validate_json(json.dumps(document), strict=True)
    except ValidationError as error:
        raise UserError(_tell(explain(error, document, made), label, changed)) from None
    _check_words(recipe, changed, label)
    return recipe


def _check_words(recipe: Recipe, changed: list[tuple[str, ...]], label: str) -> None:
    """Words that only some tasks know."""
    found = task.find(recipe.task)
    for field, given, known, what in (
        ("export.formats", recipe.export.formats, found.formats, "cannot be written as"),
        ("train.augment", recipe.train.augment, found.augmentations, "cannot be changed by"),
    ):
        place = "--set" if any(keys[:1] == (field.partition(".")[0],) for keys in changed) else label
        for wanted in given:
            if wanted not in known:
                fix = f"it has: {', '.join(known)}" if known else "leave it out"
                raise UserError(f"{_headed(place)}{field}: the rows of {recipe.task} {what} {wanted!r}; {fix}")


def _tell(mistakes: list[Mistake], label: str, changed: list[tuple[str, ...]]) -> str:
    first = mistakes[0]
    overridden = any(first.path[: len(keys)] == keys or keys[: len(first.path)] == first.path for keys in changed)
    more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
    return f"{_headed('--set' if overridden else label)}{first.text}{more}"


def _headed(place: str) -> str:
    return f"{place}: " if place else ""
