"""Small image folders as a user has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

IGNORED = 255


def classes_folder(folder: Path, *, mode: str = "L", size: tuple[int, int] = (11, 7), each: int = 20) -> Path:
    """each images of each of three classes, a folder a class."""
    generator = np.random.Generator(np.random.Philox(0))
    for number, name in enumerate(("ant", "bee", "cat")):
        (folder / name).mkdir(parents=True)
        for i in range(each):
            noise = generator.integers(0, 60, (size[1], size[0], 3), np.uint8) + np.uint8(60 * number)
            Image.fromarray(noise).convert(mode).save(folder / name / f"{i:03d}.png")
    return folder


def masks_folder(folder: Path, *, count: int = 40, size: tuple[int, int] = (18, 14)) -> Path:
    """images/ and masks/: bright squares (class 1) on dark ground, a column that is not annotated."""
    generator = np.random.Generator(np.random.Philox(1))
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for i in range(count):
        mask = np.zeros((size[1], size[0]), np.uint8)
        top, left = generator.integers(1, 6, 2)
        mask[top : top + 6, left : left + 7] = 1
        image = (mask[..., None] * 120 + generator.integers(0, 80, (*mask.shape, 3))).astype(np.uint8)
        mask[:, -1] = IGNORED
        Image.fromarray(image).save(folder / "images" / f"{i:03d}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{i:03d}.png")
    return folder
