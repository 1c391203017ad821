"""Tiles of big images: where they are cut, and the cutting. Knows positions and encoded rows, not classes or splits.

images, masks, owners = cut_tiles(pictures, options, "mask", generator=None)      # the grid
"""

from __future__ import annotations

import numpy as np

from .options import ImageSourceOptions
from .reading import Picture, decode_row
from .rows import Target
from .sizing import Shape, count_tiles, cut, grid_positions, spread_positions

CANDIDATES = 2  # of so many random tiles the one with more classes is taken


def cut_tiles(
    pictures: list[Picture], options: ImageSourceOptions, target: Target, generator: np.random.Generator | None
) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Tiles of the images and of their masks, and the number of the picture that each comes from.

    With a generator: random tiles, `options.rows` of them or as many as fit without overlap, each image the same
    share of `rows`. Without: the grid. One image at a time is in memory.
    """
    size = options.height_width
    assert size is not None
    images: list[np.ndarray] = []
    masks: list[np.ndarray] = []
    owners: list[int] = []
    counts = _counts(pictures, size, options.rows, generator) if generator else None
    for number, picture in enumerate(pictures):
        if counts is not None and counts[number] == 0:
            continue
        assert picture.row is not None
        image, mask = (
            None if part is None else np.asarray(part) for part in decode_row(picture.row, options.channels, target)
        )
        assert image is not None
        if generator is None or counts is None:
            corners = grid_positions(picture.shape, size)
        else:
            corners = _varied(picture.shape, size, int(counts[number]), generator, mask)
        images += [cut(image, corner, size).copy() for corner in corners]
        masks += [cut(mask, corner, size).copy() for corner in corners] if mask is not None else []
        owners += [number] * len(corners)
    return images, masks, np.array(owners, dtype=np.int64)


def _counts(pictures: list[Picture], size: Shape, rows: int | None, generator: np.random.Generator) -> np.ndarray:
    """How many random tiles each image gives. int (N,)."""
    if rows is None:
        return np.array([count_tiles(picture.shape, size) for picture in pictures])
    counts = np.full(len(pictures), rows // len(pictures))
    counts[generator.permutation(len(pictures))[: rows % len(pictures)]] += 1
    return counts


def _varied(
    shape: Shape, size: Shape, count: int, generator: np.random.Generator, mask: np.ndarray | None
) -> list[Shape]:
    """`count` corners that cover the image evenly; with a mask each is the better of two: the one with more classes."""
    if mask is None:
        return spread_positions(shape, size, count, generator)
    corners = spread_positions(shape, size, CANDIDATES * count, generator)
    held = [len(np.flatnonzero(np.bincount(cut(mask, corner, size).ravel()))) for corner in corners]
    # Paired at random: points of the recurrence that are a fixed number apart lie close to each other.
    pairs = generator.permutation(CANDIDATES * count).reshape(count, CANDIDATES)
    return [corners[max(pair, key=lambda k: held[k])] for pair in pairs]
