"""Where objects stand: poses, and the boxes that follow from them. Knows no parts, classes or meshes.

Canonical points are right-handed with +z up and the front towards -y, in units of `size` (source units, metres where
the source is in metres). In the world the ground is z = 0. An object is turned about the vertical alone, by `yaw`
radians counter-clockwise seen from above; its box is upright and axis-aligned in the canonical frame.

    poses = standing_poses(columns["points"], columns["size"], yaw)                       # float32 (N, 4, 4)
    boxes = oriented_boxes(columns["points"], columns["size"], poses)                     # center, extents, yaw
    world = place_objects(columns["points"], columns["size"], yaw)                        # float32 (N, P, 3)
"""

from __future__ import annotations

import numpy as np


def pose_matrices(yaw: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """float32 (N, 4, 4), object to world: a turn by `yaw` (N,) about z, then a shift by `translation` (N, 3).

    The object's frame is the canonical one in source units, points · size.
    """
    yaw = np.asarray(yaw, np.float64)
    poses = np.zeros((len(yaw), 4, 4), np.float32)
    poses[:, 0, 0] = poses[:, 1, 1] = np.cos(yaw)
    poses[:, 1, 0] = np.sin(yaw)
    poses[:, 0, 1] = -np.sin(yaw)
    poses[:, 2, 2] = poses[:, 3, 3] = 1
    poses[:, :3, 3] = translation
    return poses


def standing_poses(
    points: np.ndarray, size: np.ndarray, yaw: np.ndarray, places: np.ndarray | None = None
) -> np.ndarray:
    """Poses float32 (N, 4, 4) of objects (N, P, 3) whose lowest point is on the ground, their origins over `places`.

    `places` (N, 2) are x and y in the world, by default 0.
    """
    translation = np.zeros((len(points), 3))
    translation[:, 2] = -points[:, :, 2].min(1).astype(np.float64) * size
    if places is not None:
        translation[:, :2] = places
    return pose_matrices(yaw, translation)


def place_objects(
    points: np.ndarray, size: np.ndarray, yaw: np.ndarray, places: np.ndarray | None = None
) -> np.ndarray:
    """World points float32 (N, P, 3) of canonical points (N, P, 3) that stand on the ground, in source units."""
    return to_world(points, size, standing_poses(points, size, yaw, places))


def to_world(points: np.ndarray, size: np.ndarray, poses: np.ndarray) -> np.ndarray:
    """World points float32 (N, P, 3) of canonical points (N, P, 3), sizes (N,) and poses (N, 4, 4)."""
    scaled = points.astype(np.float64) * np.asarray(size, np.float64)[:, None, None]
    turn, shift = poses[:, :3, :3].astype(np.float64), poses[:, None, :3, 3].astype(np.float64)
    return (scaled @ turn.transpose(0, 2, 1) + shift).astype(np.float32)


def to_canonical(world: np.ndarray, size: np.ndarray, poses: np.ndarray) -> np.ndarray:
    """The inverse of `to_world`: canonical points float32 (N, P, 3)."""
    turn, shift = poses[:, :3, :3].astype(np.float64), poses[:, None, :3, 3].astype(np.float64)
    return ((world.astype(np.float64) - shift) @ turn / np.asarray(size, np.float64)[:, None, None]).astype(np.float32)


def oriented_boxes(points: np.ndarray, size: np.ndarray, poses: np.ndarray) -> dict[str, np.ndarray]:
    """The boxes of canonical points (N, P, 3) in the world, in source units.

    center float32 (N, 3); extents float32 (N, 3), full lengths along the object's own x, y and z; yaw float32 (N,).
    """
    low, high = points.min(1).astype(np.float64), points.max(1).astype(np.float64)
    middle = ((low + high) / 2).astype(np.float32)[:, None]
    return {
        "center": to_world(middle, size, poses)[:, 0],
        "extents": ((high - low) * np.asarray(size, np.float64)[:, None]).astype(np.float32),
        "yaw": np.arctan2(poses[:, 1, 0], poses[:, 0, 0]).astype(np.float32),
    }


def corners(boxes: dict[str, np.ndarray]) -> np.ndarray:
    """float32 (N, 8, 3): corner 4a + 2b + c is at the far end of the box's x, y and z where a, b and c are 1."""
    signs = np.stack(np.meshgrid(*[[-0.5, 0.5]] * 3, indexing="ij"), -1).reshape(8, 3)
    local = signs * boxes["extents"][:, None].astype(np.float64)
    return to_world(local, np.ones(len(local)), pose_matrices(boxes["yaw"], boxes["center"]))
