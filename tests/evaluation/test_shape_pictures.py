"""What is nearer hides what is behind it, in the colours that the legend names."""

from typing import Any

import numpy as np

from synthgen.evaluation.pictures import PAPER, SAFE
from synthgen.evaluation.shape_pictures import (
    GROUND,
    draw_mesh,
    draw_points,
    draw_scene,
    draw_shapes,
    part_colours,
    shape_legend,
)
from synthgen.types import Data, Origin

RNG = np.random.default_rng(0)


def make_data() -> Data:
    return Data({}, {}, {}, ("a",), Origin("", "", "", "", ""), details={"parts": ("top", "leg"), "points": 300})


def make_plate(y: float) -> np.ndarray:
    """Points of an upright plate that faces the front, at `y`."""
    flat = RNG.uniform(-0.4, 0.4, (2000, 2))
    return np.column_stack([flat[:, 0], np.full(2000, y), flat[:, 1]])


def share_of(picture: Any, colour: tuple[int, int, int]) -> float:
    """The share of the pixels that have the hue of `colour`, however light or dark."""
    pixels = np.asarray(picture).reshape(-1, 3).astype(float)
    hues, hue = pixels - pixels.mean(1, keepdims=True), np.array(colour) - np.mean(colour)
    length = np.linalg.norm(hues, axis=1)
    return float(((hues @ hue > 0.97 * length * np.linalg.norm(hue)) & (length > 12)).mean())


def test_pictures_have_one_size_and_the_colours_of_the_legend() -> None:
    points = RNG.uniform(-0.5, 0.5, (3, 300, 3)).astype(np.float32)
    part = (points[..., 2] < 0).astype(np.uint8)
    pictures = draw_shapes({"points": points, "part": part}, make_data())
    assert [(picture.size, picture.mode) for picture in pictures] == [((144, 144), "RGB")] * 3
    assert shape_legend(make_data()) == [("top", SAFE[0]), ("leg", SAFE[1])]
    upper, lower = pictures[0].crop((0, 0, 144, 50)), pictures[0].crop((0, 90, 144, 144))
    assert share_of(upper, SAFE[0]) > 5 * share_of(upper, SAFE[1])
    assert share_of(lower, SAFE[1]) > 5 * share_of(lower, SAFE[0])
    assert np.asarray(pictures[0])[0, 0].tolist() == list(PAPER)


def test_what_is_in_front_hides_what_is_behind() -> None:
    front, back = make_plate(-0.3), make_plate(0.3)
    part = np.repeat([0, 1], 2000)
    colours = part_colours(part, 2)
    for order in (slice(None), slice(None, None, -1)):
        picture = draw_points(np.concatenate([front, back])[order], colours[order])
        middle = picture.crop((62, 62, 70, 82))
        assert share_of(middle, SAFE[0]) > 0.9
        assert share_of(picture, SAFE[1]) > 0.01, "the back plate looks out beside the front one"


def test_the_front_is_on_the_left_and_the_right_side_on_the_right() -> None:
    rng = RNG.uniform(-0.5, 0.5, (3000, 3))
    rng[:1500, 1], rng[1500:, 0] = -0.5, 0.5  # the front face, then the right one
    picture = draw_points(rng, part_colours(np.repeat([0, 1], 1500), 2))
    left, right = picture.crop((0, 0, 60, 144)), picture.crop((100, 0, 144, 144))
    assert share_of(left, SAFE[0]) > 0.3
    assert share_of(left, SAFE[1]) == 0
    assert share_of(right, SAFE[1]) > 0.3


def test_clouds_of_one_point_and_of_outliers_can_be_drawn() -> None:
    assert draw_points(np.zeros((1, 3)), np.zeros((1, 3), np.uint8)).size == (144, 144)
    far = np.array([[0, 0, 0], [90.0, -80, 70]])
    assert (np.asarray(draw_points(far, np.zeros((2, 3), np.uint8))) < 128).any()


def test_a_mesh_shows_its_faces_towards_the_viewer() -> None:
    corners = np.array([[-0.5, -0.5, -0.5], [0.5, -0.5, -0.5], [0.5, -0.5, 0.5], [-0.5, -0.5, 0.5]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    colours = part_colours(np.array([0, 0]), 2)
    shown = draw_mesh(corners, faces, colours)
    assert shown.size == (144, 144)
    assert share_of(shown, SAFE[0]) > 0.35
    assert share_of(draw_mesh(corners, faces[:, ::-1], colours), SAFE[0]) == 0


def test_a_scene_shows_points_depth_and_objects_side_by_side() -> None:
    extrinsics = np.array([[1.0, 0, 0, 0], [0, 0, -1, 1], [0, 1, 0, 4], [0, 0, 0, 1]])  # at (0, -4, 1), along +y
    instance = np.zeros((72, 96), np.uint8)
    instance[30:50, 40:56] = 1
    depth = np.where(instance, 4, np.where(np.arange(72) > 20, 6, 0)[:, None]).astype(np.float32)
    scene = {
        "points": RNG.uniform((-0.5, -0.1, 0.5), (0.5, 0.1, 1.5), (500, 3)),
        "object": np.ones(500, np.uint8),
        "class": np.zeros(500, np.int64),
        "boxes": [{"class": 0, "center": [0, 0, 1], "extents": [1, 0.2, 1], "yaw": 0.0}],
        "camera": {"intrinsics": [[90, 0, 48], [0, 90, 36], [0, 0, 1]], "extrinsics": extrinsics}
        | {"width": 96, "height": 72},
        "depth": depth,
        "instance": instance,
    }
    picture = draw_scene(scene)
    assert picture.size == (3 * 384 + 8, 288)
    pixels = np.asarray(picture)
    assert share_of(picture.crop((150, 110, 234, 178)), SAFE[0]) > 0.8
    assert pixels[4, 4].tolist() == pixels[4, 392].tolist() == pixels[4, 780].tolist() == list(PAPER)
    assert pixels[250, 10].tolist() == pixels[250, 790].tolist() == list(GROUND)
    assert pixels[160, 776 + 192].tolist() == list(SAFE[0])
    assert pixels[160, 388 + 192].tolist() == [253, 231, 37], "the nearest is the brightest"
    assert pixels[250, 388 + 10].tolist() == [68, 1, 84]
