"""Which classes there are, and which number each value of the source gets. Knows no pixels and no files.

name_labels(["cat", "dog", "cat"], names=None, wanted=None)      # ("cat", "dog"), {"cat": 0, "dog": 1}
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..errors import UserError
from ..mistakes import meant
from .rows import BadRow

MOST_CLASSES = 1000
BINARY = {0, 255}  # how many tools store a mask of two classes


def clean_label(value: Any) -> int | str:
    """A label as whole number or text. A BadRow if it is missing or no name of a class."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float) and value == value and value.is_integer():
        return int(value)
    if isinstance(value, float) and value != value:
        raise BadRow("label is NaN")
    if value is None or (isinstance(value, str) and not value.strip()):
        raise BadRow("no label")
    if isinstance(value, int | str):
        return value
    raise BadRow(f"label {value!r:.40} is not a class; use a whole number or a name")


def name_labels(
    values: Iterable[int | str], names: Sequence[str] | None, wanted: Sequence[str] | None
) -> tuple[tuple[str, ...], dict[int | str, int]]:
    """The classes and the number of each value that is one; values without a number are unknown classes.

    names: of the source's features, by number. wanted: the recipe's list. Without both: the distinct values, sorted.
    """
    distinct = set(values)
    if names is None and wanted is None:
        ordered = [str(value) for value in sorted(distinct, key=_natural)]
        classes = tuple(dict.fromkeys(ordered))  # 1 and "1" are one class
        _refuse_too_many(len(classes))
        return classes, {value: classes.index(str(value)) for value in distinct}
    spelled = {value: _spell(value, names or wanted or ()) for value in distinct}
    if wanted is None:
        wanted = [name for name in names or () if name in set(spelled.values())]
    _refuse_too_many(len(wanted))
    numbers = {name: number for number, name in enumerate(wanted)}
    return tuple(wanted), {value: numbers[name] for value, name in spelled.items() if name in numbers}


def choose_classes(classes: Sequence[str], only: Sequence[str]) -> dict[int, int]:
    """The new number of each class that `only` names, by its number among `classes`. A UserError for another name."""
    for name in only:
        if name not in classes:
            raise UserError(f"source.only: {name!r} is not a class of the source; {meant(name, classes)}")
    return {classes.index(name): number for number, name in enumerate(only)}


def _spell(value: int | str, names: Sequence[str]) -> str:
    """The name of a value: itself, or the name with that number."""
    if str(value) in names:
        return str(value)
    number = int(value) if str(value).isascii() and str(value).isdigit() else -1
    return names[number] if 0 <= number < len(names) else str(value)


def _natural(value: int | str) -> tuple[int, int, str]:
    """Numbers by value, then words by the alphabet."""
    text = str(value)
    number = text.removeprefix("-")
    return (0, int(text), text) if number.isascii() and number.isdigit() else (1, 0, text)


def _refuse_too_many(count: int) -> None:
    if count > MOST_CLASSES:
        raise UserError(
            f"source: the label column has {count} distinct values, more than {MOST_CLASSES} classes; "
            "set source.columns.label to the column of the classes"
        )


def name_values(
    seen: np.ndarray, wanted: Sequence[str] | None, ignore: int | None
) -> tuple[tuple[str, ...], np.ndarray]:
    """The classes of masks and a table value -> class number. Unknown values stand as -1, `ignore` as itself.

    seen: bool (N, 256), the values that occur in each mask. Returns names and int (256,).
    Masks of exactly the values 0 and 255 are binary: 255 becomes 1. A UserError if values must be numbered anew.
    """
    values = {int(value) for value in np.flatnonzero(seen.any(axis=0)) if value != ignore}
    table = np.full(256, -1)
    if values == BINARY and (wanted is None or len(wanted) == 2):
        table[[0, 255]] = 0, 1
        names = tuple(wanted or ("background", "foreground"))
    else:
        names = tuple(wanted) if wanted else _names_of(values)
        table[: len(names)] = np.arange(len(names))[:256]
    if ignore is not None:
        if ignore < len(names):
            raise UserError(f"source.ignore: {ignore} is also the number of a class; use {len(names)} to 255")
        table[ignore] = ignore
    return names, table


def _names_of(values: set[int]) -> tuple[str, ...]:
    if values != set(range(len(values))):
        listed = ", ".join(str(value) for value in sorted(values)[:12]) + (", ..." if len(values) > 12 else "")
        unknown = ", or set source.ignore to 255 if that means not annotated" if 255 in values else ""
        raise UserError(
            f"source: the masks hold the values {listed}; number the classes 0, 1, 2, ... "
            f"or name them in source.classes{unknown}"
        )
    return ("background", "foreground") if len(values) == 2 else tuple(f"class {value}" for value in sorted(values))


def check_classes(
    classes: Sequence[str], train: np.ndarray, others: dict[str, np.ndarray], what: str = "rows"
) -> tuple[str, ...]:
    """Notes on classes that a part lacks; a UserError if train lacks one, or if there are fewer than two classes.

    train, others: how many rows hold each class, int (K,); others by the part's name.
    """
    if len(classes) < 2:
        only = f"only the class {classes[0]!r}" if classes else "no class"
        raise UserError(f"source: the {what} have {only}; at least two classes are needed")
    for number, name in enumerate(classes):
        if train[number] == 0:
            there = [part for part, counts in others.items() if counts[number]]
            where = f" but the {' and '.join(there)} part has it" if there else ""
            raise UserError(
                f"source: class {name!r} has no training {what}{where}; add some, or leave the class out everywhere"
            )
    missing = {
        part: [n for n, count in zip(classes, counts, strict=True) if not count] for part, counts in others.items()
    }
    return tuple(f"the {part} part has no {', '.join(names[:20])}" for part, names in missing.items() if names)
