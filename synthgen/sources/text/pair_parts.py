"""Who is train, validation and held-out among pairs of texts: no text is in two parts. Knows texts, not files.

What is to be measured is settled first and stays; what shares a text with it goes.

    sentence, notes = settle_parts(columns, part, options, seed=0)
    part        # object (N,): "train", "validation", "heldout", or "" for pairs that are not used
"""

from __future__ import annotations

import numpy as np

from ...types import Columns
from ..splits import ROWS_STREAM, keep_rows, seeded, split_rows
from .pair_options import PairSourceOptions


def settle_parts(
    columns: Columns, part: np.ndarray, options: PairSourceOptions, seed: int, *, is_settled: bool = False
) -> tuple[str, tuple[str, ...]]:
    """Change `part`, object (N,), in place: how the parts were told apart, and notes on what was left out.

    is_settled: `part` is already the last word, but for texts that two parts share. A UserError if a part stays empty.
    """
    notes = _drop_repeats(columns, part) + _drop_shared(columns, part)
    sentence = ""
    if not is_settled:
        sentence, more = _divide(columns, part, options, seed)
        notes += more + _drop_shared(columns, part)
    if options.rows is not None:
        notes += tuple(keep_rows(part, columns["label"], options.rows, seeded(seed, ROWS_STREAM), "rows"))
    return sentence, notes


def _drop_repeats(columns: Columns, part: np.ndarray) -> tuple[str, ...]:
    """Leave one of the pairs of a part that are the same; say how many sources have several targets."""
    seen: set[tuple[str, str, str]] = set()
    targets: dict[str, set[str]] = {}
    repeats = 0
    for row, key in enumerate(zip(part.tolist(), columns["source"], columns["target"], strict=True)):
        if key in seen:
            part[row] = ""
            repeats += 1
        seen.add(key)
        targets.setdefault(key[1], set()).add(key[2])
    conflicts = sum(len(found) > 1 for found in targets.values())
    notes = (f"{repeats} pairs were left out: they repeat another pair",) if repeats else ()
    return notes + ((f"{conflicts} source texts have several targets, which were kept",) if conflicts else ())


def _drop_shared(columns: Columns, part: np.ndarray) -> tuple[str, ...]:
    """Take out of train and validation what has a source or target text of held-out, and out of train of validation."""
    notes: tuple[str, ...] = ()
    for name, others in (("heldout", ("validation", "train")), ("validation", ("train",))):
        kept = part == name
        known = {side: set(columns[side][kept].tolist()) for side in ("source", "target")}
        shared = np.array(
            [
                s in known["source"] or t in known["target"]
                for s, t in zip(columns["source"], columns["target"], strict=True)
            ]
        )
        for other in others:
            out = shared & (part == other)
            if out.any():
                notes += (f"{out.sum()} {other} pairs were left out: a text of theirs is also in {name}",)
                part[out] = ""
    return notes


def _divide(columns: Columns, part: np.ndarray, options: PairSourceOptions, seed: int) -> tuple[str, tuple[str, ...]]:
    """Settle the part of every pair by its source text; the source's own parts are kept."""
    used = np.flatnonzero(part != "")
    groups: dict[str, list[int]] = {}
    for row in used.tolist():
        groups.setdefault(columns["source"][row], []).append(row)
    first = np.array([rows[0] for rows in groups.values()], np.int64)
    digests = [source.encode() for source in groups]
    split = split_rows(part[first], columns["label"][first], digests, options, seed)
    for name, rows in zip(split.part, groups.values(), strict=True):
        part[rows] = name
    return f"{split.sentence}; pairs with the same source text count as one row and stay together", split.notes
