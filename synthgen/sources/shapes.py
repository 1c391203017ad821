"""Real 3D shapes, ready to train on: read, named, divided into train, validation and held-out, in this order.

Knows no models. The held-out rows are settled before anything that depends on the recipe's seed.

    data = load_shapes(ShapeSourceOptions(kind="builtin", name="furniture"), seed=0)
    data.train["points"].shape, data.details["parts"][:2]       # (1200, 1024, 3), ("seat", "backrest")
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import UserError
from ..types import Columns, Data, Origin
from .builtins import check_builtin
from .classes import check_classes, clean_label, name_labels
from .clouds import Shape
from .furniture import CLASSES, load_furniture
from .rows import PARTS, BadRow, Faults
from .shape_files import OpenedShapes, describe_hub_shapes, open_shapes
from .shape_options import MOST_PARTS, ShapeSourceOptions
from .splits import split_rows

BUILTINS = ("furniture",)
EXTRA = "3d"
NO_PARTS = ("object",)
NAMED_FILES = 10  # a note names so many of them

Sorted = list[tuple[str, Shape]]  # the source's own part, and the shape


def load_shapes(options: ShapeSourceOptions, seed: int) -> Data:
    """Rows of P points; errors in the source are UserErrors.

    points float32 (N, P, 3) in the object's own frame: z up, front towards -y, the bounding box of the points about
    the origin and half its diagonal 1. part uint8 (N, P). label int64 (N,). size float32 (N,) and center float32
    (N, 3) in the source's units (metres in furniture and glTF): points * size + center is where they were.
    details: parts (names), points (P), parts_of (class -> numbers of the parts that its training rows have).
    """
    if options.kind == "builtin":
        check_shapes(options)
        return load_furniture(options.rows, options.points, seed)
    opened = open_shapes(options)
    shapes, parts, bad = _read_all(opened, options)
    shapes, classes, labels, left = _name_classes(shapes, opened, options)
    own = np.array([part for part, _ in shapes], dtype=object)
    split = split_rows(own, labels, [shape.digest for _, shape in shapes], options, seed, rows=options.rows)
    columns = {part: _stack([shapes[row][1] for row in np.flatnonzero(split.part == part)]) for part in PARTS}
    for part in PARTS:
        columns[part]["label"] = labels[split.part == part]
    counts = {part: np.bincount(columns[part]["label"], minlength=len(classes)) for part in PARTS}
    missing = check_classes(classes, counts.pop("train"), counts, "shapes")
    notes = (*_notes_of_files(opened), *bad, *left, *_notes_of_points(shapes, options), *split.notes, *missing)
    origin = Origin(opened.title, opened.license, opened.citation, opened.labels, split.sentence, notes)
    details = {"parts": parts, "points": options.points, "parts_of": _find_parts_of(columns["train"], classes)}
    return Data(columns["train"], columns["validation"], columns["heldout"], classes, origin, details=details)


def describe_shapes(options: ShapeSourceOptions) -> str:
    """One line about a source of shapes, from headers and names alone. A UserError if there is none."""
    if options.kind == "builtin":
        check_shapes(options)
        return f"{options.name}: built in, {len(CLASSES)} classes"
    if options.kind == "hub":
        return describe_hub_shapes(options)
    opened = open_shapes(options)
    return f"{opened.title}: {', '.join(opened.parts)}; {opened.count}"


def check_shapes(options: ShapeSourceOptions) -> None:
    """A UserError if there is no such built-in source, or its package is missing."""
    check_builtin(options.name or "", BUILTINS, module="trimesh", extra=EXTRA)


def _read_all(opened: OpenedShapes, options: ShapeSourceOptions) -> tuple[Sorted, tuple[str, ...], tuple[str, ...]]:
    """The good shapes with their labels clean and their parts numbered, the parts, and the note about the bad ones."""
    faults = Faults()
    good: Sorted = []
    total = 0
    for part, read in opened.parts.items():
        before = total
        for shape in read():
            total += 1
            try:
                if shape.fault:
                    raise BadRow(shape.fault)
                good.append((part, replace(shape, label=clean_label(shape.label))))
            except BadRow as bad:
                faults.add(shape.where, str(bad))
        if total == before:
            raise UserError(f"source: the {part} part of {opened.title} holds no shapes; add some")
    if not good:
        faults.settle(total)
    good, parts = _number_parts(good, options.parts or opened.names.get("part"), options.points, faults)
    return good, parts, faults.settle(total)


def _number_parts(
    shapes: Sorted, names: Sequence[str] | None, count: int, faults: Faults
) -> tuple[Sorted, tuple[str, ...]]:
    """Shapes with marks uint8 (P,), and the names of the parts. Shapes with unknown parts or without are faults."""
    if all(shape.marks is None for _, shape in shapes):
        return [(own, replace(shape, marks=np.zeros(count, np.uint8))) for own, shape in shapes], NO_PARTS
    values = {value for _, shape in shapes if shape.marks is not None for value in np.unique(shape.marks).tolist()}
    numbers = _number_values(values, names)
    parts = tuple(names or [str(value) if isinstance(value, str) else f"part {value}" for value in numbers])
    if len(parts) > MOST_PARTS:
        raise UserError(
            f"source: there are {len(parts)} different parts, more than {MOST_PARTS}; set source.columns.part to the "
            "column of the parts"
        )
    good: Sorted = []
    for own, shape in shapes:
        marks = [] if shape.marks is None else shape.marks.tolist()
        unknown = next((value for value in marks if value not in numbers), None)
        if not marks:
            faults.add(shape.where, "its points have no parts, those of others do")
        elif unknown is not None:
            faults.add(shape.where, f"part {unknown!r:.40} is not one of the parts")
        else:
            good.append((own, replace(shape, marks=np.array([numbers[value] for value in marks], np.uint8))))
    return good, parts


def _number_values(values: set[Any], names: Sequence[str] | None) -> dict[Any, int]:
    """The number of each value that is a part: its place in the names, else among the sorted values."""
    if names is None:
        return {value: number for number, value in enumerate(sorted(values, key=lambda v: (isinstance(v, str), v)))}
    places = {name: number for number, name in enumerate(names)}
    spelled = {value: places.get(value, -1) if isinstance(value, str) else value for value in values}
    return {value: number for value, number in spelled.items() if 0 <= number < len(names)}


def _name_classes(
    shapes: Sorted, opened: OpenedShapes, options: ShapeSourceOptions
) -> tuple[Sorted, tuple[str, ...], np.ndarray, tuple[str, ...]]:
    """Shapes of classes that are neither unwanted nor rare, the classes, int64 (N,) labels, and notes on the others."""
    classes, numbers = name_labels([shape.label for _, shape in shapes], opened.names.get("label"), options.classes)
    wanted = [(part, shape) for part, shape in shapes if shape.label in numbers]
    notes = []
    if len(wanted) < len(shapes):
        notes.append(
            f"{len(shapes) - len(wanted)} of {len(shapes)} shapes are of classes that source.classes leaves out"
        )
    labels = np.array([numbers[shape.label] for _, shape in wanted], np.int64)
    training = np.array([part == "train" for part, _ in wanted], bool)
    counts = np.bincount(labels[training], minlength=len(classes))
    rare = counts < (options.least if options.rare == "drop" else 0)
    if options.classes:  # a name without a single shape is a slip of the pen, not a rare class
        rare &= counts > 0
    if len(classes) - rare.sum() < 2 <= len(classes):
        most = ", ".join(f"{classes[number]} {counts[number]}" for number in np.argsort(-counts, kind="stable")[:3])
        raise UserError(
            f"source.least: {options.least} leaves fewer than two classes ({most} training shapes); lower it, "
            "or set source.rare to keep"
        )
    if rare.any():
        named = ", ".join(f"{classes[number]} {counts[number]}" for number in np.flatnonzero(rare)[:20])
        more = f" and {rare.sum() - 20} more" if rare.sum() > 20 else ""
        notes.append(
            f"classes with fewer than {options.least} training shapes were left out (source.least): {named}{more}"
        )
    kept = ~rare[labels] if len(labels) else np.zeros(0, bool)
    renumbered = np.cumsum(~rare) - 1
    names = tuple(name for name, is_rare in zip(classes, rare, strict=True) if not is_rare)
    return [wanted[row] for row in np.flatnonzero(kept)], names, renumbered[labels[kept]], tuple(notes)


def _stack(shapes: list[Shape]) -> Columns:
    """The columns of one part but for the label."""
    return {
        "points": np.stack([shape.points for shape in shapes if shape.points is not None]),
        "part": np.stack([shape.marks for shape in shapes if shape.marks is not None]),
        "size": np.array([shape.size for shape in shapes], np.float32),
        "center": np.stack([shape.center for shape in shapes if shape.center is not None]).astype(np.float32),
    }


def _find_parts_of(train: Columns, classes: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """Class -> the parts that occur in it."""
    return {
        name: tuple(int(value) for value in np.unique(train["part"][train["label"] == number]))
        for number, name in enumerate(classes)
    }


def _notes_of_files(opened: OpenedShapes) -> tuple[str, ...]:
    if not opened.left:
        return ()
    more = f" and {len(opened.left) - NAMED_FILES} more" if len(opened.left) > NAMED_FILES else ""
    return (f"files that belong to no part or class were not read: {', '.join(opened.left[:NAMED_FILES])}{more}",)


def _notes_of_points(shapes: Sorted, options: ShapeSourceOptions) -> tuple[str, ...]:
    """What was done to the shapes that a reader of the card would not guess."""
    notes = []
    repeated = sum(shape.repeated for _, shape in shapes)
    if repeated:
        notes.append(f"{repeated} of {len(shapes)} clouds have fewer than {options.points} points: some stand twice")
    turned = sum(shape.turned for _, shape in shapes)
    if turned:
        notes.append(f"{turned} of {len(shapes)} shapes were turned from y up to z up (source.up)")
    return tuple(notes)
