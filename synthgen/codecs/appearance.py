"""How a row looks apart from its texture: the mean colour of each of its classes, and its contrast.

Sets of unlike pictures, such as fluorescence beside stained tissue, differ in these few numbers more than in anything
else. A flow settles them in its first steps, at noise levels where a small net has learned little, and every row comes
out as the commonest kind. So they are taken out of the rows, and the net is told them.

    appearance = measure_appearance(images, masks, classes=2)       # float32 (N, 4, C)
"""

from __future__ import annotations

import numpy as np

from ..types import Columns

CHUNK = 256  # rows at once
LEAST_CONTRAST = 0.5 / 255  # of a row that has one colour a class


def measure_appearance(images: np.ndarray, masks: np.ndarray, classes: int) -> np.ndarray:
    """float32 (N, K + 2, C) of uint8 images (N, H, W, C) and masks (N, H, W), in units of the full intensity.

    Entries 0 … K − 1 are the mean colours of the classes, K that of the pixels without a class, nan where a row has
    none; K + 1 is the standard deviation around them.
    """
    parts = [
        _measure(images[start : start + CHUNK], masks[start : start + CHUNK], classes)
        for start in range(0, len(images), CHUNK)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, classes + 2, images.shape[3]), np.float32)


def _measure(images: np.ndarray, masks: np.ndarray, classes: int) -> np.ndarray:
    count, channels = len(images), images.shape[3]
    places = regions_of(masks, classes).reshape(count, -1) + np.arange(count)[:, None] * (classes + 1)
    size = count * (classes + 1)
    pixels = np.bincount(places.ravel(), minlength=size).reshape(count, -1)
    found = np.full((count, classes + 2, channels), np.nan, np.float32)
    for channel in range(channels):
        values = images[..., channel].reshape(count, -1) / 255
        sums = np.bincount(places.ravel(), values.ravel(), size).reshape(count, -1)
        means = np.divide(sums, pixels, out=np.full(sums.shape, np.nan), where=pixels > 0)
        around = np.square(values).mean(1) - np.nansum(pixels * np.square(means), 1) / values.shape[1]
        found[:, :-1, channel] = means
        found[:, -1, channel] = np.sqrt(np.maximum(around, LEAST_CONTRAST**2))
    return found


def regions_of(masks: np.ndarray, classes: int) -> np.ndarray:
    """int64 (N, H, W): the class of each pixel, or K where it has none."""
    regions: np.ndarray = np.minimum(masks.astype(np.int64), classes)
    return regions


def paint_means(appearance: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """float32 (N, H, W, C): each pixel's mean colour."""
    painted: np.ndarray = appearance[np.arange(len(regions))[:, None, None], regions]
    return painted


def appearance_of(columns: Columns, classes: int) -> np.ndarray:
    """Of drawn rows the appearance that was asked for, of real rows the one that they have."""
    if "appearance" in columns:
        return columns["appearance"]
    return measure_appearance(columns["image"], columns["mask"], classes)
