"""Holds the accepted rows near the class mix that was asked for. Knows which classes a row holds, nothing else.

A judge refuses more rows of a hard class than of an easy one; without a quota the easy one would fill the gap. The cap
grows with the accepted rows, so it does not depend on how many will be asked for, and more rows can be added later.
A class that no candidate passes for holds up the others only if its share exceeds the tolerance.

    quota = Quota(shares=np.array([0.5, 0.5]), classes=("cat", "dog"), options=QuotaOptions())
    full = quota.full(presence)        # the class that has enough rows, or None
    quota.count(presence)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .options import QuotaOptions

ROOM = 8  # rows above the cap that chance alone may bring


class Quota:
    def __init__(self, shares: np.ndarray, classes: Sequence[str], options: QuotaOptions) -> None:
        """`shares` (K,): the share of the asked-for rows that hold each class; for masks their sum passes 1."""
        assert len(shares) == len(classes), "one share a class"
        self.shares, self.classes = np.asarray(shares, np.float64), tuple(classes)
        self.tolerance = options.tolerance
        self.accepted = 0
        self.counts = np.zeros(len(classes), np.int64)

    def full(self, presence: np.ndarray) -> int | None:
        """The first class among those the row holds, bool (K,), that already has its share."""
        cap = (1 + self.tolerance) * self.shares * (self.accepted + 1) + ROOM
        over = np.flatnonzero(presence & (self.counts + 1 > cap))
        return int(over[0]) if len(over) else None

    def count(self, presence: np.ndarray) -> None:
        self.accepted += 1
        self.counts += presence

    def reason(self, k: int) -> str:
        share = f"{self.counts[k]} of {self.accepted} accepted rows"
        return f"class '{self.classes[k]}' already has {share}; asked for {100 * self.shares[k]:.3g} %"
