"""Recordings out of the cells of a table, where a row is a step or a series. Knows neither files nor windows.

words = Words()
recordings = read_table(table, layout, "load.csv", "train", words)     # one a series: (T, C) with nan for gaps
words.labels                                                           # {"walking": 0, "running": 1}
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from ..errors import UserError
from .classes import clean_label, name_labels
from .recordings import Recording
from .rows import BadRow, Faults
from .series_columns import Layout, is_number, refuse_channels
from .series_options import MOST_KINDS, SeriesSourceOptions
from .tables import WHOLE

NO_EVENT = {"", "0", "0.0", "none", "false", "no", "nan"}
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}

Cells = dict[str, Any]  # ours -> a cell: a Python value, or for the series an Arrow scalar


@dataclass
class Words:
    """Labels and kinds met so far, with their numbers; and the channels of the first series."""

    labels: dict[int | str, int] = field(default_factory=dict)
    kinds: dict[int | str, int] = field(default_factory=dict)  # from 1
    channels: int | None = None
    faults: Faults = field(default_factory=Faults)
    total: int = 0

    def label(self, value: Any) -> int:
        """Number of a label; a BadRow if it is none."""
        if isinstance(value, str) and WHOLE.fullmatch(value):
            value = float(value)
        return self.labels.setdefault(clean_label(value), len(self.labels))

    def kind(self, value: Any) -> int:
        """Number of a kind of event, 0 for none. A UserError beyond MOST_KINDS."""
        if value is None or value != value or str(value).strip().lower() in NO_EVENT or value == 0:
            return 0
        text = "1" if str(value).lower() == "true" else str(value).strip().removesuffix(".0")
        number = self.kinds.setdefault(int(text) if text.isascii() and text.isdigit() else text, len(self.kinds) + 1)
        if number > MOST_KINDS:
            raise UserError(
                f"source.columns.events: the column has more than {MOST_KINDS} distinct values; set it to the column "
                "that says which event is on"
            )
        return number


def name_channels(count: int, options: SeriesSourceOptions) -> tuple[str, ...]:
    """Names for the channels of series that a table does not name."""
    if options.channels and len(options.channels) != count:
        raise UserError(f"source.channels: {len(options.channels)} names for {count} channels; name each once")
    return tuple(options.channels or (["value"] if count == 1 else [f"channel {n + 1}" for n in range(count)]))


def name_kinds(
    kinds: dict[int | str, int], wanted: Sequence[str] | None, there: bool
) -> tuple[tuple[str, ...], np.ndarray]:
    """The names of the kinds of events, and a table number of Words.kinds -> number of the kind, from 1.

    there: whether the source has a column of events, which may be empty.
    """
    table = np.zeros(len(kinds) + 1, np.uint8)
    if wanted is None and set(kinds) <= {1}:
        table[1:] = 1
        return ("event",) if there else (), table
    if wanted is None:
        names, numbers = name_labels(kinds, None, None)
        for value, code in kinds.items():
            table[code] = numbers[value] + 1
        return names, table
    for value, code in kinds.items():
        number = value if isinstance(value, int) else 1 + list(wanted).index(value) if value in wanted else 0
        if not 1 <= number <= len(wanted):
            raise UserError(
                f"source.kinds: the source has events of kind {value!r}, which is not named; name every kind"
            )
        table[code] = number
    return tuple(wanted), table


# A row is a series


def read_series(rows: Iterable[Cells | BadRow], place: str, part: str, words: Words) -> list[Recording]:
    """One recording a row; bad rows go to `words.faults`."""
    recordings = []
    for number, cells in enumerate(rows):
        words.total += 1
        where = f"{place} row {number}"
        try:
            recordings.append(_make_recording(cells, where, part, words))
        except BadRow as bad:
            words.faults.add(where, str(bad))
    return recordings


def _make_recording(cells: Cells | BadRow, where: str, part: str, words: Words) -> Recording:
    if isinstance(cells, BadRow):
        raise cells
    values = _trim(as_float32(read_numbers(cells["series"])).T)
    refuse_channels(values.shape[1], where)
    if values.shape[1] != (words.channels or values.shape[1]):
        raise BadRow(f"{values.shape[1]} channels, and the first series has {words.channels}")
    label = np.array([words.label(cells["label"])], np.int32) if "label" in cells else None
    events = _read_events(cells["events"], len(values), words) if "events" in cells else None
    words.channels = values.shape[1]
    return Recording(where, part, np.ascontiguousarray(values), label, events)


def read_numbers(cell: Any) -> np.ndarray:
    """A list of numbers, or a list of channels, as float64 (C, T) with nan for null. A BadRow if it is neither."""
    cell = getattr(cell, "value", cell) if isinstance(cell, pa.ExtensionScalar) else cell
    inner = cell.values if isinstance(cell, pa.Scalar) else cell
    if inner is None or not len(inner):
        raise BadRow("no series")
    if isinstance(cell, pa.Scalar):
        nested = not is_number(inner.type)
        channels = [channel.values for channel in inner] if nested else [inner]
    else:
        channels = list(inner) if any(isinstance(step, list) for step in inner) else [inner]
    if any(channel is None for channel in channels):
        raise BadRow("a channel is missing")
    try:
        arrays = [_as_array(channel) for channel in channels]
    except (TypeError, ValueError):
        raise BadRow("the series holds something that is no number") from None
    if len({len(array) for array in arrays}) > 1:
        raise BadRow("its channels have different lengths")
    return np.stack(arrays)


def _as_array(channel: Any) -> np.ndarray:
    if isinstance(channel, pa.Array):
        return np.asarray(channel.to_numpy(zero_copy_only=False), np.float64)
    return np.array(channel, np.float64)


def as_float32(values: np.ndarray) -> np.ndarray:
    """float32, and nan for what is not finite there."""
    with np.errstate(over="ignore"):
        values = values.astype(np.float32)
    values[~np.isfinite(values)] = np.nan
    return values


def _trim(values: np.ndarray) -> np.ndarray:
    """(T, C) without the steps at the end that have no value at all: shorter series are often filled up so."""
    known = np.flatnonzero(~np.isnan(values).all(axis=1))
    if not len(known):
        raise BadRow("the series has no value")
    return values[: known[-1] + 1]


def _read_events(cell: Any, steps: int, words: Words) -> np.ndarray:
    """uint8 (steps,), of a list of {kind, start, end} (kinds from 0, the end not included) or of one kind a step."""
    events = np.zeros(steps, np.uint8)
    if cell is None or not len(cell):
        return events
    if not isinstance(cell, list):
        raise BadRow("events are no list")
    if not isinstance(cell[0], dict):
        if len(cell) < steps:
            raise BadRow(f"{len(cell)} events for {steps} steps")
        return np.array([words.kind(value) for value in cell[:steps]], np.uint8)
    for event in cell:
        start, end, kind = event.get("start"), event.get("end"), event.get("kind", 0)
        if not isinstance(start, int) or not isinstance(end, int) or not 0 <= start < end:
            raise BadRow(f"event from {start!r:.20} to {end!r:.20}")
        events[start:end] = words.kind(kind + 1 if isinstance(kind, int) else kind or 1)
    return events


# A row is a step, or a series of one channel


def read_table(table: pa.Table, layout: Layout, place: str, part: str, words: Words) -> list[Recording]:
    """The recordings of a whole table. A UserError if time does not increase within one of them."""
    if not table.num_rows:
        return []
    values = np.empty((table.num_rows, len(layout.channels)), np.float32)
    for number, name in enumerate(layout.channels):
        values[:, number] = as_float32(
            _plain(table[name]).cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        )
    roles = layout.roles
    label = _encode(table[roles["label"]], words.label).astype(np.int32) if "label" in roles else None
    if layout.form == "flat":
        return _flat_recordings(values, label, place, part, words)
    events = _encode(table[roles["events"]], words.kind).astype(np.uint8) if "events" in roles else None
    times = read_seconds(table[roles["time"]], place) if "time" in roles else None
    recordings = []
    for name, rows in _group_rows(table[roles["id"]] if "id" in roles else None, table.num_rows, place):
        if times is not None:
            _check_increasing(times, rows, place)
        own = None if label is None else label[rows]
        recordings.append(
            Recording(
                name=f"{place} {name}".strip(),
                part=part,
                values=values[rows],
                label=own[:1] if own is not None and (own == own[0]).all() else own,
                events=None if events is None else events[rows],
                times=None if times is None else times[rows],
            )
        )
    words.total += len(recordings)
    return recordings


def _flat_recordings(
    values: np.ndarray, label: np.ndarray | None, place: str, part: str, words: Words
) -> list[Recording]:
    assert label is not None
    recordings = []
    for row in range(len(values)):
        words.total += 1
        try:
            trimmed = _trim(values[row, :, None])
            recordings.append(Recording(f"{place} row {row}", part, trimmed, label[row : row + 1]))
        except BadRow as bad:
            words.faults.add(f"{place} row {row}", str(bad))
    words.channels = 1
    return recordings


def _plain(column: Any) -> Any:
    """The column in one piece, categories as their values."""
    column = column.combine_chunks()
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _encode(column: Any, number: Callable[[Any], int]) -> np.ndarray:
    """int64 (N,): the number of each cell, -1 for one that has none. Each distinct value is looked at once."""
    encoded = _plain(column).dictionary_encode(null_encoding="encode")
    numbers = []
    for value in encoded.dictionary.to_pylist():
        try:
            numbers.append(number(value))
        except BadRow:
            numbers.append(-1)
    return np.array(numbers, np.int64)[encoded.indices.to_numpy(zero_copy_only=False)]


def _group_rows(column: Any, count: int, place: str) -> list[tuple[str, Any]]:
    """(name, rows in their order) of each recording, in the order in which they begin."""
    if column is None:
        return [("", slice(0, count))]
    if column.null_count:
        row = int(np.flatnonzero(np.asarray(column.is_null()))[0])
        raise UserError(f"source.columns.id: {place} row {row} has no id; give every row the id of its series")
    encoded = _plain(column).dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes))
    in_order = bool((np.diff(codes) >= 0).all())
    return [
        (str(name), slice(int(begin), int(end)) if in_order else order[begin:end])
        for name, begin, end in zip(encoded.dictionary.to_pylist(), [0, *ends[:-1]], ends, strict=True)
    ]


def read_seconds(column: Any, place: str) -> np.ndarray:
    """float64 (N,): numbers as they are, dates as seconds since 1970 (UTC where no zone is given)."""
    if column.null_count:
        row = int(np.flatnonzero(np.asarray(column.is_null()))[0])
        raise UserError(f"source.columns.time: {place} row {row} has no time; remove the row or give it one")
    column = _plain(column)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = _parse_times(column, place)
    kind = column.type
    if is_number(kind):
        times = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    elif pa.types.is_date(kind):
        times = column.cast(pa.timestamp("s")).cast(pa.int64()).to_numpy(zero_copy_only=False).astype(np.float64)
    elif pa.types.is_temporal(kind):
        whole = pa.int32() if pa.types.is_time32(kind) else pa.int64()
        times = column.cast(whole).to_numpy(zero_copy_only=False) / PER_SECOND[kind.unit]
    else:
        raise UserError(f"source.columns.time: {place} has a column of {kind}; use dates, or seconds as numbers")
    if not np.isfinite(times).all():
        raise UserError(
            f"source.columns.time: {place} row {np.flatnonzero(~np.isfinite(times))[0]} has no time; mend it"
        )
    return np.asarray(times, np.float64)


def _parse_times(column: Any, place: str) -> Any:
    for kind in (pa.timestamp("ns"), pa.timestamp("ns", tz="UTC"), pa.float64()):
        try:
            return column.cast(kind)
        except pa.ArrowInvalid as error:
            fault = str(error).splitlines()[0][:120]
    held = (fault.partition(": ")[2] or fault).partition(" as a scalar")[0]
    raise UserError(
        f"source.columns.time: {place} holds {held}; write dates as "
        "2024-12-31 23:59:59, all with a zone or all without, or seconds as numbers"
    )


def _check_increasing(times: np.ndarray, rows: Any, place: str) -> None:
    back = np.flatnonzero(np.diff(times[rows]) <= 0)
    if len(back):
        row = (np.arange(len(times))[rows])[back[0] + 1]
        raise UserError(
            f"source.columns.time: {place} row {row} is not later than the row before it of its series; sort the rows "
            "by time, or set source.columns.id to the column that tells series apart"
        )
