"""The recipes that a service offers, each with the folder of its run. Callers name them; nothing else can be asked for.

catalog = Catalog.open(["segmentation", "recipes/own.yaml", "runs/digits"])
catalog.entries["digits"].has_model()
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from .. import task
from ..errors import UserError
from ..mistakes import shorten
from ..pipeline import name_run
from ..recipe import Recipe, load, recipe_class
from ..remote.address import Address, read_place
from ..requests import opened
from ..shelf import shipped
from ..storage import is_sound

RUNS = Path("runs")  # where the runs of recipes lie, as for `synthgen run`


@dataclass(frozen=True)
class Entry:
    """A recipe and its run's folder, which may have no model yet."""

    recipe: Recipe
    folder: Path

    @property
    def name(self) -> str:
        return self.recipe.name

    @cached_property
    def run(self) -> tuple[str, str]:
        """What replicas know it by."""
        return name_run(self.recipe, self.folder)

    def has_model(self) -> bool:
        """Whether rows can be drawn without training first. Reads the whole model."""
        return is_sound(self.folder / "model")

    def report(self) -> dict[str, Any] | None:
        """dataset/report.json of the finished run; None if it is not finished."""
        if not (self.folder / "state" / "done").is_file():
            return None
        try:
            report: dict[str, Any] = json.loads((self.folder / "dataset" / "report.json").read_text())
        except (OSError, ValueError):
            return None
        return report


@dataclass(frozen=True)
class Catalog:
    """Entries by name."""

    entries: Mapping[str, Entry]

    @staticmethod
    def open(words: Sequence[str]) -> Catalog:
        """What `synthgen serve` was given: paths or names of recipes, and folders of runs. Raises UserError."""
        entries: dict[str, Entry] = {}
        for word in words:
            entry = _open_entry(word)
            opened(entry.recipe)
            if entry.name in entries:
                raise UserError(
                    f"RECIPE: {shorten(word, 100)!r} is the second with the name {entry.name!r}, and callers choose "
                    "by name; leave one out or change its `name`"
                )
            entries[entry.name] = entry
        return Catalog(MappingProxyType(entries))


def _open_entry(word: str) -> Entry:
    if isinstance(read_place(word, "RECIPE"), Address):
        raise UserError(
            f"RECIPE: {shorten(word, 100)!r} is a URL, and serve reads a run's folder again and again; copy it to this "
            "machine and name the folder"
        )
    path = Path(word)
    if word not in shipped() and path.is_dir():
        return Entry(_read_run(path, word), path)
    recipe = load(word)
    return Entry(recipe, RUNS / recipe.name)


def _read_run(folder: Path, word: str) -> Recipe:
    """The recipe that the run in `folder` was begun with."""
    place = folder / "state" / "recipe.json"
    if not place.is_file():
        raise UserError(
            f"RECIPE: {shorten(word, 100)!r} is a folder and not a run's; name a recipe, or a folder that "
            "`synthgen run` has made"
        )
    try:
        document = json.loads(place.read_text())
        if document["task"] not in task.names():
            raise ValueError
        return recipe_class(document["task"]).model_validate(document)
    except (OSError, ValueError, KeyError, TypeError, ValidationError):
        raise UserError(
            f"RECIPE: the run in {shorten(word, 100)!r} has a recipe that this version cannot read; name the recipe's "
            "file instead"
        ) from None
