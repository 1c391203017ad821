"""A small, safe dialect of YAML: mappings, lists, text, numbers, true/false, null. Knows nothing of recipes.

What a recipe has no use for is refused: anchors and aliases, tags, duplicate keys, several documents, deep nesting,
unprintable characters. `on` and `off` are true and false; `yes` and `no` are text; 1e-3 is a number; 010 is text.
Keys are always text, so `{0: 1}` and `{"0": 1}` are the same.

    read("train: {steps: 100, rate: 1e-3}")  ->  {"train": {"steps": 100, "rate": 0.001}}
"""

from __future__ import annotations

import re
from typing import Any

import yaml

DEEPEST = 20
BOOLEANS = {"true": True, "on": True, "false": False, "off": False}

_RESOLVERS = (
    ("bool", r"(?:true|True|TRUE|on|On|ON|false|False|FALSE|off|Off|OFF)", "tTfFoO"),
    ("null", r"(?:~|null|Null|NULL|)", ["~", "n", "N", ""]),
    ("int", r"[-+]?(?:0|[1-9][0-9_]*)", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+"
        r"|\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))",
        "-+.0123456789",
    ),
)


class Refusal(Exception):
    """The text is not of this dialect: one sentence, with the line where that is known."""


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise _refusal(
                "aliases (*) are not allowed here; write the value out, or put it in quotes", self.peek_event()
            )
        event = self.peek_event()
        if getattr(event, "anchor", None) is not None:
            raise _refusal("anchors (&) are not allowed here; write the value out, or put it in quotes", event)
        if getattr(event, "tag", None) is not None:
            raise _refusal("tags (!) are not allowed here; write the plain value, or put it in quotes", event)
        self.depth += 1
        if self.depth > DEEPEST:
            raise _refusal(f"is nested more than {DEEPEST} levels deep; flatten it", event)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


for _tag, _pattern, _first in _RESOLVERS:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^{_pattern}$"), list(_first))
    # The writer must quote what this dialect reads as a number, besides what YAML 1.1 does.
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^{_pattern}$"), list(_first))


def read(text: str) -> Any:
    """The one document in `text` as dicts with text keys, lists, str, int, float, bool, None. Raises Refusal."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        return None if node is None else _value(node)
    except yaml.MarkedYAMLError as error:
        problem = " ".join((error.problem or "cannot be read").split())
        if "another document" in problem or "single document" in (error.context or ""):
            problem = "holds more than one document; keep one"
        raise Refusal(_at(error.problem_mark, problem)) from None
    except yaml.reader.ReaderError as error:
        raise Refusal(f"is not text: byte or character {error.position} cannot stand in YAML") from None
    except (ValueError, OverflowError):
        raise Refusal("holds an escape or a number that cannot be read; write it plainly") from None


def write(value: Any) -> str:
    """YAML that `read` gives back unchanged."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _value(node: Any) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item) for item in node.value]
    return _scalar(node)


def _mapping(node: yaml.MappingNode) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, item in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _refusal("a key must be plain text, not a list or a mapping", key)
        name = _printable(key)
        if name in values:
            raise _refusal(f"the key {name[:40]!r} stands here twice; keep one", key)
        values[name] = _value(item)
    return values


def _scalar(node: Any) -> Any:
    text = _printable(node)
    kind = node.tag.rpartition(":")[2]
    if kind == "null":
        return None
    if kind == "bool":
        return BOOLEANS[text.lower()]
    if kind == "int":
        if len(text) > 100:
            raise _refusal(f"{text[:20]}… is a number of {len(text)} digits; use a smaller one", node)
        return int(text.replace("_", ""))
    if kind == "float":
        return float(re.sub(r"^([-+]?)\.([in])", r"\1\2", text.lower().replace("_", "")))
    return text


def _printable(node: Any) -> str:
    text: str = node.value
    for character in text:
        if not (character.isprintable() or character in "\n\t"):
            raise _refusal(f"the unprintable character {ascii(character)} is not allowed; remove it", node)
    return text


def _refusal(problem: str, node: Any) -> Refusal:
    return Refusal(_at(node.start_mark, problem))


def _at(mark: Any, problem: str) -> str:
    return problem if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: {problem}"
