"""Pairs of texts, ready to train on: drawn or read, checked, and divided so that no text is in two parts.

Texts are data: what passes is kept character by character. Knows no models and no tokens.

    data = load_pairs(PairSourceOptions(kind="builtin", name="phrases", languages=("en", "de")), seed=0)
    data.train["source"][0], data.train["target"][0]      # ("Thursday, March 3, 2011", "Donnerstag, 3. März 2011")
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import babel
import babel.core
import numpy as np

from ...errors import UserError
from ...types import Columns, Data, Origin, as_objects, take_rows, thin_rows
from .. import hub
from ..builtins import check_builtin
from ..classes import check_classes, clean_label, name_labels
from ..rows import PARTS, BadRow, Faults
from ..splits import VALIDATION_ROWS
from .cells import TooLong, check_text
from .pair_columns import SAMPLE, Layout, find_layout
from .pair_options import PairSourceOptions
from .pair_parts import settle_parts
from .phrases import FAMILIES, Pair, check_language, draw_pairs, part_of
from .records import Records, describe_records, find_columns, find_tables, open_records, read_file

NAME = "phrases"
LANGUAGES = ("en", "de")
PHRASES = 12_000  # drawn unless more training rows are asked for; validation and held-out are always among them
MOST_PHRASES = 1_000_000
PHRASES_SEED = 20234
NO_TAG = "any"


@dataclass(frozen=True)
class Found:
    """Pairs that passed the checks, in their order, before they are divided."""

    columns: Columns  # source, target: object (N,) of str; label: int64 (N,)
    part: np.ndarray  # object (N,): the source's own parts
    classes: tuple[str, ...]
    languages: tuple[str, str]
    origin: Origin  # `splits` is settled later
    is_settled: bool = False  # whether `part` is already the last word
    undrawn: tuple[str, ...] = ()  # classes that exist only to teach


@dataclass(frozen=True)
class Row:
    """A pair as it was read."""

    part: str
    where: str
    source: str
    target: str
    tag: int | str  # the label's value


def load_pairs(options: PairSourceOptions, seed: int) -> Data:
    """Columns source and target, object (N,) of str, and label int64 (N,). Errors in the source are UserErrors.

    details: languages (of source and target), undrawn (classes that exist only to teach), checked (whether `phrases`
    can tell whether a pair is right).
    """
    if options.kind == "builtin":
        check_builtin(options.name or "", (NAME,), module="babel", extra="text")
        found = draw_phrases(options)
    else:
        found = read_pairs(open_records(options), options)
    part = found.part.copy()
    sentence, notes = settle_parts(found.columns, part, options, seed, is_settled=found.is_settled)
    parts = {name: take_rows(found.columns, part == name) for name in PARTS}
    notes += _finish(parts, found)
    origin = replace(found.origin, splits=sentence or found.origin.splits, notes=found.origin.notes + notes)
    details = {"languages": found.languages, "undrawn": found.undrawn, "checked": options.kind == "builtin"}
    return Data(parts["train"], parts["validation"], parts["heldout"], found.classes, origin, details=details)


def describe_pairs(options: PairSourceOptions) -> str:
    """One line about the source, from headers and the first records. A UserError if there is none."""
    if options.kind == "builtin":
        check_builtin(options.name or "", (NAME,), module="babel", extra="text")
        return f"{options.name}: built in; {' to '.join(_check_languages(options))}"
    if options.kind == "hub":
        return hub.describe_dataset(options, {str(role): name for role, name in options.columns.items()})
    line, first = describe_records(options), find_tables(options)[1]["train"][0]
    if first.suffix == ".json":  # one value, which has no header
        return line
    head = list(islice(read_file(first), SAMPLE))
    return f"{line}; {' to '.join(find_layout(head, find_columns(head), options, first.name).languages)}"


def draw_phrases(options: PairSourceOptions) -> Found:
    """Phrases in two languages. Validation and held-out do not depend on how many there are to train on."""
    one, other = _check_languages(options)
    drawn, notes = _draw_enough(one, other, options)
    pairs = [pair for pair in drawn if max(len(pair.source), len(pair.target)) <= options.longest]
    parts = [part_of(pair, options.validation, options.heldout) for pair in pairs]
    taught = {pair.family for pair, part in zip(pairs, parts, strict=True) if part == "train"}
    classes = tuple(name for name in FAMILIES if name in taught)
    notes += _note_long(len(drawn) - len(pairs), len(drawn), options)
    if len(classes) < len(FAMILIES):
        notes += (
            f"families without a phrase to train on: {', '.join(name for name in FAMILIES if name not in taught)}",
        )
    kept = [(pair, part) for pair, part in zip(pairs, parts, strict=True) if pair.family in taught]
    if not kept:
        raise UserError(f"source.longest: no phrase has at most {options.longest} characters; raise it")
    columns = _columns(
        [pair.source for pair, _ in kept],
        [pair.target for pair, _ in kept],
        [classes.index(pair.family) for pair, _ in kept],
    )
    undrawn = tuple(name for name in classes if FAMILIES[name].alone)
    origin = _origin_of_phrases(one, other, options, notes)
    return Found(columns, as_objects([part for _, part in kept]), classes, (one, other), origin, True, undrawn)


def read_pairs(records: Records, options: PairSourceOptions) -> Found:
    """The good pairs of all parts; bad rows are at most 1 %, longer ones are left out whatever their number."""
    layout = find_layout(records.parts["train"], records.columns, options, records.title)
    faults = Faults()
    rows, long = _read_all(records, layout, options.longest, faults)
    classes: tuple[str, ...] = (NO_TAG,)
    numbers: dict[int | str, int] = {NO_TAG: 0}
    if layout.label is not None and rows:
        classes, numbers = name_labels([row.tag for row in rows], None, options.classes)
    for row in rows:
        if row.tag not in numbers:
            faults.add(row.where, f"{row.tag!r:.60} is not one of the classes")
    notes = faults.settle(records.total) + _note_long(long, records.total, options) + _note_languages(layout)
    rows = [row for row in rows if row.tag in numbers]
    if not rows:
        raise UserError(
            f"source.longest: no pair of {records.title} has at most {options.longest} characters a side; raise it"
        )
    origin = Origin(
        records.title,
        records.license,
        records.citation,
        labels="as they stand in the source; who translated is not stated",
        splits="",
        notes=records.notes + notes,
    )
    columns = _columns([row.source for row in rows], [row.target for row in rows], [numbers[row.tag] for row in rows])
    return Found(columns, as_objects([row.part for row in rows]), classes, layout.languages, origin)


def _origin_of_phrases(one: str, other: str, options: PairSourceOptions, notes: tuple[str, ...]) -> Origin:
    cldr = getattr(babel.core, "get_cldr_version", lambda: "")()  # older Babels do not tell
    return Origin(
        name=f"phrases {one}-{other} (CLDR {cldr + ' ' if cldr else ''}through Babel {babel.__version__})",
        license="Unicode-3.0",
        citation="Unicode CLDR, https://cldr.unicode.org; Babel, https://babel.pocoo.org",
        labels="by construction: both sides are written from the same facts",
        splits=f"held-out are the phrases of {options.heldout:.0%} of all facts, validation those of "
        f"{options.validation:.0%} of the others, told by a digest of the facts, so that no facts are in two parts; "
        "single names are for training",
        notes=notes,
    )


def _read_all(records: Records, layout: Layout, longest: int, faults: Faults) -> tuple[list[Row], int]:
    """The good rows of all parts, and how many are longer; the bad ones go to `faults`."""
    rows: list[Row] = []
    long = 0
    for part, found in records.parts.items():
        if not found:
            raise UserError(f"source: the {part} part of {records.title} holds no rows; add some")
        for record in found:
            try:
                if record.fault:
                    raise BadRow(record.fault)
                rows.append(Row(part, record.where, *_read_row(record.cells, layout, longest)))
            except TooLong:
                long += 1
            except BadRow as bad:
                faults.add(record.where, str(bad))
    return rows, long


def _read_row(cells: dict[str, Any], layout: Layout, longest: int) -> tuple[str, str, int | str]:
    """Source, target and the label's value. A BadRow if any is none; TooLong if nothing else is wrong with it."""
    texts, long = [], None
    for value, name in zip(layout.read(cells), layout.languages, strict=True):
        try:
            texts.append(check_text(value, longest, name))
        except TooLong as error:
            long = error
    label = NO_TAG if layout.label is None else clean_label(cells.get(layout.label))
    if long is not None:
        raise long
    return texts[0], texts[1], label


