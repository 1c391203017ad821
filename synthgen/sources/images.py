"""Real images with labels or masks, ready to train on: read, checked, split and sized, in this order.

Knows no models. The held-out rows are settled before anything that depends on the recipe's seed.

    data = load_masked_images(ImageSourceOptions(kind="files", path="cells", size=64, fit="tile"), seed=0)
    data.train["image"].shape, data.train["mask"].shape      # (2000, 64, 64, 3), (2000, 64, 64)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import UserError
from ..types import Columns, Data, Origin
from . import digits
from .classes import check_classes, choose_classes, name_labels, name_values
from .describe import check_images, open_source
from .options import ImageSourceOptions
from .reading import Picture, check_sizes, read_pictures, stack_images
from .rows import PARTS, Faults, Opened, Target
from .splits import rarest_class, seeded, split_rows
from .tiles import CANDIDATES, cut_tiles
from .tissue import load_tissue

TILES_STREAM = 3  # of the recipe's seed


@dataclass(frozen=True)
class Named:
    """The good rows, once it is known which classes there are."""

    pictures: list[Picture]
    classes: tuple[str, ...]
    strata: np.ndarray  # int64 (N,): for labels the class itself
    table: np.ndarray | None = None  # int (256,): a mask's value -> class number


def load_labelled_images(options: ImageSourceOptions, seed: int) -> Data:
    """Columns image uint8 (N, H, W, C), C 1 or 3, and label int64 (N,). Errors in the source are UserErrors."""
    if options.kind == "builtin":
        check_images(options, "label")
        options = options.model_copy(update={"heldout": digits.HELDOUT})
    return _load(options, seed, "label")


def load_masked_images(options: ImageSourceOptions, seed: int) -> Data:
    """Columns image uint8 (N, H, W, C), C 1 or 3, and mask uint8 (N, H, W): class numbers and `options.ignore`."""
    if options.only is not None:
        raise UserError("source.only: a mask has several classes, so rows cannot be chosen by them; remove it")
    if options.kind == "builtin":
        check_images(options, "mask")
        return load_tissue(options.rows, options.height_width, seed)
    return _load(options, seed, "mask")


def _load(options: ImageSourceOptions, seed: int, target: Target) -> Data:
    opened = open_source(options, target)
    named, left_out = _read_all(opened, options, target)
    parts = np.array([picture.part for picture in named.pictures], dtype=object)
    digests = [picture.digest for picture in named.pictures]
    rows = None if options.fit == "tile" else options.rows
    split = split_rows(parts, named.strata, digests, options, seed, images=options.images, rows=rows)
    channels = 1 if all(picture.grey for picture in named.pictures) else 3
    columns = {part: _columns(named, split.part == part, part, channels, options, seed) for part in PARTS}
    missing = _check_classes(columns, named.classes, target)
    notes = opened.notes + left_out + _notes_of_pixels(named, options) + split.notes + missing
    origin = Origin(opened.title, opened.license, opened.citation, opened.labels, split.sentence, notes)
    return Data(columns["train"], columns["validation"], columns["heldout"], named.classes, origin, options.ignore)


def _read_all(opened: Opened, options: ImageSourceOptions, target: Target) -> tuple[Named, tuple[str, ...]]:
    """Every good row of every part, and the note about the bad ones."""
    faults = Faults()
    pictures: list[Picture] = []
    total = 0
    for part in [part for part in PARTS if part in opened.parts]:
        good, count = read_pictures(opened.parts[part](), part, options, target, faults)
        if count == 0:
            raise UserError(f"source: the {part} part of {opened.title} holds no rows; add some")
        pictures += good
        total += count
    if not pictures:
        faults.settle(total)
    check_sizes(pictures)
    named = (_name_labelled if target == "label" else _name_masked)(pictures, opened, options, faults)
    return named, faults.settle(total)


def _name_labelled(pictures: list[Picture], opened: Opened, options: ImageSourceOptions, faults: Faults) -> Named:
    labels = [picture.label for picture in pictures if picture.label is not None]
    classes, numbers = name_labels(labels, opened.names, options.classes)
    known = [picture.label in numbers for picture in pictures]
    for picture, is_known in zip(pictures, known, strict=True):
        if not is_known:
            faults.add(picture.where, f"{picture.label!r:.60} is not one of the classes")
    strata = [numbers[label] for label in labels if label in numbers]
    kept = [p for p, is_known in zip(pictures, known, strict=True) if is_known]
    if options.only is None:
        return Named(kept, classes, np.array(strata, np.int64))
    chosen = choose_classes(classes, options.only)
    rows = [(p, chosen[number]) for p, number in zip(kept, strata, strict=True) if number in chosen]
    return Named([p for p, _ in rows], tuple(options.only), np.array([number for _, number in rows], np.int64))


def _name_masked(pictures: list[Picture], opened: Opened, options: ImageSourceOptions, faults: Faults) -> Named:
    seen = np.stack([picture.values for picture in pictures if picture.values is not None])
    classes, table = name_values(seen, options.classes, options.ignore)
    unknown = seen & (table < 0)
    for row in np.flatnonzero(unknown.any(axis=1)):
        faults.add(pictures[row].where, f"mask holds {np.flatnonzero(unknown[row])[0]}, which is not a class's number")
    known = np.flatnonzero(~unknown.any(axis=1))
    presence = np.stack([seen[known][:, table == number].any(axis=1) for number in range(len(classes))], axis=1)
    return Named([pictures[row] for row in known], classes, rarest_class(presence), table)


def _columns(
    named: Named, chosen: np.ndarray, part: str, channels: int, options: ImageSourceOptions, seed: int
) -> Columns:
    """The arrays of one part."""
    owners = np.flatnonzero(chosen)
    pictures = [named.pictures[row] for row in owners]
    if options.fit == "tile":
        generator = seeded(seed, TILES_STREAM) if part == "train" else None
        images, masks, tiles = cut_tiles(pictures, options, "label" if named.table is None else "mask", generator)
        owners = owners[tiles]
    else:
        images = [picture.image for picture in pictures if picture.image is not None]
        masks = [picture.mask for picture in pictures if picture.mask is not None]
    stacked = stack_images(images, channels)
    if named.table is None:
        return {"image": stacked, "label": named.strata[owners]}
    return {"image": stacked, "mask": named.table.astype(np.uint8)[np.stack(masks)]}


def _check_classes(columns: dict[str, Columns], classes: tuple[str, ...], target: Target) -> tuple[str, ...]:
    counts = {part: _count_rows_of(columns[part][target], len(classes)) for part in PARTS}
    return check_classes(classes, counts.pop("train"), counts)


def _count_rows_of(values: np.ndarray, classes: int) -> np.ndarray:
    """How many rows hold each class. Labels (N,) or masks (N, H, W) -> int (K,)."""
    if values.ndim == 1:
        return np.bincount(values, minlength=classes)
    counts = np.zeros(256, dtype=np.int64)
    for mask in values:
        counts += np.bincount(mask.ravel(), minlength=256) > 0
    return counts[:classes]


def _notes_of_pixels(named: Named, options: ImageSourceOptions) -> tuple[str, ...]:
    """What was done to the pixels that a reader of the card would not guess."""
    notes = []
    if options.only is not None:
        notes.append(f"only rows of {', '.join(options.only)} are used (source.only)")
    if options.size is not None:
        height, width = options.height_width or (0, 0)
        notes.append(f"source.fit {options.fit!r} to {width} x {height} pixels")
    if options.fit == "tile":
        notes.append("train tiles lie at random and overlap, other tiles on a grid; no image is in two parts")
        if named.table is not None:
            notes.append(f"each train tile is the one of {CANDIDATES} random ones that holds more classes")
    grey = sum(picture.grey for picture in named.pictures)
    if 0 < grey < len(named.pictures):
        notes.append(f"{grey} of {len(named.pictures)} images are grey and were repeated in three channels")
    return tuple(notes)
