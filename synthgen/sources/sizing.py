"""Images to one size: scaled, cropped, padded, or cut into tiles. Knows pixels and positions, not files or classes.

fit_picture(picture, (64, 64), "center", Image.Resampling.BILINEAR, fill=0)
grid_positions((256, 320), (64, 64))     # 20 corners, none overlapping
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

Shape = tuple[int, int]  # height, width


def fit_picture(picture: Image.Image, size: Shape, fit: str, resample: Image.Resampling, fill: int) -> Image.Image:
    """`picture` with `size` (height, width), by the policy `fit`: resize, center or pad."""
    height, width = size
    if picture.size == (width, height):
        return picture
    if fit == "resize":
        return picture.resize((width, height), resample)
    if fit == "center":
        return ImageOps.fit(picture, (width, height), resample)
    return _pad(picture, size, resample, fill)


def _pad(picture: Image.Image, size: Shape, resample: Image.Resampling, fill: int) -> Image.Image:
    height, width = size
    scale = min(width / picture.width, height / picture.height)
    inner = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    canvas = Image.new(picture.mode, (width, height), fill if picture.mode == "L" else (fill,) * 3)
    canvas.paste(picture.resize(inner, resample), ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return canvas


def count_tiles(shape: Shape, size: Shape) -> int:
    """Tiles of `size` that an image of `shape` holds without overlap."""
    return (shape[0] // size[0]) * (shape[1] // size[1])


def grid_positions(shape: Shape, size: Shape) -> list[Shape]:
    """Upper left corners of the tiles of the grid, which stands in the middle of the image."""
    rows, columns = shape[0] // size[0], shape[1] // size[1]
    top, left = (shape[0] - rows * size[0]) // 2, (shape[1] - columns * size[1]) // 2
    return [(top + row * size[0], left + column * size[1]) for row in range(rows) for column in range(columns)]


def spread_positions(shape: Shape, size: Shape, count: int, generator: np.random.Generator) -> list[Shape]:
    """`count` random corners that cover the image evenly: the recurrence R2 (Roberts 2018), randomly shifted."""
    plastic = 1.32471795724474602596
    steps = np.array([1 / plastic, 1 / plastic**2])
    points = (generator.random(2) + np.arange(count)[:, None] * steps) % 1.0
    free = np.array([shape[0] - size[0] + 1, shape[1] - size[1] + 1])
    corners = np.minimum((points * free).astype(np.int64), free - 1)
    return [(int(top), int(left)) for top, left in corners]


def cut(pixels: np.ndarray, corner: Shape, size: Shape) -> np.ndarray:
    """The tile of `pixels` (H, W, ...) whose upper left pixel is `corner`."""
    top, left = corner
    return pixels[top : top + size[0], left : left + size[1]]


def turn(pixels: np.ndarray, element: int) -> np.ndarray:
    """`pixels` (H, W, ...) under element 0..7 of the dihedral group of the square: quarter turns, then a flip."""
    turned = np.rot90(pixels, element % 4)
    return turned[:, ::-1] if element >= 4 else turned
