"""Which columns of a table are the two sides of a pair, and in which languages. Knows columns, neither files nor parts.

layout = find_layout(records, ("id", "en", "de"), options, "talks.csv")
layout.languages, layout.read(record.cells)       # ("en", "de"), ("Good day", "Guten Tag")
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ...errors import UserError
from ..rows import BadRow
from ..tables import check_columns
from .pair_options import PairSourceOptions
from .records import Record

SAMPLE = 100  # records that tell what the columns are
TRANSLATION, SIDES = "translation", ("source", "target")


@dataclass(frozen=True)
class Layout:
    """Where the two sides of a pair stand."""

    languages: tuple[str, str]  # as rows name them
    source: str  # a column, or a key of the translation
    target: str
    translation: str | None = None  # the column of records of two languages
    label: str | None = None

    def read(self, cells: dict[str, Any]) -> tuple[Any, Any]:
        """The two sides as they stand, unchecked. A BadRow if there is no record of two languages."""
        if self.translation is None:
            return cells.get(self.source), cells.get(self.target)
        sides = open_translation(cells.get(self.translation))
        if sides is None:
            raise BadRow(f"{self.translation}: not a record of two languages")
        return sides.get(self.source), sides.get(self.target)


def open_translation(value: Any) -> dict[str, Any] | None:
    """A record of languages, also if it stands as JSON; None if it is none."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) else None


def find_layout(records: list[Record], columns: tuple[str, ...], options: PairSourceOptions, title: str) -> Layout:
    """What each column is, told by the recipe, by names and by the first records. A UserError if that is not enough."""
    given = {str(role): name for role, name in options.columns.items()}
    check_columns(columns, given, title)
    head, label = records[:SAMPLE], given.get("label")
    if options.classes and label is None:
        raise UserError("source.classes: no column holds them; name it in source.columns.label")
    translation = given.get(TRANSLATION)
    if translation is None and not set(SIDES) & set(given):
        translation = TRANSLATION if _find_keys(head, TRANSLATION) else None
    if translation is not None:
        source, target = _name_keys(_find_keys(head, translation), translation, options, title)
    else:
        texts = [name for name in columns if name != label and _holds_texts(head, name)]
        source, target = _name_columns(columns, texts, given, options, title)
    return Layout(options.languages or (source, target), source, target, translation, label)


def _find_keys(records: list[Record], column: str) -> tuple[str, ...]:
    sides = (open_translation(record.cells.get(column)) for record in records)
    return tuple(dict.fromkeys(str(key) for found in sides for key in found or ()))


def _name_keys(keys: tuple[str, ...], column: str, options: PairSourceOptions, title: str) -> tuple[str, str]:
    """The keys of the translation that are source and target."""
    if not keys:
        raise UserError(
            f"source.columns.translation: {column!r} of {title} holds no records of two languages; name the columns of "
            "the two texts in source.columns.source and source.columns.target"
        )
    has = ", ".join(keys[:20])
    if options.languages is None:
        if len(keys) != 2:
            raise UserError(f"source.languages: {column!r} of {title} holds {has}; set it to two of them")
        return keys[0], keys[1]
    one, other = (_match(language, keys) for language in options.languages)
    for language, found in zip(options.languages, (one, other), strict=True):
        if found is None:
            raise UserError(
                f"source.languages: {column!r} of {title} has no {language!r}{_hint(language, keys)}; set it to two "
                f"of: {has}"
            )
    return str(one), str(other)


def _name_columns(
    columns: tuple[str, ...], texts: list[str], given: dict[str, str], options: PairSourceOptions, title: str
) -> tuple[str, str]:
    """The columns of source and target: as given, by the names of the languages, by ours, or the only two of texts."""
    found = {side: name for side, name in given.items() if side in SIDES}
    for names in (options.languages or SIDES, SIDES):
        named = {side: _match(name, columns) for side, name in zip(SIDES, names, strict=True)} | found
        if all(named.values()):
            found = {side: str(name) for side, name in named.items()}
    free = [name for name in texts if name not in found.values()]
    missing = [side for side in SIDES if side not in found]
    if missing and options.languages:
        _refuse_half(options.languages, tuple(free), title)
    if missing and len(free) == len(missing):
        found |= dict(zip(missing, free, strict=True))
    elif missing:
        raise UserError(
            f"source.columns.{missing[0]}: {title} has the columns {', '.join(columns[:20]) or 'none'}, and which two "
            "are translations of each other is not plain; name them in source.columns.source and source.columns.target"
        )
    if found["source"] == found["target"]:
        raise UserError(f"source.columns.target: {found['source']!r} is also the source; name another column")
    return found["source"], found["target"]


def _refuse_half(languages: tuple[str, str], free: tuple[str, ...], title: str) -> None:
    """A UserError if one language names a column and the other does not: then the other column is in a third one."""
    lacking = [language for language in languages if _match(language, free) is None]
    if len(lacking) == 1:
        raise UserError(
            f"source.languages: {title} has no column {lacking[0]!r}{_hint(lacking[0], free)}; set it to two of "
            f"{', '.join(free[:20])}, or name the columns in source.columns.source and source.columns.target"
        )


def _hint(name: str, names: tuple[str, ...]) -> str:
    near = get_close_matches(name, names, 1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _match(language: str, names: tuple[str, ...]) -> str | None:
    """The name that is this language's code, however it is spelled: pt-BR is pt_br."""
    spelled = {name.lower().replace("-", "_"): name for name in reversed(names)}
    return language if language in names else spelled.get(language.lower().replace("-", "_"))


def _holds_texts(records: list[Record], column: str) -> bool:
    """Whether more of the cells are texts than not."""
    return 2 * sum(isinstance(record.cells.get(column), str) for record in records) > len(records)
