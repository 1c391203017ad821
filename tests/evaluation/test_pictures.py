"""Pixels are where they should be, and are not smoothed."""

import numpy as np
import pytest
from PIL import Image

from synthgen.evaluation.pictures import SAFE, class_colours, contact_sheet, enlargement, overlay_mask, stack


@pytest.mark.parametrize("n", [0, 1, 8, 9, 1000])
def test_colours_are_all_different_and_begin_with_the_safe_ones(n: int) -> None:
    colours = class_colours(n)
    assert len(set(colours)) == len(colours) == n
    assert tuple(colours[:8]) == SAFE[:n]
    assert all(0 <= value <= 255 for colour in colours for value in colour)


def test_colours_of_more_classes_extend_those_of_fewer() -> None:
    assert class_colours(40)[:12] == class_colours(12)


def test_overlay_leaves_bare_classes_alone_and_tints_the_others() -> None:
    image = np.full((12, 12, 3), 200, np.uint8)
    mask = np.zeros((12, 12), np.uint8)
    mask[4:8, 4:8] = 1
    mask[0:2, 0:2] = 255
    picture = np.asarray(overlay_mask(image, mask, [None, (255, 0, 0)], opacity=0.5, scale=4))
    assert picture.shape == (48, 48, 3)
    assert (picture[40:, 40:] == 200).all()
    assert picture[24, 24].tolist() == [228, 100, 100]
    assert picture[16, 20].tolist() == [255, 0, 0]
    assert picture[17, 20].tolist() == [228, 100, 100], "the outline is one pixel wide"
    assert picture[15, 20].tolist() == [200, 200, 200], "the outline is inside its region"
    assert picture[2, 2].tolist() == [164, 164, 164], "ignored pixels are grey"


@pytest.mark.parametrize("shape", [(12, 10), (12, 10, 1), (12, 10, 3)])
def test_overlay_takes_grey_and_colour(shape: tuple[int, ...]) -> None:
    picture = overlay_mask(np.zeros(shape, np.uint8), np.zeros((12, 10), np.uint8), [None])
    assert picture.mode == "RGB"
    assert picture.size == (80, 96)


def test_overlay_refuses_a_mask_of_another_size() -> None:
    with pytest.raises(AssertionError, match="differ in size"):
        overlay_mask(np.zeros((4, 4, 3), np.uint8), np.zeros((5, 4), np.uint8), [None])


def test_enlargement_is_whole_and_never_below_one() -> None:
    assert [enlargement(side, side) for side in (1, 8, 28, 64, 96, 500)] == [96, 12, 3, 2, 1, 1]


def solid(colour: tuple[int, int, int], size: tuple[int, int] = (8, 8)) -> Image.Image:
    return Image.new("RGB", size, colour)


def test_sheet_puts_two_groups_side_by_side_without_smoothing() -> None:
    board = Image.fromarray((np.indices((8, 8)).sum(0) % 2 * 255).astype(np.uint8))
    sheet = contact_sheet([("real", [board]), ("synthetic", [solid((250, 1, 2))])], scale=10)
    pixels = np.asarray(sheet)
    red = np.argwhere((pixels == [250, 1, 2]).all(-1))
    assert len(red) == 80 * 80
    black = np.argwhere((pixels == 0).all(-1))
    assert len(black) == 80 * 80 // 2
    assert black[:, 1].max() < red[:, 1].min()
    assert abs(black[:, 0].min() - red[:, 0].min()) <= 10


def test_sheet_stacks_more_groups_and_wraps_at_the_columns() -> None:
    colours = class_colours(3)
    sheet = contact_sheet([(f"group {i}", [solid(c)] * 5) for i, c in enumerate(colours)], columns=4, scale=4)
    pixels = np.asarray(sheet)
    bottoms = [np.argwhere((pixels == colour).all(-1)) for colour in colours]
    assert [len(found) for found in bottoms] == [5 * 32 * 32] * 3
    assert bottoms[0][:, 0].max() < bottoms[1][:, 0].min() < bottoms[2][:, 0].min()
    assert sheet.width < 4 * 32 + 3 * 4 + 2 * 20 + 240


def test_sheet_has_every_colour_of_its_legend_and_says_what_it_leaves_out() -> None:
    legend = [(f"class {i}", colour) for i, colour in enumerate(class_colours(12))]
    pixels = np.asarray(contact_sheet([("rows", [solid((255, 255, 255))])], legend, "title")).reshape(-1, 3)
    present = set(map(tuple, pixels.tolist()))
    assert all(colour in present for _, colour in legend)
    long = [(f"class {i}", colour) for i, colour in enumerate(class_colours(1000))]
    assert contact_sheet([("rows", [solid((1, 1, 1))])], long).height < 2000


def test_large_and_odd_pictures_fit() -> None:
    images = [Image.new("L", (500, 300)), solid((9, 9, 9), (30, 90)), Image.new("RGBA", (700, 20))]
    sheet = contact_sheet([("mixed", images)], columns=3)
    assert sheet.width <= 3 * 192 + 2 * 4 + 2 * 20


def test_empty_groups_are_no_error_and_pictures_are_deterministic() -> None:
    assert contact_sheet([("nothing", [])]).width > 0
    first, second = (contact_sheet([("a", [solid((5, 6, 7))])], [("x", (5, 6, 7))], "t") for _ in range(2))
    assert first.tobytes() == second.tobytes()


def test_stacked_pictures_keep_their_size() -> None:
    sheet = stack([solid((1, 2, 3)), solid((4, 5, 6))])
    side = solid((1, 2, 3)).width
    assert sheet.width == side and sheet.height > 2 * side
    assert sheet.getpixel((0, 0)) == (1, 2, 3) and sheet.getpixel((side - 1, sheet.height - 1)) == (4, 5, 6)
