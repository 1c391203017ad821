"""Objects stand on the ground, inside their boxes, and come back."""

import numpy as np

from synthgen.labels.poses import (
    corners,
    oriented_boxes,
    place_objects,
    pose_matrices,
    standing_poses,
    to_canonical,
    to_world,
)

RNG = np.random.default_rng(0)
POINTS = (RNG.standard_normal((6, 100, 3)) * (0.5, 0.3, 0.4)).astype(np.float32)
SIZE = RNG.uniform(0.1, 4, 6).astype(np.float32)
YAW = RNG.uniform(-np.pi, np.pi, 6).astype(np.float32)
PLACES = RNG.uniform(-5, 5, (6, 2))


def test_a_quarter_turn_brings_the_front_to_the_right() -> None:
    pose = pose_matrices(np.array([np.pi / 2]), np.array([[1.0, 2.0, 3.0]]))
    assert pose.dtype == np.float32
    assert np.allclose(pose[0] @ [0, -1, 0, 1], [2, 2, 3, 1], atol=1e-6)


def test_poses_are_rigid() -> None:
    turns = standing_poses(POINTS, SIZE, YAW, PLACES)[:, :3, :3].astype(np.float64)
    assert np.allclose(turns @ turns.transpose(0, 2, 1), np.eye(3), atol=1e-6)
    assert np.allclose(np.linalg.det(turns), 1, atol=1e-6)


def test_world_and_canonical_are_inverse() -> None:
    poses = standing_poses(POINTS, SIZE, YAW, PLACES)
    assert np.allclose(to_canonical(to_world(POINTS, SIZE, poses), SIZE, poses), POINTS, atol=1e-5)


def test_objects_stand_on_the_ground_in_their_place() -> None:
    world = place_objects(POINTS, SIZE, YAW, PLACES)
    assert world.dtype == np.float32
    assert np.allclose(world[:, :, 2].min(1), 0, atol=1e-6)
    assert np.array_equal(standing_poses(POINTS, SIZE, YAW, PLACES)[:, :2, 3], PLACES.astype(np.float32))
    homogeneous = np.concatenate([POINTS * SIZE[:, None, None], np.ones((6, 100, 1))], 2)
    by_matrix = homogeneous @ standing_poses(POINTS, SIZE, YAW, PLACES).transpose(0, 2, 1)
    assert np.allclose(by_matrix[..., :3], world, atol=1e-5)


def test_boxes_hold_their_points_and_touch_them() -> None:
    poses = standing_poses(POINTS, SIZE, YAW, PLACES)
    boxes = oriented_boxes(POINTS, SIZE, poses)
    assert np.allclose(boxes["yaw"], YAW, atol=1e-6)
    assert np.allclose(boxes["center"][:, 2], boxes["extents"][:, 2] / 2, atol=1e-5)
    offset = to_world(POINTS, SIZE, poses) - boxes["center"][:, None]
    turn = pose_matrices(boxes["yaw"], np.zeros((6, 3)))[:, :3, :3]
    local = offset @ turn / (boxes["extents"][:, None] / 2)
    assert np.abs(local).max() <= 1 + 1e-4
    assert np.allclose(np.abs(local).max(1), 1, atol=1e-4)


def test_corners_are_those_of_the_box() -> None:
    box = {"center": np.array([[1.0, 2, 3]]), "extents": np.array([[2.0, 4, 6]]), "yaw": np.array([np.pi / 2])}
    found = corners(box)[0]
    assert found.shape == (8, 3)
    assert np.allclose(found[4] - found[0], [0, 2, 0], atol=1e-6), "the object's x is the world's y"
    assert np.allclose(found[2] - found[0], [-4, 0, 0], atol=1e-6)
    assert np.allclose(found[1] - found[0], [0, 0, 6], atol=1e-6)
    assert np.allclose(found.mean(0), [1, 2, 3])
