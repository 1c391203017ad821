"""Real masks, prepared for recombination: their regions numbered, small ones told from large. Knows no random numbers.

A small region (a nucleus, a car) is an object and moves as a whole; a large one (a background, a tissue) may be cut.

    bank = MaskBank.fit(data.train["mask"], classes=3, ignore=255)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..errors import UserError
from .objects import number_regions

SMALL = 0.2  # of the mask: regions up to this share move as a whole
KIN = 0.1  # of the masks on either side in fineness may be joined with a mask


@dataclass(frozen=True)
class MaskBank:
    regions: np.ndarray  # int32 (n, H, W): region numbers, unique over all masks
    first: np.ndarray  # int64 (n,): the lowest region number of each mask
    widest: int  # the largest number of regions in one mask
    value: np.ndarray  # uint8 or uint16 (R,): a region's class
    small: np.ndarray  # bool (R,)
    ground: np.ndarray  # like value: the class around a small region, which takes its place; a large region's own class
    ranked: np.ndarray  # int64 (n,): the masks by fineness, from the coarsest
    rows: np.ndarray  # int64 (n,): the training row of each mask

    @staticmethod
    def fit(masks: np.ndarray, classes: int, ignore: int | None) -> MaskBank:
        """`masks` (n, H, W) of class ids. Pixels with the ignore value take the nearest annotated pixel's class."""
        masks, rows = known_masks(masks, classes, ignore)
        regions = number_regions(masks) - 1
        area = np.bincount(regions.ravel())
        value = np.zeros(len(area), masks.dtype)
        value[regions.ravel()] = masks.ravel()
        first = regions.reshape(len(masks), -1).min(1)
        counts = np.diff(np.append(first, len(area)))
        owner = np.repeat(np.arange(len(masks)), counts)
        largest = np.maximum.reduceat(area, first)
        small = (area <= SMALL * masks[0].size) & (area < largest[owner])
        ground = np.where(small, _hosts(regions, area, value, small, owner), value)
        ranked = np.argsort(_fineness(masks, largest), kind="stable")
        return MaskBank(
            regions.astype(np.int32), first.astype(np.int64), int(counts.max()), value, small, ground, ranked, rows
        )

    def choose(self, uniform: np.ndarray) -> np.ndarray:
        """Two masks a row for uniform (N, 2) in [0, 1): any, and one with objects of similar size, int64 (N, 2)."""
        count = len(self.ranked)
        reach = max(1.0, KIN * count)
        one = (uniform[:, 0] * count).astype(np.int64)
        other = np.rint(one + (2 * uniform[:, 1] - 1) * reach).astype(np.int64)
        other = np.abs(other)
        pairs: np.ndarray = self.ranked[np.stack([one, np.clip(count - 1 - np.abs(count - 1 - other), 0, None)], 1)]
        return pairs


def _fineness(masks: np.ndarray, largest: np.ndarray) -> np.ndarray:
    """Changes of class between neighbours for each pixel outside the largest region, (n,): small for big objects."""
    changes = (masks[:, 1:] != masks[:, :-1]).sum((1, 2)) + (masks[:, :, 1:] != masks[:, :, :-1]).sum((1, 2))
    fineness: np.ndarray = changes / np.maximum(masks[0].size - largest, 1)
    return fineness


def known_masks(masks: np.ndarray, classes: int, ignore: int | None) -> tuple[np.ndarray, np.ndarray]:
    """(masks without ignore values, their rows); wholly ignored masks are left out."""
    rows = np.arange(len(masks))
    valid = masks < classes
    if ignore is not None:
        valid &= masks != ignore
    some = valid.reshape(len(masks), -1).any(1) if len(masks) else np.zeros(0, bool)
    if not some.any():
        raise UserError("source: no training mask has an annotated pixel; give the source masks that name its classes")
    masks, valid, rows = masks[some].copy(), valid[some], rows[some]
    for i in np.flatnonzero(~valid.reshape(len(masks), -1).all(1)):
        _, (y, x) = ndimage.distance_transform_edt(~valid[i], return_indices=True)
        masks[i] = masks[i][y, x]
    return masks, rows


def _hosts(
    regions: np.ndarray, area: np.ndarray, value: np.ndarray, small: np.ndarray, owner: np.ndarray
) -> np.ndarray:
    """For each region the class of the large region that it borders on most, or else of its mask's largest."""
    order = np.lexsort((-area, owner))
    largest = order[np.searchsorted(owner[order], owner)]
    host = value[largest].copy()
    codes, contacts = np.unique(_contacts(regions, small), return_counts=True)
    inside, outside = codes // len(area), codes % len(area)
    rank = np.lexsort((contacts, inside))  # the last entry of a region has the most contacts
    host[inside[rank]] = value[outside[rank]]
    return host


def _contacts(regions: np.ndarray, small: np.ndarray) -> np.ndarray:
    """a · R + b for every pair of neighbouring pixels, one in a small region a and one in a large region b."""
    found = []
    for p, q in ((regions[:, :, 1:], regions[:, :, :-1]), (regions[:, 1:], regions[:, :-1])):
        border = p != q
        for a, b in ((p[border], q[border]), (q[border], p[border])):
            touching = small[a] & ~small[b]
            found.append(a[touching].astype(np.int64) * len(small) + b[touching])
    return np.concatenate(found)
