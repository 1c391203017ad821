from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from synthgen.sources.sizing import count_tiles, cut, fit_picture, grid_positions, spread_positions, turn

NEAREST = Image.Resampling.NEAREST


def striped(height: int, width: int) -> Image.Image:
    """Column c has the value c."""
    return Image.fromarray(np.broadcast_to(np.arange(width, dtype=np.uint8), (height, width)).copy())


def test_a_picture_of_the_right_size_is_untouched() -> None:
    picture = striped(8, 8)
    assert fit_picture(picture, (8, 8), "resize", NEAREST, 0) is picture


def test_resize_scales_both_sides() -> None:
    assert list(np.asarray(fit_picture(striped(8, 16), (8, 8), "resize", NEAREST, 0))[0]) == list(range(1, 17, 2))


def test_center_keeps_the_middle() -> None:
    assert list(np.asarray(fit_picture(striped(8, 16), (8, 8), "center", NEAREST, 0))[0]) == list(range(4, 12))


def test_pad_keeps_everything_and_fills_the_rest() -> None:
    padded = np.asarray(fit_picture(striped(8, 16), (16, 16), "pad", NEAREST, 99))
    assert (padded[:4] == 99).all() and (padded[12:] == 99).all()
    assert list(padded[4]) == list(range(16))


def test_pad_of_colours_is_black() -> None:
    picture = Image.fromarray(np.full((4, 8, 3), 200, np.uint8))
    padded = np.asarray(fit_picture(picture, (8, 8), "pad", Image.Resampling.BILINEAR, 0))
    assert (padded[:2] == 0).all() and (padded[2:6] == 200).all()


def test_the_grid_covers_without_overlap() -> None:
    shape, size = (70, 100), (16, 32)
    covered = np.zeros(shape, int)
    for corner in grid_positions(shape, size):
        cut(covered, corner, size)[:] += 1
    assert covered.max() == 1
    assert covered.sum() == count_tiles(shape, size) * 16 * 32 == 4 * 3 * 512


def test_random_tiles_stay_inside_and_cover_evenly() -> None:
    generator = np.random.Generator(np.random.Philox(key=0))
    covered = np.zeros((96, 160), int)
    for corner in spread_positions(covered.shape, (32, 32), 60, generator):
        tile = cut(covered, corner, (32, 32))
        assert tile.shape == (32, 32)
        tile += 1
    inside = covered[16:-16, 16:-16]
    assert inside.min() >= 1 and inside.max() <= 12


def test_a_tile_as_large_as_its_image_has_one_place() -> None:
    generator = np.random.Generator(np.random.Philox(key=0))
    assert spread_positions((8, 8), (8, 8), 3, generator) == [(0, 0)] * 3


@pytest.mark.parametrize("shape", [(5, 5), (5, 5, 3)])
def test_the_eight_turns_differ_and_keep_the_pixels(shape: tuple[int, ...]) -> None:
    pixels = np.arange(int(np.prod(shape))).reshape(shape)
    turned = [turn(pixels, element) for element in range(8)]
    assert len({image.tobytes() for image in turned}) == 8
    assert all(np.array_equal(np.sort(image.ravel()), pixels.ravel()) for image in turned)
