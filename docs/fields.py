"""Writes the tables of docs/recipe.md anew from docs/recipe.schema.json, between the file's two comments.

make schema && python docs/fields.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE, SCHEMA = HERE / "recipe.md", HERE / "recipe.schema.json"
BEGIN, END = "<!-- fields: written by docs/fields.py -->", "<!-- end of fields -->"
OF_THE_TASK = ("source", "model", "conditions")
TYPES = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true, false", "null": "null"}


def render(schema: dict[str, Any]) -> str:
    """One table a section, in the order of a recipe; what depends on the task once for all tasks that share it."""
    definitions, top = schema["$defs"], schema["properties"]
    branches = {branch["if"]["properties"]["task"]["const"]: branch["then"]["properties"] for branch in schema["allOf"]}
    required = set(schema["required"])
    single = {n: field for n, field in top.items() if "$ref" not in field and n not in OF_THE_TASK}
    sections = ["### Top level\n\n" + "\n".join(_lines(single, required))]
    for name, field in top.items():
        owners = {"": field} if "$ref" in field else {}
        if name in OF_THE_TASK:
            sharing: dict[str, list[str]] = {}
            for task, own in branches.items():
                sharing.setdefault(own[name]["$ref"], []).append(task)
            owners = {", ".join(tasks) * (len(sharing) > 1): branches[tasks[0]][name] for tasks in sharing.values()}
        for task, owner in owners.items():
            title = f"`{name}`" + (f" of {task}" if task else "")
            sections.append(_section(title, name, owner, definitions))
    return "\n\n".join(sections)


def _section(title: str, path: str, field: dict[str, Any], definitions: dict[str, Any]) -> str:
    fields = _flatten(path, field, definitions)
    return f"### {title}\n\n{field.get('description', '')}\n\n" + "\n".join(_lines(fields, set()))


def _flatten(path: str, field: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Every field below, by dotted path; a group that can be switched off is a field and its own fields."""
    found: dict[str, Any] = {}
    for name, inner in definitions[_reference(field)]["properties"].items():
        dotted = f"{path}.{name}"
        group = _reference(inner)
        if "$ref" not in inner:
            found[dotted] = inner
        if group:
            found.update(_flatten(dotted, {"$ref": group}, definitions))
    return found


def _reference(field: dict[str, Any]) -> str:
    """Name of the definition that a field refers to, itself or in one of its branches; empty if none."""
    for branch in [field, *field.get("anyOf", [])]:
        if "$ref" in branch:
            return str(branch["$ref"]).rpartition("/")[2]
    return ""


def _lines(fields: dict[str, Any], required: set[str]) -> list[str]:
    head = ["| field | value | default | what it is |", "| --- | --- | --- | --- |"]
    return head + [_line(name, field, name in required) for name, field in fields.items()]


def _line(name: str, field: dict[str, Any], required: bool) -> str:
    default = "required" if required else f"`{_show(field['default'])}`" if field.get("default", "") != "" else "empty"
    about = " ".join(field.get("description", "").split()).replace("|", "\\|")
    return f"| `{name}` | {_values(field)} | {default} | {about} |"


def _show(value: Any) -> str:
    return "on" if isinstance(value, dict) else json.dumps(value, ensure_ascii=False).strip('"')


def _values(field: dict[str, Any]) -> str:
    """What may be written: types with their bounds, or the words."""
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_values(branch) for branch in field["anyOf"]))
    if "$ref" in field:
        return "on"
    if "enum" in field:
        return ", ".join(f"`{word}`" for word in field["enum"] if word is not False)
    if "const" in field:
        return f"`{_show(field['const'])}`"
    kind = field.get("type", "")
    if kind == "array":
        inner = field.get("items") or field["prefixItems"][0]
        return f"list of {_values(inner)}"
    if kind == "object":
        return "mapping"
    return " ".join(filter(None, [TYPES[kind], _bounds(field)]))


def _bounds(field: dict[str, Any]) -> str:
    low, high = (field.get(side, field.get(f"exclusive{side.title()}")) for side in ("minimum", "maximum"))
    if low is None or high is None:
        return ""
    above = "above " if "exclusiveMinimum" in field else ""
    step = f", in steps of {field['multipleOf']}" if "multipleOf" in field else ""
    below = "below " if "exclusiveMaximum" in field else ""
    return f"({above}{_count(low)} to {below}{_count(high)}{step})"


def _count(value: float) -> str:
    if isinstance(value, int) and value < 10**12:
        return f"{value:,}"
    return f"{value:g}"


def replace(text: str, inside: str) -> str:
    """`text` with `inside` between the two comments."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin and end, f"{PAGE.name} lacks {BEGIN!r} or {END!r}"
    return f"{before}{BEGIN}\n\n{inside}\n\n{END}{after}"


if __name__ == "__main__":
    fields = render(json.loads(SCHEMA.read_text(encoding="utf-8")))
    PAGE.write_text(replace(PAGE.read_text(encoding="utf-8"), fields), encoding="utf-8")
