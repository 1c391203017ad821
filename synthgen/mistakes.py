"""Turns pydantic's errors into one sentence that names the field, the value and the fix. Knows no recipe by name.

explain(error, {"train": {"stepz": 3}}, RecipeOfTask)
->  [Mistake(path=("train", "stepz"), text="train.stepz: unknown field; did you mean 'steps'?")]
"""

from __future__ import annotations

import json
import types
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

LONGEST = 40
Path = tuple[str, ...]


@dataclass(frozen=True)
class Mistake:
    path: Path  # keys from the root of the document; list positions as text
    text: str


def explain(error: ValidationError, document: Any, model: type[BaseModel]) -> list[Mistake]:
    """One Mistake a field, in pydantic's order. The branches of a union are told as one."""
    found: dict[Path, list[tuple[int, str]]] = {}
    for details in error.errors(include_url=False, include_context=True):
        path = _in_document(details["loc"], document, details["type"] == "missing")
        found.setdefault(path, []).append((_weight(details["type"]), _sentence(details, path, document, model)))
    deepest = [
        path for path in found if not any(len(other) > len(path) and other[: len(path)] == path for other in found)
    ]
    return [Mistake(path, _headed(path, _join(found[path]), document)) for path in deepest]


def _headed(path: Path, text: str, document: Any) -> str:
    # what is wrong between two fields names both itself
    return text if not path and isinstance(document, dict) else f"{show_path(path)}: {text}"


def show(value: Any) -> str:
    """The value as a person would type it: short, on one line, printable."""
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return shorten(text)


def show_path(path: Path) -> str:
    return shorten(".".join(path), 2 * LONGEST) or "(top)"


def shorten(text: str, longest: int = LONGEST) -> str:
    clean = "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
    return clean if len(clean) <= longest else f"{clean[: longest - 10]}…{clean[-9:]}"


def meant(name: str, candidates: Any) -> str:
    """'; did you mean …?' or a list of what there is."""
    names = sorted(str(candidate) for candidate in candidates)
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    if not names:
        return "remove it"
    return (
        f"use one of: {', '.join(names)}" if len(names) <= 16 else f"use one of {len(names)} names such as {names[0]!r}"
    )


def _in_document(loc: tuple[int | str, ...], document: Any, missing: bool) -> Path:
    # pydantic's location also names the branches of unions; those are no keys of the document.
    path: list[str] = []
    here = document
    for position, key in enumerate(loc):
        if isinstance(here, dict) and str(key) in here:
            here = here[str(key)]
        elif isinstance(here, list) and isinstance(key, int) and key < len(here):
            here = here[key]
        elif not (missing and position == len(loc) - 1):
            continue
        path.append(str(key))
    return tuple(path)


def value_at(path: Path, document: Any) -> Any:
    for key in path:
        if isinstance(document, dict):
            document = document.get(key)
        elif isinstance(document, list) and key.isdecimal() and int(key) < len(document):
            document = document[int(key)]
        else:
            return None
    return document


def models_at(path: Path, model: type[BaseModel]) -> list[type[BaseModel]]:
    """The models that the value at `path` may be; empty if it is plain, or a mapping of free keys."""
    here: list[type[BaseModel]] = [model]
    for key in path:
        here = [
            inner for outer in here if key in fields_of(outer) for inner in _models(fields_of(outer)[key].annotation)
        ]
    return here


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields by the names that documents give them: `continue` cannot be the name of a Python field."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, types.UnionType):
        return [model for part in get_args(annotation) for model in _models(part)]
    return []


_WANTED = {  # the first words of a pydantic error type -> what the field wants, and an example
    "int": ("a whole number", "10"),
    "float": ("a number", "0.5"),
    "bool": ("true or false", "true"),
    "string": ("text", "'text'"),
    "list": ("a list", "[a, b]"),
    "tuple": ("a list", "[a, b]"),
    "dict": ("a mapping", "{a: 1}"),
    "model": ("a mapping of fields", "{field: value}"),
}


def _weight(kind: str) -> int:
    # Where one branch of a union took the value's type and refused its size, that branch is the one to tell of.
    return (
        0
        if kind.rpartition("_")[2] in ("type", "parsing", "required") or kind in ("literal_error", "int_from_float")
        else 1
    )


def _join(sentences: list[tuple[int, str]]) -> str:
    best = max(weight for weight, _ in sentences)
    texts = list(dict.fromkeys(text for weight, text in sentences if weight == best))
    value, is_not, _ = texts[0].partition(" is not ")
    wants = [text[len(value + is_not) :].partition(";")[0] for text in texts if text.startswith(value + is_not)]
    if len(texts) > 1 and len(wants) == len(texts):
        return f"{value} is not {' or '.join(wants)}; use one of these"
    return texts[0]


def _sentence(details: Any, path: Path, document: Any, model: type[BaseModel]) -> str:
    kind, context = details["type"], details.get("ctx", {})
    value = show(value_at(path, document))
    if kind == "extra_forbidden":
        fields = {name for owner in models_at(path[:-1], model) for name in fields_of(owner)}
        return f"unknown field; {meant(path[-1], fields)}"
    if kind == "missing":
        return "is missing; add it"
    if kind in ("value_error", "assertion_error"):
        return shorten(str(context.get("error", details["msg"])), 300)
    if kind == "literal_error":
        expected = str(context["expected"]).replace("False", "off")
        return f"{value} is not {expected}; use {'one of these' if ' or ' in expected else expected}"
    if kind == "finite_number":
        return f"{value} is not a finite number; use one such as 0.5"
    if kind == "string_pattern_mismatch":
        return f"{value} does not fit; {_advice(path, model) or 'it must match ' + context['pattern']}"
    return _bound(kind, context, value) or _type(kind, value, value_at(path, document), details["msg"])


def _advice(path: Path, model: type[BaseModel]) -> str:
    owners = [owner for owner in models_at(path[:-1], model) if path[-1] in fields_of(owner)]
    description = fields_of(owners[0])[path[-1]].description if owners else ""
    return f"use: {description[0].lower()}{description[1:].rstrip('.')}" if description else ""


def _bound(kind: str, context: dict[str, Any], value: str) -> str:
    if kind == "greater_than_equal":
        return f"{value} is too small; use {context['ge']} or more"
    if kind == "greater_than":
        return f"{value} is too small; use more than {context['gt']}"
    if kind == "less_than_equal":
        return f"{value} is too large; use {context['le']} or less"
    if kind == "less_than":
        return f"{value} is too large; use less than {context['lt']}"
    if kind.endswith("too_short"):
        return f"{value} is too short; give at least {context['min_length']}"
    if kind.endswith("too_long"):
        return f"{value} is too long; give at most {context['max_length']}"
    return ""


def _type(kind: str, value: str, raw: Any, message: str) -> str:
    wanted, example = _WANTED.get(kind.partition("_")[0], ("", ""))
    if not wanted:
        return f"{value}: {shorten(message, 200)}"
    if wanted == "a whole number" and isinstance(raw, float) and raw.is_integer() and abs(raw) < 1e15:
        return f"{value} is not a whole number; write {int(raw)}"
    return f"{value} is not {wanted}; write one such as {example}"
