"""New masks out of real ones: turned, mirrored, warped, and two of them joined along a smooth random boundary.

Small regions cross the boundary whole or not at all, so that no object is cut. Row i depends on seed and i alone.

    masks = WarpedMasks(MaskBank.fit(data.train["mask"], 3, None), MaskConditionOptions(), seed=0)
    masks.draw(np.arange(256))        # {"mask": uint8 (256, 64, 64), "like": int64 (256,)}
"""

from __future__ import annotations

import numpy as np

from ..diffusion.noise import row_generator
from ..types import Columns
from .fields import smooth
from .mask_bank import MaskBank
from .options import MaskConditionOptions

CHUNK = 32  # rows at once: their arrays stay in the cache
WARP_KNOTS, JOIN_KNOTS, ROUGH_KNOTS = 6, 5, 14
ROUGHNESS = 0.25  # of the boundary between two masks: real boundaries are not perfectly smooth
SHIFT = 0.1  # of the side, at most, either way
OVERLAP = 0.1  # a joined-in object that is covered by more than this share is left out

# The eight symmetries of the square as (a, b, c, d): source y = a·y + b·x, source x = c·y + d·x, about the centre.
IDENTITY, MIRROR = (1, 0, 0, 1), (1, 0, 0, -1)
HALF_TURN, UPSIDE_DOWN = (-1, 0, 0, -1), (-1, 0, 0, 1)
QUARTER_TURNS = ((0, 1, -1, 0), (0, -1, 1, 0))
TRANSPOSITIONS = ((0, 1, 1, 0), (0, -1, -1, 0))


def symmetries(options: MaskConditionOptions, square: bool) -> np.ndarray:
    """Those that the options allow, int (S, 4); quarter turns only for square masks."""
    allowed = [IDENTITY, *([MIRROR] if options.mirror else [])]
    if options.turn:
        allowed += [HALF_TURN, *([UPSIDE_DOWN] if options.mirror else [])]
        if square:
            allowed += [*QUARTER_TURNS, *(TRANSPOSITIONS if options.mirror else ())]
    return np.array(allowed, np.float32)