def _check_languages(options: PairSourceOptions) -> tuple[str, str]:
    one, other = (check_language(language) for language in options.languages or LANGUAGES)
    if one == other:
        raise UserError(f"source.languages: both are {one!r}; name two languages")
    return one, other


def _draw_enough(one: str, other: str, options: PairSourceOptions) -> tuple[list[Pair], tuple[str, ...]]:
    """The usual phrases, and further ones to train on until there are `options.rows` of these."""
    wanted = options.rows or 0
    if wanted > MOST_PHRASES:
        raise UserError(f"source.rows: {wanted:,} phrases are more than {MOST_PHRASES:,}; ask for fewer")

    def to_train(pair: Pair) -> bool:
        return part_of(pair, options.validation, options.heldout) == "train"

    usual = draw_pairs(one, other, PHRASES, PHRASES_SEED)
    longer, count = draw_pairs(one, other, PHRASES, PHRASES_SEED, shared=True), PHRASES
    train = [pair for pair in longer if to_train(pair)]
    while len(train) < 1.02 * wanted:  # some will go, since their texts are also in another part
        count, before = max(count * 5 // 4, int(count * 1.05 * wanted / max(len(train), 1))), len(longer)
        longer = draw_pairs(one, other, count, PHRASES_SEED, shared=True)
        if len(longer) == before:
            break
        train = [pair for pair in longer if to_train(pair)]
    short = len(train) < wanted
    notes = (f"there are only {len(train)} phrases to train on, {wanted} were asked for",) if short else ()
    return train + [pair for pair in usual if not to_train(pair)], notes


def _note_long(long: int, total: int, options: PairSourceOptions) -> tuple[str, ...]:
    if not long:
        return ()
    return (f"{long} of {total} pairs were left out: a side has more than {options.longest} characters",)


def _note_languages(layout: Layout) -> tuple[str, ...]:
    unknown = [name for name in layout.languages if not _is_known(name)]
    return tuple(f"CLDR knows no language {name!r}; the side is called so as it stands" for name in unknown)


def _is_known(language: str) -> bool:
    try:
        return bool(check_language(language))
    except UserError:
        return False


def _finish(parts: dict[str, Columns], found: Found) -> tuple[str, ...]:
    """Notes on rows and classes that are not there; the validation part gets no larger than it needs to be."""
    notes: tuple[str, ...] = ()
    for name, columns in parts.items():
        if not len(columns["label"]):
            raise UserError(
                f"source: no pair is left for {name} whose texts are in no other part; add pairs that differ, or "
                "raise source.longest"
            )
    count = len(parts["validation"]["label"])
    if count > VALIDATION_ROWS:
        parts["validation"] = thin_rows(parts["validation"], VALIDATION_ROWS)
        notes += (f"{VALIDATION_ROWS} of {count} validation pairs are used, evenly spaced",)
    if len(found.classes) > 1:
        sizes = {name: np.bincount(parts[name]["label"], minlength=len(found.classes)) for name in PARTS}
        missing = check_classes(found.classes, sizes.pop("train"), sizes, "pairs")
        notes += () if found.is_settled else missing  # single names are not to be in the other parts
    return notes


def _columns(source: list[str], target: list[str], label: list[int]) -> Columns:
    return {"source": as_objects(source), "target": as_objects(target), "label": np.array(label, np.int64)}
