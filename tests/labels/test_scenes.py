"""Objects keep apart, and what the camera sees agrees with closed forms and with the points."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import trimesh
from pydantic import ValidationError

from synthgen.labels.poses import corners
from synthgen.labels.scenes import (
    Camera,
    SceneOptions,
    Shape,
    build_scene,
    draw_camera,
    footprint_corners,
    layout,
    overlap,
    render,
)

OPTIONS = SceneOptions()


def make_shape(mesh: trimesh.Trimesh, label: int, size: float) -> Shape:
    points = trimesh.sample.sample_surface(mesh, 500, seed=label)[0]
    middle = (points.min(0) + points.max(0)) / 2
    half = np.linalg.norm(np.ptp(points, 0)) / 2
    vertices = ((mesh.vertices - middle) / half).astype(np.float32)
    part = np.full(500, label, np.uint8)
    return Shape(((points - middle) / half).astype(np.float32), part, label, size, vertices, mesh.faces)


@cache
def make_pool() -> tuple[Shape, ...]:
    meshes = [trimesh.creation.box((1, 2, 0.5)), trimesh.creation.icosphere(2), trimesh.creation.cylinder(0.4, 2)]
    return tuple(make_shape(mesh, label, size) for size in (1.0, 1.7) for label, mesh in enumerate(meshes))


@cache
def make_scene(index: int) -> dict[str, Any]:
    return build_scene(index, 0, make_pool(), OPTIONS)


def overhead(height: float, x: float = 0.0) -> Camera:
    """A camera at (x, 0, height) that looks straight down, its x the world's."""
    extrinsics = np.diag([1.0, -1, -1, 1])
    extrinsics[:3, 3] = -x, 0, height
    return Camera(np.array([[100.0, 0, 48], [0, 100, 36], [0, 0, 1]]), extrinsics, 96, 72, 50)


def rays(camera: Camera) -> np.ndarray:
    columns, rows = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    return np.stack([(columns - 48) / 100, (rows - 36) / 100, np.ones_like(rows)], -1)


def test_depth_and_instance_of_a_sphere_are_those_of_the_closed_form() -> None:
    mesh = trimesh.creation.icosphere(5, 1.0)
    mesh.apply_translation((0, 0, 1))
    camera = overhead(6, 0.5)
    depth, instance = render([(mesh.vertices, mesh.faces)], camera)
    # |z r - c|² = 1 with the centre c in the camera's frame
    ray, centre = rays(camera), np.array([-0.5, 0, 5])
    a, b, c = (ray**2).sum(-1), ray @ centre, centre @ centre - 1
    root = b**2 - a * c
    expected = np.where(root > 0, (b - np.sqrt(np.maximum(root, 0))) / a, 6)
    rim = np.abs(root) < 0.05
    assert np.array_equal(instance[~rim], (root > 0)[~rim].astype(np.uint8))
    assert np.abs(depth - expected)[~rim].max() < 3e-3
    assert (instance == 1).sum() > 1000


def test_depth_of_boxes_is_exact_and_the_nearer_one_hides_the_other() -> None:
    low, high = trimesh.creation.box((2, 2, 1)), trimesh.creation.box((0.5, 0.5, 0.5))
    low.apply_translation((0, 0, 0.5))
    high.apply_translation((0.25, 0, 2.25))
    depth, instance = render([(low.vertices, low.faces), (high.vertices, high.faces)], overhead(10))
    assert instance[36, 48] == 2
    assert depth[36, 48] == pytest.approx(7.5)
    assert instance[36, 40] == 1
    assert depth[36, 40] == pytest.approx(9)
    assert instance[36, 5] == 0
    assert depth[36, 5] == pytest.approx(10)


def test_nothing_is_seen_above_the_horizon_and_beyond_the_far_ground() -> None:
    extrinsics = np.array([[1.0, 0, 0, 0], [0, 0, -1, 2], [0, 1, 0, 0], [0, 0, 0, 1]])  # at (0, 0, 2), looking along +y
    depth, instance = render([], Camera(overhead(1).intrinsics, extrinsics, 96, 72, 20))
    assert not instance.any()
    rows = np.arange(72) + 0.5 - 36
    expected = np.where(rows > 0, 200 / np.where(rows == 0, 1, rows), 0)
    assert np.allclose(depth[:, 10], np.where(expected <= 20, expected, 0), rtol=1e-5)


def test_faces_behind_the_camera_are_not_drawn() -> None:
    mesh = trimesh.creation.box((1, 1, 1))
    mesh.apply_translation((0, 0, 8))
    assert not render([(mesh.vertices, mesh.faces)], overhead(5))[1].any()


