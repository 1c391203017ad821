"""A recipe as those see it who ask for its rows: the fields that it opens to them, and the recipe with their values.

A request cannot name what is not opened; so no path, model or code comes from outside.

    changed = accept(recipe, {"conditions.balance": {"3": 1.0}, "sample.steps": 12})
    describe(recipe)        # JSON Schema of such values
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import task
from .callers import USUAL
from .errors import UserError
from .mistakes import meant, shorten, show
from .recipe import Recipe, change, recipe_class

STAGES = ("conditions", "sample")
CLOSED = ("sample.seed", "sample.batch_size", "sample.shard_size", "sample.precision")  # those of the operator


def opened(recipe: Recipe) -> tuple[str, ...]:
    """The dotted fields that callers may set. Raises UserError for names in `serve.open` that cannot be opened."""
    known = [f"{stage}.{name}" for stage in STAGES for name in type(getattr(recipe, stage)).model_fields]
    if recipe.serve.open is None:
        warm = task.find(recipe.task).texts is not None  # only tokens are drawn with a temperature
        return tuple(name for name in USUAL if name in known and (warm or name != "sample.temperature"))
    free = [name for name in known if name not in CLOSED]
    for name in recipe.serve.open:
        if name not in free:
            raise UserError(f"serve.open: {show(name)} cannot be opened to callers; {meant(name, free)}")
    return recipe.serve.open


def accept(recipe: Recipe, overrides: Mapping[str, Any]) -> Recipe:
    """The recipe with a caller's values of dotted fields, {"sample.steps": 12}. Raises UserError."""
    if not overrides:
        return recipe
    fields = opened(recipe)
    for name in overrides:
        if name not in fields:
            raise UserError(f"{shorten(name)}: is not opened to callers; {meant(name, fields)}")
    changed = change(recipe, overrides)
    if changed.sample.steps > _most_steps(recipe):
        raise UserError(
            f"sample.steps: {changed.sample.steps} is more than callers may ask for; use at most {_most_steps(recipe)}"
        )
    return changed


def _most_steps(recipe: Recipe) -> int:
    return max(recipe.serve.most_steps, recipe.sample.steps)


def describe(recipe: Recipe) -> dict[str, Any]:
    """JSON Schema (2020-12) of the fields that callers may set, by stage, with the recipe's values as defaults."""
    whole, now = recipe_class(recipe.task).model_json_schema(), recipe.resolved()
    defs: dict[str, Any] = whole.get("$defs", {})
    stages: dict[str, dict[str, Any]] = {}
    for name in opened(recipe):
        stage, _, field = name.partition(".")
        own = defs[whole["properties"][stage]["$ref"].rpartition("/")[2]]["properties"][field]
        own = {**own, "default": now[stage][field]}
        if name == "sample.steps":
            own["maximum"] = _most_steps(recipe)
        stages.setdefault(stage, {})[field] = own
    used = _reached(stages, defs)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            stage: {"type": "object", "additionalProperties": False, "properties": fields}
            for stage, fields in stages.items()
        },
        **({"$defs": used} if used else {}),
    }


def _reached(node: Any, defs: Mapping[str, Any]) -> dict[str, Any]:
    """The definitions that `node` refers to, and those that they refer to."""
    found: dict[str, Any] = {}
    waiting = [node]
    while waiting:
        here = waiting.pop()
        if isinstance(here, dict):
            name = str(here.get("$ref", "")).rpartition("/")[2]
            if name in defs and name not in found:
                found[name] = defs[name]
                waiting.append(defs[name])
            waiting.extend(here.values())
        elif isinstance(here, list):
            waiting.extend(here)
    return found
