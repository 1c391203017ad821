"""What the columns of a table of time series are: which form the table has, and which columns are values. Reads no row.

layout = find_layout(schema, SeriesSourceOptions(kind="files", path="load.csv", columns={"time": "date"}), "load.csv")
layout.form, layout.channels        # "long", ("HUFL", "HULL", ...)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import pyarrow as pa

from ..errors import UserError
from .series_options import MOST_CHANNELS, SHORTEST, Role, SeriesSourceOptions
from .tables import check_columns


@dataclass(frozen=True)
class Layout:
    """What the columns of a table are."""

    form: Literal["nested", "flat", "long"]  # a row is a list of values, a series of one channel, or a step
    roles: dict[str, str]  # ours -> theirs, those that there are
    channels: tuple[str, ...]  # columns of values; for "flat" the steps
    unread: tuple[str, ...]


def find_layout(schema: pa.Schema, options: SeriesSourceOptions, place: str) -> Layout:
    """What each column is. A UserError if one is missing, or nothing can be the values."""
    names = tuple(schema.names)
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"source.path: {place} has two columns {name!r}; give each its own name")
    roles: dict[str, str] = {str(role): name for role, name in options.columns.items()}
    check_columns(names, dict(roles), place)
    taken = set(roles.values())
    roles |= {role: role for role in get_args(Role) if role not in roles and role in names and role not in taken}
    if "series" not in options.columns and "series" in roles and not _is_list(schema.field("series").type):
        del roles["series"]  # in a table of steps a column of that name is often the series' name
    if options.kinds and "events" not in roles:
        raise UserError(f"source.kinds: {place} has no column 'events'; set source.columns.events to the one it has")
    numbers = [name for name in names if name not in roles.values() and is_number(schema.field(name).type)]
    lists = [name for name in names if name not in roles.values() and _is_list(schema.field(name).type)]
    if "series" not in roles and len(lists) == 1:
        roles["series"] = lists[0]
    if "series" in roles:
        return _nested_layout(schema, roles, names, place)
    is_long = bool({"time", "id", "events"} & set(roles))
    if not is_long and "label" in roles and len(numbers) == len(names) - 1 >= SHORTEST and not options.channels:
        return Layout("flat", {"label": roles["label"]}, tuple(numbers), ())
    for name in options.channels or ():
        if name not in names:
            raise UserError(f"source.channels: {place} has no column {name!r}; it has {', '.join(names[:20])}")
    channels = tuple(options.channels or numbers)
    if not channels:
        has = ", ".join(names[:20])
        raise UserError(
            f"source.channels: {place} has no column of numbers alone, nor of lists of them; set it to those of {has}"
        )
    refuse_channels(len(channels), place)
    return Layout("long", roles, channels, tuple(n for n in names if n not in {*roles.values(), *channels}))


def _nested_layout(schema: pa.Schema, roles: dict[str, str], names: tuple[str, ...], place: str) -> Layout:
    if not _is_list(schema.field(roles["series"]).type):
        raise UserError(
            f"source.columns.series: {roles['series']!r} of {place} is no column of lists of numbers; set it to one, "
            "or leave it out where a row is a step"
        )
    roles = {role: name for role, name in roles.items() if role in ("series", "label", "events", "id")}
    return Layout("nested", roles, (), tuple(name for name in names if name not in roles.values()))


def refuse_channels(count: int, place: str) -> None:
    if count > MOST_CHANNELS:
        raise UserError(
            f"source.channels: {place} has {count} channels; use at most {MOST_CHANNELS} "
            "(a series is channels x steps, not steps x channels)"
        )


def is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _is_list(kind: pa.DataType) -> bool:
    """A list of numbers, or a list of those."""
    depth = 0
    kind = getattr(kind, "storage_type", kind)
    while pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        kind, depth = kind.value_type, depth + 1
    return depth in (1, 2) and is_number(kind)
