"""Real time series, ready to train on: read, divided into parts, their gaps filled, and cut into rows, in this order.

Knows no models. The held-out rows are settled before anything that depends on the recipe's seed.

    data = load_series(SeriesSourceOptions(kind="builtin", name="motions"), seed=0)
    data.train["series"].shape, data.details["rate_hz"]       # (32, 100, 6), 10.0
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import UserError
from ..types import Columns, Data, Origin
from .classes import check_classes, name_labels
from .recordings import BUILTINS, Collection, Recording, check_recordings, open_builtin
from .rows import PARTS
from .series_options import SeriesSourceOptions
from .series_tables import describe_tables, open_tables
from .splits import VALIDATION_ROWS
from .timestamps import close_jumps, find_rate
from .windows import (
    Piece,
    check_bytes,
    choose_length,
    choose_train,
    cut_piece,
    fit_short,
    space_out,
    split_recordings,
    stack_rows,
)

NO_CLASS = "any"
# What the built-in sources set where the recipe does not, and the shares that it cannot set.
BUILTIN_FIELDS: dict[str, dict[str, Any]] = {
    "motions": {"validation": 0.2},
    "power": {"validation": 0.2},
    "gait": {"validation": 0.2, "heldout": 0.2, "length": 128, "stride": 32},
}


def load_series(options: SeriesSourceOptions, seed: int) -> Data:
    """Rows of T steps and C channels; errors in the source are UserErrors.

    series float32 (N, T, C), finite. label int64 (N,). events uint8 (N, T): 0, or the number of a kind from 1.
    start float64 (N,): seconds of the first step, since 1970 where the source has dates, else from the start of the
    series (one step a second where no rate is known). series_id int64 (N,): which series of the source it is from.
    details: channels, kinds, rate_hz (None where unknown), length.
    """
    collection, options = _open(options)
    collection, classes = _name_classes(collection, options)
    collection = _close_jumps(collection, options)
    length = choose_length(collection.recordings, options.length)
    recordings, short = fit_short(collection.recordings, length, options.short)
    split = split_recordings(recordings, _strata(recordings), options, length)
    pieces = [cut_piece(recordings, span, length, options) for span in split.spans]
    _refuse_empty(pieces, length)
    columns, notes = _stack(pieces, options, seed, length, collection)
    notes = (
        short + split.notes + _notes_of_pieces(pieces, options, length) + notes + _check(columns, classes, collection)
    )
    details = {
        "channels": collection.channels,
        "kinds": collection.kinds,
        "rate_hz": collection.rate_hz,
        "length": length,
    }
    origin = Origin(
        collection.title,
        collection.license,
        collection.citation,
        collection.labels,
        split.sentence,
        collection.notes + notes,
    )
    return Data(columns["train"], columns["validation"], columns["heldout"], classes, origin, details=details)


def describe_series(options: SeriesSourceOptions) -> str:
    """One line about the source, from headers alone. A UserError if there is none."""
    if options.kind == "builtin":
        check_recordings(options.name or "")
        return f"{options.name}: built in; {BUILTINS[options.name or '']}"
    return describe_tables(options)


def _open(options: SeriesSourceOptions) -> tuple[Collection, SeriesSourceOptions]:
    if options.kind != "builtin":
        return open_tables(options), options
    collection = open_builtin(options.name or "")
    fields = BUILTIN_FIELDS[options.name or ""]
    given = {name for name in ("length", "stride") if getattr(options, name) is not None}
    if "length" in given:
        fields = {name: value for name, value in fields.items() if name != "stride"}
    return collection, options.model_copy(update={name: fields[name] for name in fields if name not in given})


def _name_classes(collection: Collection, options: SeriesSourceOptions) -> tuple[Collection, tuple[str, ...]]:
    """The recordings that have a class, with numbers of classes as labels, and the classes."""
    if all(recording.label is None for recording in collection.recordings):
        if options.classes:
            raise UserError("source.classes: there is no column 'label'; set source.columns.label to the one there is")
        classes: tuple[str, ...] = (NO_CLASS,)
        kept = [replace(recording, label=np.zeros(1, np.int32)) for recording in collection.recordings]
    else:
        classes, numbers = name_labels(collection.values, collection.names, options.classes)
        table = np.array([*(numbers.get(value, -1) for value in collection.values), -1], np.int32)
        kept = []
        for recording in collection.recordings:
            label = np.array([-1]) if recording.label is None else recording.label
            if len(label) == 1 and table[label[0]] < 0:
                known = label[0] >= 0
                fault = f"{collection.values[label[0]]!r:.60} is not one of the classes" if known else "no label"
                collection.faults.add(recording.name, fault)
            else:
                kept.append(replace(recording, label=table[label]))
    note = collection.faults.settle(collection.total)
    return replace(collection, recordings=kept, notes=collection.notes + note), classes


def _close_jumps(collection: Collection, options: SeriesSourceOptions) -> Collection:
    """Steps whose timestamps are missing stand as gaps; the rate is what the recipe says, else what timestamps tell."""
    closed = [close_jumps(recording, options.gaps) for recording in collection.recordings]
    recordings = [recording for recording, _ in closed]
    jumps = sum(count for _, count in closed)
    notes = [f"{jumps} jumps in the timestamps were read as missing values"] if jumps else []
    timed = [recording for recording in recordings if recording.times is not None]
    rate = options.rate_hz or collection.rate_hz or find_rate(timed)
    if timed and rate is None:
        notes.append("the timestamps are not even, or differ between series: no rate is stated, rows count steps")
    return replace(collection, recordings=recordings, rate_hz=rate, notes=(*collection.notes, *notes))


def _strata(recordings: list[Recording]) -> np.ndarray:
    """int (N,): the class that most steps of a recording have, told apart by whether it has an event."""
    strata = []
    for recording in recordings:
        label = recording.label if recording.label is not None else np.zeros(1, np.int32)
        main = int(np.bincount(label + 1).argmax())
        strata.append(2 * main + int(recording.events is not None and bool(recording.events.any())))
    return np.array(strata, np.int64)


def _refuse_empty(pieces: list[Piece], length: int) -> None:
    usable = {part: sum(len(piece.starts) for piece in pieces if piece.span.part == part) for part in PARTS}
    gaps, mixed = sum(piece.gaps for piece in pieces), sum(piece.mixed for piece in pieces)
    for part, count in usable.items():
        if not count:
            why = (
                f" ({gaps} have a gap longer than source.gaps, {mixed} no label for half of them)"
                if gaps + mixed
                else ""
            )
            total = sum(usable.values()) + gaps + mixed
            raise UserError(
                f"source.length: no row of {length} steps is left for {part} out of {total}{why}; lower source.length "
                "or add series"
            )


def _stack(
    pieces: list[Piece], options: SeriesSourceOptions, seed: int, length: int, collection: Collection
) -> tuple[dict[str, Columns], tuple[str, ...]]:
    """The columns of each part, and notes on rows that are not used. Nothing is copied before the size is known."""
    of = {part: [piece for piece in pieces if piece.span.part == part] for part in PARTS}
    labels = {part: np.concatenate([piece.label for piece in of[part]]) for part in PARTS}
    chosen = {part: np.ones(len(labels[part]), dtype=bool) for part in PARTS}
    chosen["train"], notes = choose_train(labels["train"], options, seed)
    if len(labels["validation"]) > VALIDATION_ROWS:
        chosen["validation"][:] = False
        chosen["validation"][space_out(np.arange(len(labels["validation"])), VALIDATION_ROWS)] = True
        notes += (f"{VALIDATION_ROWS} of {len(labels['validation'])} validation rows are used, evenly spaced",)
    channels = len(collection.channels)
    check_bytes(sum(int(mask.sum()) for mask in chosen.values()), length, channels)
    return {part: stack_rows(of[part], chosen[part], length, channels, collection.rate_hz) for part in PARTS}, notes


def _notes_of_pieces(pieces: list[Piece], options: SeriesSourceOptions, length: int) -> tuple[str, ...]:
    """How rows were cut, and what was left out or filled."""
    notes = []
    if any(len(piece.values) != length for piece in pieces):
        stride = options.stride or length
        notes.append(
            f"rows are {length} steps, one every {stride} in train and every {length} elsewhere; steps at the end of a "
            "part that do not fill a row are not used"
        )
    filled, gaps, mixed = (sum(getattr(piece, name) for piece in pieces) for name in ("filled", "gaps", "mixed"))
    if filled:
        notes.append(f"{filled} missing values were filled by straight lines (at most {options.gaps} in a row)")
    if gaps:
        notes.append(f"{gaps} rows were left out: they have a longer gap than {options.gaps} steps, or one at an end")
    if mixed:
        notes.append(f"{mixed} rows were left out: no class holds for half of their steps")
    return tuple(notes)


def _check(columns: dict[str, Columns], classes: tuple[str, ...], collection: Collection) -> tuple[str, ...]:
    """Notes on channels, classes and kinds of events that a part lacks. A UserError if train lacks a class."""
    notes: list[str] = []
    if classes != (NO_CLASS,) or collection.values:
        counts = {part: np.bincount(columns[part]["label"], minlength=len(classes)) for part in PARTS}
        notes += check_classes(classes, counts.pop("train"), counts)
    series = columns["train"]["series"]
    still = (series.max(axis=(0, 1)) == series.min(axis=(0, 1))).tolist()
    constant = [name for name, is_still in zip(collection.channels, still, strict=True) if is_still]
    if constant:
        notes.append(f"constant in train: {', '.join(constant)}")
    found = {part: set(np.unique(columns[part]["events"]).tolist()) for part in PARTS}
    for number, name in enumerate(collection.kinds, 1):
        without = [part for part in PARTS if number not in found[part]]
        if without:
            where = "no row has" if len(without) == len(PARTS) else f"{' and '.join(without)} have"
            notes.append(f"{where} {'an' if where[0] == 'n' else 'no'} event of kind {name!r}")
    return tuple(notes)
