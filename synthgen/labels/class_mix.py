"""Class labels in an asked-for mix. Knows classes by name; nothing of what a row looks like.

Labels follow the golden-ratio sequence, so that any run of consecutive rows is near the mix: a shard of 256 rows misses
a class's share by two or three rows, where independent draws would miss it by about five.

    mix = build_class_mix(data, ClassConditionOptions(balance="uniform"), seed=0)
    mix.draw(np.arange(256))        # {"label": int64 (256,)}
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..diffusion.noise import row_generator
from ..errors import UserError
from ..types import Columns, Data
from .options import ClassConditionOptions

GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio


class ClassMix:
    """A LabelGenerator of the column `label`."""

    def __init__(self, shares: np.ndarray, seed: int) -> None:
        """`shares` (K,) ≥ 0 add up to 1."""
        self.shares = shares
        ends = np.cumsum(shares)
        self._last = int(np.flatnonzero(shares)[-1])
        self._ends = ends / ends[-1]
        self._offset = row_generator(seed, 0, "class mix").integers(2**64, dtype=np.uint64)

    def with_seed(self, seed: int) -> ClassMix:
        return ClassMix(self.shares, seed)

    def draw(self, indices: np.ndarray) -> Columns:
        """{"label": int64 (N,)}. u_i = frac(u_0 + i/φ) (Weyl's sequence; Cranley & Patterson 1976 for u_0), then the
        inverse of the distribution function."""
        words = self._offset + np.asarray(indices).astype(np.uint64) * GOLDEN  # wraps at 2^64, as it should
        u = (words >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return {"label": np.minimum(np.searchsorted(self._ends, u, side="right"), self._last).astype(np.int64)}


def label_classes(columns: Columns, data: Data) -> np.ndarray:
    """bool (N, K): the one class of each labelled row."""
    found: np.ndarray = columns["label"][:, None] == np.arange(len(data.classes))
    return found


def build_class_mix(data: Data, options: ClassConditionOptions, seed: int, folder: Path | None = None) -> ClassMix:
    """The mix that `options.balance` asks for; details["undrawn"] are classes that are drawn only where it names them.
    UserError for names that are no class, or if every weight is 0."""
    if options.balance == "uniform":
        weights = np.array([name not in data.details.get("undrawn", ()) for name in data.classes], np.float64)
    elif options.balance == "real":
        weights = np.bincount(data.train["label"], minlength=len(data.classes)).astype(np.float64)
    else:
        weights = named_weights(options.balance, data.classes)
    return ClassMix(weights / weights.sum(), seed)


def weigh_classes(
    balance: str | Mapping[str, float],
    classes: Sequence[str],
    counts: np.ndarray,
    lacks: str,
    allowed: np.ndarray | None = None,
) -> np.ndarray:
    """Weights (K,) of the classes of which there is something to draw from, `counts` (K,) > 0, as `balance` asks.

    `lacks` begins the sentence of the UserError for a class that is named and of which there is nothing. Classes that
    are not `allowed`, bool (K,), are drawn only where they are named.
    """
    if not isinstance(balance, Mapping):
        there = (counts > 0) if allowed is None else (counts > 0) & allowed
        return np.where(there, 1.0 if balance == "uniform" else counts, 0.0)
    weights = named_weights(balance, classes)
    for number in np.flatnonzero((weights > 0) & (counts == 0)).tolist():
        raise UserError(f"conditions.balance: {lacks} {classes[number]!r}; leave it out")
    return weights


def named_weights(balance: Mapping[str, float], classes: Sequence[str]) -> np.ndarray:
    weights = np.zeros(len(classes))
    for name, weight in balance.items():
        if name not in classes:
            close = difflib.get_close_matches(name, classes, 1, cutoff=0.5)
            fix = f"did you mean {close[0]!r}?" if close else f"the classes are {', '.join(classes[:20])}"
            raise UserError(f"conditions.balance: {name!r} is not a class of the data; {fix}")
        weights[classes.index(name)] = weight
    if not weights.sum() > 0:
        raise UserError("conditions.balance: every weight is 0; give at least one class a weight above 0")
    return weights