class WarpedMasks:
    """A LabelGenerator of the columns `mask` and `like`."""

    def __init__(self, bank: MaskBank, options: MaskConditionOptions, seed: int) -> None:
        self._bank, self._options, self._seed = bank, options, seed
        self._size = bank.regions.shape[1:]
        self._symmetries = symmetries(options, self._size[0] == self._size[1])

    def with_seed(self, seed: int) -> WarpedMasks:
        return WarpedMasks(self._bank, self._options, seed)

    def draw(self, indices: np.ndarray) -> Columns:
        """{"mask": (N, H, W) class ids, of the real masks' type; "like": int64 (N,), rows of the first real masks}."""
        out = np.empty((len(indices), *self._size), self._bank.value.dtype)
        like = np.empty(len(indices), np.int64)
        for start in range(0, len(indices), CHUNK):
            part = slice(start, start + CHUNK)
            out[part], like[part] = self._draw_chunk(np.asarray(indices[part]))
        return {"mask": out, "like": like}

    def _draw_chunk(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        count = len(indices)
        uniform = np.empty((count, 2, 5), np.float32)
        join = np.empty((count, 2), np.float32)
        bends = np.empty((count, 2, 2, WARP_KNOTS, WARP_KNOTS), np.float32)
        sides = np.empty((count, JOIN_KNOTS, JOIN_KNOTS), np.float32)
        rough = np.empty((count, ROUGH_KNOTS, ROUGH_KNOTS), np.float32)
        for row, index in enumerate(indices):
            rng = row_generator(self._seed, int(index), "mask")
            numbers = rng.random(12, dtype=np.float32)
            uniform[row], join[row] = numbers[:10].reshape(2, 5), numbers[10:]
            rng.standard_normal(dtype=np.float32, out=bends[row])
            rng.standard_normal(dtype=np.float32, out=sides[row])
            rng.standard_normal(dtype=np.float32, out=rough[row])
        which = self._bank.choose(uniform[:, :, 0])
        keys = self._look_up(which, self._coordinates(uniform[..., 1:], bends))
        alone = join[:, 0] >= self._options.join
        # a threshold between −0.7 and 0.7 gives the first mask between a quarter and three quarters of the row
        field = smooth(sides, self._size) + ROUGHNESS * smooth(rough, self._size)
        side = field > (1.4 * join[:, 1] - 0.7)[:, None, None]
        side[alone] = True
        return self._join(keys, which, side), self._bank.rows[which[:, 0]]

    def _coordinates(self, uniform: np.ndarray, bends: np.ndarray) -> np.ndarray:
        """Flat source pixel of each target pixel, int64 (N, 2, H, W), for uniform (N, 2, 4), bends (N, 2, 2, k, k)."""
        size = np.array(self._size, np.float32)
        last = (size - 1)[:, None, None]
        symmetry = self._symmetries[(uniform[..., 0] * len(self._symmetries)).astype(np.int64)]
        zoom = np.exp((2 * uniform[..., 1] - 1) * np.log1p(np.float32(self._options.zoom)))
        turn = (symmetry * zoom[..., None]).reshape(-1, 2, 2, 2)  # (N, 2 masks, source axis, target axis)
        shift = (2 * uniform[..., 2:] - 1) * SHIFT * size + (size - 1) / 2
        y, x = (np.arange(side, dtype=np.float32) - np.float32((side - 1) / 2) for side in self._size)
        at = smooth(bends * (np.float32(self._options.warp) * size)[:, None, None], self._size)
        at += (turn[..., :1] * y + shift[..., None])[..., None]
        at += (turn[..., 1:] * x)[..., None, :]
        np.abs(np.rint(at, out=at), out=at)  # nearest pixel, mirrored at 0 …
        np.subtract(last, np.abs(np.subtract(last, at, out=at), out=at), out=at)  # … and at the other border
        np.clip(at, 0, last, out=at)
        return at[:, :, 0].astype(np.int64) * self._size[1] + at[:, :, 1].astype(np.int64)

    def _look_up(self, which: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
        """Region keys (N, 2, H, W) of the masks `which` (N, 2) at flat coordinates.

        A key numbers a region of one drawn row from row · widest on: the same real mask may serve two rows.
        """
        pixels = self._size[0] * self._size[1]
        regions = self._bank.regions.ravel().take(coordinates + (which * pixels)[..., None, None])
        base = np.arange(len(which))[:, None] * self._bank.widest - self._bank.first[which]
        keys: np.ndarray = regions + base[..., None, None]
        return keys

    def _join(self, keys: np.ndarray, which: np.ndarray, side: np.ndarray) -> np.ndarray:
        """The first mask where `side` (N, H, W), else the second; small regions whole, by where most of them lies."""
        a, b = keys[:, 0], keys[:, 1]
        regions = self._bank.first[which][..., None] + np.arange(self._bank.widest)  # (N, 2, widest), by key
        regions = np.minimum(regions, len(self._bank.value) - 1).swapaxes(0, 1).reshape(2, -1)
        small, value, ground = self._bank.small[regions], self._bank.value[regions], self._bank.ground[regions]
        stay_a = small[0] & _mostly(a, side, 0.5, len(small[0]))
        stay_b = small[1] & _mostly(b, ~side, 0.5, len(small[1]))
        stamped = stay_a.take(a)
        stay_b &= ~_mostly(b, stamped, OVERLAP, len(small[1]))
        out = ground.ravel().take(np.where(side, a, b + len(small[0])))
        np.copyto(out, value[1].take(b), where=stay_b.take(b))
        np.copyto(out, value[0].take(a), where=stamped)
        return out


def _mostly(keys: np.ndarray, where: np.ndarray, share: float, total: int) -> np.ndarray:
    """Whether more than `share` of a region's pixels lie in `where`, bool (total,), by key."""
    outside, inside = np.bincount((2 * keys + where).ravel(), minlength=2 * total).reshape(-1, 2).T
    most: np.ndarray = inside > share * (inside + outside)
    return most
