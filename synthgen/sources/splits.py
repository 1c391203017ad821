"""Who is train, validation and held-out. Works on class numbers and digests alone; knows neither pixels nor files.

The held-out rows are settled first, by a fixed number and against all other rows, so that no recipe's seed can choose
what it is measured on; nothing after that looks at them.

    split = split_rows(part, strata, digests, options, seed=0, rows=options.rows)
    split.part      # object (N,): "train", "validation", "heldout" or "" for rows that are not used
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import UserError
from .options import SourceOptions
from .rows import PARTS

VALIDATION_ROWS = 2000  # more would not make a choice better, only slower
HELDOUT_SEED = 20231
VALIDATION_SEED = 20232
IMAGES_STREAM, ROWS_STREAM = 1, 2  # of the recipe's seed


@dataclass(frozen=True)
class Split:
    part: np.ndarray  # object (N,)
    sentence: str  # how the parts were told apart
    notes: tuple[str, ...]


def seeded(seed: int, stream: int = 0) -> np.random.Generator:
    """A generator that depends on both numbers alone, whatever was drawn elsewhere."""
    return np.random.Generator(np.random.Philox(key=np.array([seed % 2**64, stream], dtype=np.uint64)))


def split_rows(
    part: np.ndarray,
    strata: np.ndarray,
    digests: Sequence[bytes],
    options: SourceOptions,
    seed: int,
    *,
    images: int | None = None,
    rows: int | None = None,
) -> Split:
    """Settle the part of every row.

    part: object (N,), the source's own parts. strata: int (N,), classes to keep in proportion. digests: of the values.
    images: use so many besides the held-out ones, validation among them. rows: so many to train on.
    """
    part = part.copy()
    said: list[str] = []
    notes: list[str] = []
    if "heldout" in part:
        said.append("held-out is the source's own test part")
    else:
        _carve(part, strata, "heldout", round(options.heldout * int((part == "train").sum())), HELDOUT_SEED)
        said.append(f"held-out is {options.heldout:.0%} of the rows, by class, chosen with a fixed number")
    own_validation = "validation" in part
    notes += _drop_copies(part, digests, "heldout", ("train", "validation"))
    if images is not None:
        notes += keep_rows(part, strata, images, seeded(seed, IMAGES_STREAM), "images")
    if own_validation:
        said.append("validation is the source's own")
    else:
        count = min(max(round(options.validation * int((part == "train").sum())), 1), VALIDATION_ROWS)
        _carve(part, strata, "validation", count, VALIDATION_SEED)
        said.append(f"validation is {options.validation:.0%} of the other rows ({VALIDATION_ROWS} at most), likewise")
    notes += _drop_copies(part, digests, "validation", ("train",))
    if rows is not None:
        notes += keep_rows(part, strata, rows, seeded(seed, ROWS_STREAM), "rows")
    _refuse_empty(part)
    return Split(part, "; ".join(said), tuple(notes))


def choose_rows(strata: np.ndarray, count: int, generator: np.random.Generator, *, leave: int) -> np.ndarray:
    """`count` of the rows, each stratum in proportion and at least once; `leave` rows of each stratum are not chosen.

    strata: int (N,). Returns bool (N,). Fewer than `count` only where `leave` forbids more.
    """
    values, numbers = np.unique(strata, return_inverse=True)
    limits = np.maximum(np.bincount(numbers, minlength=len(values)) - leave, 0)
    chosen = np.zeros(len(strata), dtype=bool)
    for number, quota in enumerate(share_out(limits, count)):
        rows = np.flatnonzero(numbers == number)
        chosen[generator.permutation(rows)[:quota]] = True
    return chosen


def keep_rows(
    part: np.ndarray, strata: np.ndarray, count: int, generator: np.random.Generator, field: str
) -> list[str]:
    """Leave only `count` train rows, chosen by class; the others are not used. Notes; a UserError for too few."""
    train = np.flatnonzero(part == "train")
    if count >= len(train):
        return []
    classes = len(np.unique(strata[train]))
    if count < classes:
        raise UserError(f"source.{field}: {count} is fewer than the {classes} classes; ask for at least {classes}")
    part[train[~choose_rows(strata[train], count, generator, leave=0)]] = ""
    return [f"{count} of {len(train)} {field} are used (source.{field}), chosen by class"]


def share_out(limits: np.ndarray, count: int) -> np.ndarray:
    """`count` in proportion to `limits` (largest remainder), none above its limit, none zero that need not be."""
    count = min(count, int(limits.sum()))
    if count == 0:
        return np.zeros_like(limits)
    ideal = limits * count / limits.sum()
    quotas = np.maximum(np.floor(ideal).astype(np.int64), np.minimum(1, limits))
    while quotas.sum() > count:
        quotas[np.argmax(quotas)] -= 1
    order = np.argsort(np.where(quotas < limits, quotas - ideal, np.inf), kind="stable")
    quotas[order[: count - quotas.sum()]] += 1
    return np.asarray(quotas)


def rarest_class(presence: np.ndarray) -> np.ndarray:
    """The stratum of an image with several classes: the one that the fewest images hold. bool (N, K) -> int (N,)."""
    images = presence.sum(axis=0)
    return np.asarray(np.where(presence, images, len(presence) + 1).argmin(axis=1))


def _carve(part: np.ndarray, strata: np.ndarray, name: str, count: int, seed: int) -> None:
    """Move `count` train rows to the part `name`; every stratum keeps one in train."""
    train = np.flatnonzero(part == "train")
    part[train[choose_rows(strata[train], max(count, 1), seeded(seed), leave=1)]] = name


def _drop_copies(part: np.ndarray, digests: Sequence[bytes], name: str, others: Sequence[str]) -> list[str]:
    """Take rows out of the part `name` whose pixels also occur in one of the other parts."""
    known = {digests[row] for row in np.flatnonzero(np.isin(part, others)).tolist()}
    copies = [row for row in np.flatnonzero(part == name).tolist() if digests[row] in known]
    if not copies:
        return []
    part[copies] = ""
    word = "row was" if len(copies) == 1 else "rows were"
    there = " or ".join(others)
    return [f"{len(copies)} {name} {word} left out: the same values are in {there}"]


def _refuse_empty(part: np.ndarray) -> None:
    for name in PARTS:
        if not (part == name).any():
            rows = "1 usable row" if len(part) == 1 else f"{len(part)} usable rows"
            raise UserError(f"source: no row is left for {name} out of {rows}; add rows that differ from each other")