def test_camera_stands_above_the_ground_outside_the_scene_and_looks_at_it() -> None:
    centre = np.array([3.0, -2, 0.5])
    for seed in range(20):
        camera = draw_camera(np.random.default_rng(seed), OPTIONS, centre, 2.0)
        turn, shift = camera.extrinsics[:3, :3], camera.extrinsics[:3, 3]
        assert np.allclose(turn @ turn.T, np.eye(3))
        assert np.linalg.det(turn) == pytest.approx(1)
        seen = camera.intrinsics @ (turn @ centre + shift)
        assert np.allclose(seen[:2] / seen[2], (48, 36))
        assert seen[2] >= 2.4
        assert (-turn.T @ shift)[2] > 0.5
        above = turn @ (centre + [0, 0, 1]) + shift
        assert above[1] < 0, "y points down"


def test_overlap_agrees_with_points_in_rectangles() -> None:
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.linspace(-0.5, 0.5, 60)] * 2), -1).reshape(-1, 2)
    agree = 0
    for _ in range(200):
        sizes, places, yaws = rng.uniform(0.3, 2, (2, 2)), rng.uniform(-1, 1, (2, 2)), rng.uniform(-3, 3, 2)
        one, other = (footprint_corners(sizes[k], places[k], yaws[k]) for k in (0, 1))
        cosine, sine = np.cos(yaws), np.sin(yaws)
        turns = np.stack([[cosine, -sine], [sine, cosine]]).transpose(2, 0, 1)
        inside = ((grid * sizes[0]) @ turns[0].T + places[0] - places[1]) @ turns[1] / sizes[1]
        agree += bool((np.abs(inside) <= 0.5).all(1).any()) == bool(overlap(one, other[None])[0])
    assert agree >= 198


def test_layout_leaves_out_what_does_not_fit() -> None:
    plan = layout(np.random.default_rng(0), np.ones((30, 2)), SceneOptions(crowding=0.6))
    assert 1 <= len(plan.kept) < 30
    assert (np.diff(plan.kept) > 0).all()
    assert len(plan.kept) == len(plan.places) == len(plan.yaw)


@pytest.mark.parametrize("index", range(5))
def test_boxes_of_a_scene_keep_apart_and_hold_their_points(index: int) -> None:
    scene = make_scene(index)
    boxes = scene["boxes"]
    assert 1 <= len(boxes) <= 6
    walks = np.stack([footprint_corners(box["extents"][:2], box["center"][:2], box["yaw"]) for box in boxes])
    for k, box in enumerate(boxes):
        assert not overlap(walks[k], np.delete(walks, k, 0)).any()
        mine = scene["points"][scene["object"] == k + 1]
        assert mine[:, 2].min() == pytest.approx(0, abs=1e-5)
        corner = corners({name: np.array([box[name]]) for name in ("center", "extents", "yaw")})[0]
        edges = corner[[4, 2, 1]] - corner[0]
        share = (mine - corner[0]) @ edges.T / (edges**2).sum(1)
        assert share.min() > -1e-3
        assert share.max() < 1 + 1e-3
        assert (scene["class"][scene["object"] == k + 1] == box["class"]).all()
        assert make_pool()[scene["shapes"][k]].label == box["class"]


@pytest.mark.parametrize("index", range(5))
def test_points_fall_on_the_pixels_of_their_object(index: int) -> None:
    scene = make_scene(index)
    camera, depth, instance = scene["camera"], scene["depth"], scene["instance"]
    seen = scene["points"] @ camera["extrinsics"][:3, :3].T + camera["extrinsics"][:3, 3]
    flat = seen @ camera["intrinsics"].T
    column, row = np.floor(flat[:, :2] / flat[:, 2:]).astype(int).T
    inside = (column >= 1) & (column < camera["width"] - 1) & (row >= 1) & (row < camera["height"] - 1)
    column, row, z, owner = column[inside], row[inside], seen[inside, 2], scene["object"][inside]
    visible = z <= depth[row, column] * 1.005
    around = np.stack([instance[row + i, column + j] for i in (-1, 0, 1) for j in (-1, 0, 1)])
    assert visible.sum() > 200
    assert (around == owner).any(0)[visible].mean() > 0.995, "at the outline within a pixel"
    deep = visible & (around == around[0]).all(0)
    assert deep.sum() > 100
    assert (around[0] == owner)[deep].mean() > 0.999


def test_a_scene_depends_on_seed_and_index_alone() -> None:
    first, again = make_scene(2), build_scene(2, 0, make_pool(), OPTIONS)
    for name in ("points", "object", "class", "part", "depth", "instance"):
        assert np.array_equal(first[name], again[name])
    assert first["boxes"] == again["boxes"]
    assert not np.array_equal(first["depth"], build_scene(2, 1, make_pool(), OPTIONS)["depth"])


def test_objects_of_very_different_sizes_are_kept_apart() -> None:
    small = [make_shape(trimesh.creation.icosphere(1), 9, 0.05)] * 3
    scenes = [build_scene(i, 0, [*make_pool(), *small], OPTIONS) for i in range(8)]
    assert all(len({box["class"] == 9 for box in scene["boxes"]}) == 1 for scene in scenes)
    assert len({scene["boxes"][0]["class"] == 9 for scene in scenes}) == 2


def test_ranges_that_fall_are_refused() -> None:
    with pytest.raises(ValidationError, match="smaller number first"):
        SceneOptions(objects=(5, 2))
