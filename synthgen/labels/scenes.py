"""Scenes: several objects of a pool on a ground plane, seen by a camera, with depth and instance maps.

Everything in a scene is relative to its objects, so that mugs and cars, metres and millimetres make scenes alike. The
world has +z up and the ground at z = 0. The camera is OpenCV's: x right, y down, z forward; pixel (row i, column j)
covers [j, j + 1) × [i, i + 1). Knows nothing of how the objects came about, nor of files.

    pool = [Shape(points, part, label, size, vertices, faces), ...]        # canonical, as the rows of the 3D task are
    scene = build_scene(index=5, seed=0, pool=pool, options=SceneOptions())
    scene["depth"].shape, scene["instance"].max(), len(scene["boxes"])     # (72, 96), 4, 4
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..diffusion.noise import row_generator
from .poses import corners, oriented_boxes, standing_poses, to_world
from .scene_options import SceneOptions

TRIES = 80  # places that an object is tried at before it is left out
GAP = 0.04  # between objects, in units of the mean side of their footprints
CLEAR = 1.2  # radii of the scene that the camera keeps from its middle, at least
FAR = 3.0  # camera distances up to which the ground is seen
NEAR = 1e-3  # faces closer to the camera's plane than this share of the largest depth are not drawn


@dataclass(frozen=True)
class Shape:
    """An object that scenes are made of, in canonical coordinates."""

    points: np.ndarray  # float32 (P, 3)
    part: np.ndarray  # uint8 (P,)
    label: int
    size: float  # source units a canonical unit
    vertices: np.ndarray  # float32 (V, 3)
    faces: np.ndarray  # int32 (F, 3)


@dataclass(frozen=True)
class Layout:
    """Where objects stand; those that found no place are missing."""

    kept: np.ndarray  # int64 (m,): their numbers, rising
    places: np.ndarray  # float64 (m, 2): the middles of their footprints
    yaw: np.ndarray  # float64 (m,)


@dataclass(frozen=True)
class Camera:
    """A pinhole camera without distortion."""

    intrinsics: np.ndarray  # float64 (3, 3), in pixels
    extrinsics: np.ndarray  # float64 (4, 4): world to camera
    width: int
    height: int
    far: float  # depth up to which the ground is seen


Mesh = tuple[np.ndarray, np.ndarray]


def build_scene(index: int, seed: int, pool: Sequence[Shape], options: SceneOptions) -> dict[str, Any]:
    """Scene `index`, which depends on the seed, the index and the pool alone. In the objects' source units:

    points float32 (M, 3) in the world; object uint8 (M,), from 1; class int64 (M,); part uint8 (M,);
    boxes: a list of {class, center [x, y, z], extents, yaw}, one an object in the order of `object`;
    shapes: the objects' numbers in the pool; camera: {intrinsics (3, 3), extrinsics (4, 4), width, height};
    depth float32 (H, W) along the camera's z, 0 = nothing; instance uint8 (H, W), k = object k, 0 = ground or nothing.
    """
    generator = row_generator(seed, index, "scene")
    chosen = _choose(generator, np.array([shape.size for shape in pool]), options)
    low, high = (np.stack([end(pool[i].points[:, :2], 0) * pool[i].size for i in chosen]) for end in (np.min, np.max))
    plan = layout(generator, high - low, options)
    shapes = [pool[i] for i in chosen[plan.kept]]
    offset = _turn((low + high)[plan.kept] / 2, plan.yaw)
    poses = [
        standing_poses(shape.points[None], np.array([shape.size]), plan.yaw[[k]], plan.places[[k]] - offset[[k]])
        for k, shape in enumerate(shapes)
    ]
    boxes = _box(shapes, poses)
    corner = corners(boxes).reshape(-1, 3).astype(np.float64)
    centre = (corner.min(0) + corner.max(0)) / 2
    camera = draw_camera(generator, options, centre, float(np.linalg.norm(corner - centre, axis=1).max()))
    meshes = [(_move(shape.vertices, shape, pose), shape.faces) for shape, pose in zip(shapes, poses, strict=True)]
    depth, instance = render(meshes, camera)
    counts = [len(shape.points) for shape in shapes]
    return {
        "points": np.concatenate([_move(shape.points, shape, pose) for shape, pose in zip(shapes, poses, strict=True)]),
        "object": np.repeat(np.arange(1, len(shapes) + 1), counts).astype(np.uint8),
        "class": np.repeat([shape.label for shape in shapes], counts).astype(np.int64),
        "part": np.concatenate([shape.part for shape in shapes]),
        "boxes": [
            {
                "class": int(shape.label),
                "center": boxes["center"][k].tolist(),
                "extents": boxes["extents"][k].tolist(),
                "yaw": float(boxes["yaw"][k]),
            }
            for k, shape in enumerate(shapes)
        ],
        "shapes": chosen[plan.kept].tolist(),
        "camera": {
            "intrinsics": camera.intrinsics.astype(np.float32),
            "extrinsics": camera.extrinsics.astype(np.float32),
            "width": camera.width,
            "height": camera.height,
        },
        "depth": depth,
        "instance": instance,
    }


def layout(generator: np.random.Generator, footprints: np.ndarray, options: SceneOptions) -> Layout:
    """Places and yaws of rectangles (n, 2), full lengths, on a square that they cover up to `crowding`.

    None overlap. The largest are placed first, each at random until it is free of the others, with a gap between them
    (separating axes, Gottschalk et al. 1996); at least one is always kept.
    """
    side = np.sqrt(footprints.prod(1).sum() / options.crowding)
    gap = GAP * float(footprints.mean())
    order = np.argsort(-footprints.prod(1), kind="stable")
    kept: list[int] = []
    places, yaws, taken = np.zeros((len(footprints), 2)), np.zeros(len(footprints)), np.empty((0, 4, 2))
    for number in order.tolist():
        for _ in range(TRIES):
            place, yaw = generator.uniform(-side / 2, side / 2, 2), generator.uniform(-np.pi, np.pi)
            rectangle = footprint_corners(footprints[number] + gap, place, yaw)
            if not overlap(rectangle, taken).any():
                places[number], yaws[number] = place, yaw
                taken = np.concatenate([taken, rectangle[None]])
                kept.append(number)
                break
    rising = np.sort(np.array(kept, np.int64))
    return Layout(rising, places[rising], yaws[rising])


def footprint_corners(footprint: np.ndarray, place: np.ndarray, yaw: float) -> np.ndarray:
    """The corners (4, 2) of a rectangle with full lengths (2,) about `place`, in the order of a walk around it."""
    signs = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    return _turn(signs * footprint, np.full(4, yaw)) + place


def overlap(rectangle: np.ndarray, others: np.ndarray) -> np.ndarray:
    """bool (k,): whether a rectangle (4, 2) meets each of the others (k, 4, 2)."""
    meets = np.ones(len(others), bool)
    mine = np.broadcast_to(rectangle, others.shape)
    for shape in (mine, others):
        for edge in (0, 1):
            axis = (shape[:, edge + 1] - shape[:, edge])[:, None]
            one, other = (mine * axis).sum(2), (others * axis).sum(2)
            meets &= (one.max(1) > other.min(1)) & (other.max(1) > one.min(1))
    return meets


def draw_camera(generator: np.random.Generator, options: SceneOptions, centre: np.ndarray, radius: float) -> Camera:
    """A camera outside the ball of that radius, looking at its `centre` (3,) from a random side."""
    azimuth = generator.uniform(-np.pi, np.pi)
    elevation, fov = np.deg2rad(generator.uniform(*options.elevation)), np.deg2rad(generator.uniform(*options.fov))
    focal = options.width / 2 / np.tan(fov / 2)
    half = np.arctan(min(options.width, options.height) / 2 / focal)
    distance = max(generator.uniform(*options.distance) / np.sin(half), CLEAR) * radius
    back = np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])
    right = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
    turn = np.stack([right, np.cross(-back, right), -back])
    extrinsics = np.eye(4)
    extrinsics[:3, :3] = turn
    extrinsics[:3, 3] = -turn @ (centre + distance * back)
    intrinsics = np.array([[focal, 0, options.width / 2], [0, focal, options.height / 2], [0, 0, 1]])
    return Camera(intrinsics, extrinsics, options.width, options.height, FAR * distance)


def render(meshes: Sequence[Mesh], camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """(depth float32 (H, W), instance uint8 (H, W)) of meshes in the world and of the ground z = 0.

    One ray through the middle of each pixel, cast by trimesh. The meshes are put through the camera's projective map
    (u, v, -1/z) first, which keeps lines straight and makes all rays parallel: the caster then has few triangles to
    look at for each ray, and -1/z is exact in between. Depth is z in the camera's frame, not the ray's length.
    """
    nearest = 1 / np.maximum(_see_ground(camera), 1e-12)  # as 1/z, so that nothing at all is the smallest
    nearest[nearest < 1 / camera.far] = 0
    instance = np.zeros((camera.height, camera.width), np.uint8)
    corner, owner = _project_faces(meshes, camera)
    if len(corner):
        rows, columns, inverse, face = _cast(corner, camera)
        order = np.argsort(inverse, kind="stable")  # of several hits in a pixel the nearest is written last
        rows, columns, inverse, face = rows[order], columns[order], inverse[order], face[order]
        last = np.zeros(instance.size, np.int64)
        np.maximum.at(last, rows * camera.width + columns, np.arange(1, len(order) + 1))
        first = last[last > 0] - 1
        first = first[inverse[first] > nearest[rows[first], columns[first]]]
        nearest[rows[first], columns[first]] = inverse[first]
        instance[rows[first], columns[first]] = owner[face[first]]
    depth = np.divide(1.0, nearest, out=np.zeros_like(nearest), where=nearest > 0)
    return depth.astype(np.float32), instance


def _choose(generator: np.random.Generator, sizes: np.ndarray, options: SceneOptions) -> np.ndarray:
    """Numbers (n,) of a random object and of others that are not much larger or smaller."""
    count = int(generator.integers(options.objects[0], options.objects[1] + 1))
    first = int(generator.integers(len(sizes)))
    ratio = sizes / sizes[first]
    kin = np.flatnonzero((ratio <= options.alike) & (ratio >= 1 / options.alike))
    kin = kin[kin != first]
    return np.concatenate([[first], generator.permutation(kin)[: count - 1]]).astype(np.int64)


def _turn(flat: np.ndarray, yaw: np.ndarray) -> np.ndarray:
    cosine, sine = np.cos(yaw), np.sin(yaw)
    return np.column_stack([cosine * flat[:, 0] - sine * flat[:, 1], sine * flat[:, 0] + cosine * flat[:, 1]])


def _move(canonical: np.ndarray, shape: Shape, pose: np.ndarray) -> np.ndarray:
    return to_world(canonical[None], np.array([shape.size]), pose)[0]


def _box(shapes: Sequence[Shape], poses: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    pairs = zip(shapes, poses, strict=True)
    boxes = [oriented_boxes(shape.points[None], np.array([shape.size]), pose) for shape, pose in pairs]
    return {name: np.concatenate([box[name] for box in boxes]) for name in boxes[0]}


def _see_ground(camera: Camera) -> np.ndarray:
    """Depth (H, W) of the ground z = 0; infinite where the ray rises."""
    columns, rows = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    rays = np.stack([columns, rows, np.ones_like(rows)], -1) @ np.linalg.inv(camera.intrinsics).T
    turn, shift = camera.extrinsics[:3, :3], camera.extrinsics[:3, 3]
    height, fall = -(turn.T @ shift)[2], -(rays @ turn)[..., 2]  # (Rᵀ r)₃ for every ray r
    return np.divide(height, fall, out=np.full(fall.shape, np.inf), where=fall > 0)


def _project_faces(meshes: Sequence[Mesh], camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """(corners (F, 3, 3) as column, row and -1/z, object (F,) from 1) of the faces that some ray can meet."""
    faces, owners = [np.empty((0, 3, 3))], [np.empty(0, np.uint8)]
    for number, (vertices, triangles) in enumerate(meshes, 1):
        seen = vertices.astype(np.float64) @ camera.extrinsics[:3, :3].T + camera.extrinsics[:3, 3]
        faces.append(seen[triangles])
        owners.append(np.full(len(triangles), number, np.uint8))
    corner, owner = np.concatenate(faces), np.concatenate(owners)
    ahead = corner[..., 2].min(1) > NEAR * max(corner[..., 2].max(initial=0), 1e-9)
    corner, owner = corner[ahead], owner[ahead]
    flat = corner @ camera.intrinsics.T
    pixels = flat[..., :2] / flat[..., 2:]
    low, high = np.ceil(pixels.min(1) - 0.5 - 1e-6), np.floor(pixels.max(1) - 0.5 + 1e-6)
    met = (low <= high).all(1) & (high >= 0).all(1) & (low < (camera.width, camera.height)).all(1)
    return np.concatenate([pixels, -1 / corner[..., 2:]], -1)[met], owner[met]


def _cast(corner: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """All hits of the rays with projected faces (F, 3, 3): row, column, 1/z and face of each."""
    # not mesh.ray, which is embree in float32 where embreex happens to be installed: the bytes must not depend on that
    import trimesh
    from trimesh.ray.ray_triangle import RayMeshIntersector

    scale = camera.intrinsics[0, 0] / np.abs(corner[..., 2]).mean()  # depth of the order of pixels
    stretched = corner * np.array([1, 1, scale])
    low = np.clip(np.floor(corner[..., :2].min((0, 1))), 0, None).astype(np.int64)
    high = np.minimum(np.ceil(corner[..., :2].max((0, 1))).astype(np.int64), (camera.width, camera.height))
    columns, rows = (axis.ravel() for axis in np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1])))
    start = float(stretched[..., 2].min()) - 1
    origins = np.column_stack([columns + 0.5, rows + 0.5, np.full(len(rows), start)])
    mesh = trimesh.Trimesh(stretched.reshape(-1, 3), np.arange(corner.size // 3).reshape(-1, 3), process=False)
    face, ray, places = RayMeshIntersector(mesh).intersects_id(
        origins, np.broadcast_to([0.0, 0.0, 1.0], origins.shape), return_locations=True
    )
    return rows[ray], columns[ray], -places.reshape(-1, 3)[:, 2] / scale, face
