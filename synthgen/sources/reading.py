"""Encoded rows to checked pictures: decodes, sizes, and tells bad rows from good. Knows no classes and no splits.

When images are to be tiled only their facts are kept here, and they are decoded again one at a time when they are cut.

    pictures = read_pictures(opened.parts["train"](), "train", options, "label", faults)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from PIL import Image

from ..errors import UserError
from .classes import clean_label
from .options import ImageSourceOptions
from .pictures import decode_image, decode_mask
from .rows import BadRow, Faults, Row, Target
from .sizing import Shape, fit_picture


@dataclass(frozen=True, slots=True)
class Picture:
    """A row that can be used."""

    where: str
    part: str  # of the source; "train" may still be divided
    shape: Shape  # before sizing
    grey: bool
    digest: bytes  # of the pixels
    image: np.ndarray | None  # uint8 (H, W) or (H, W, 3), sized; None if it is to be tiled
    mask: np.ndarray | None = None  # uint8 (H, W), sized, with the source's values
    label: int | str | None = None
    values: np.ndarray | None = None  # bool (256,): the values in the mask before sizing
    row: Row | None = None  # to decode it again, if it is to be tiled


def read_pictures(
    rows: Iterable[Row], part: str, options: ImageSourceOptions, target: Target, faults: Faults
) -> tuple[list[Picture], int]:
    """The good rows of a part and the number of all; the bad ones are added to `faults`."""
    pictures: list[Picture] = []
    count = 0
    for row in rows:
        count += 1
        try:
            pictures.append(_read(row, part, options, target))
        except BadRow as bad:
            faults.add(row.where, str(bad))
    return pictures, count


def decode_row(row: Row, channels: str | None, target: Target) -> tuple[Image.Image, Image.Image | None]:
    """Image and mask of the same size. A BadRow if either cannot be used."""
    if row.fault:
        raise BadRow(row.fault)
    assert row.image is not None
    image = decode_image(row.image, channels)
    if target == "label":
        return image, None
    try:
        mask = decode_mask(row.target)
    except BadRow as bad:
        raise BadRow(f"mask: {bad}") from None
    if mask.size != image.size:
        raise BadRow(f"mask is {mask.width} x {mask.height} pixels, its image {image.width} x {image.height}")
    return image, mask


def _read(row: Row, part: str, options: ImageSourceOptions, target: Target) -> Picture:
    image, mask = decode_row(row, options.channels, target)
    label = clean_label(row.target) if mask is None else None
    shape = (image.height, image.width)
    values = None if mask is None else np.bincount(np.asarray(mask).ravel(), minlength=256) > 0
    size = options.height_width
    grey = image.mode == "L"
    if options.fit == "tile":
        assert size is not None
        if shape[0] < size[0] or shape[1] < size[1]:
            raise BadRow(f"{shape[1]} x {shape[0]} pixels are less than one tile")
        return Picture(row.where, part, shape, grey, _digest(np.asarray(image)), None, None, label, values, row)
    if size is not None:
        image = fit_picture(image, size, options.fit, Image.Resampling.BILINEAR, 0)
        mask = mask and fit_picture(mask, size, options.fit, Image.Resampling.NEAREST, options.ignore or 0)
    pixels = np.asarray(image)
    shown = None if mask is None else np.asarray(mask)
    return Picture(row.where, part, shape, grey, _digest(pixels), pixels, shown, label, values)


def _digest(pixels: np.ndarray) -> bytes:
    return blake2b(np.ascontiguousarray(pixels).data, digest_size=16, key=repr(pixels.shape).encode()).digest()


def check_sizes(pictures: Iterable[Picture]) -> None:
    """A UserError if untiled images differ in size: that needs the recipe's word."""
    first: Picture | None = None
    for picture in pictures:
        first = first or picture
        if picture.image is not None and first.image is not None and picture.image.shape[:2] != first.image.shape[:2]:
            raise UserError(
                f"source.size: images differ in size ({first.where} {_size(first)}, {picture.where} {_size(picture)}); "
                "set source.size, and source.fit to say how they get it"
            )


def _size(picture: Picture) -> str:
    return f"{picture.shape[1]} x {picture.shape[0]}"


def stack_images(images: list[np.ndarray], channels: int) -> np.ndarray:
    """uint8 (N, H, W, C) of images that are grey (H, W) or RGB; grey ones are repeated where C is 3."""
    stacked = np.empty((len(images), *images[0].shape[:2], channels), np.uint8)
    for row, image in enumerate(images):
        stacked[row] = image[..., None] if image.ndim == 2 else image
    return stacked
