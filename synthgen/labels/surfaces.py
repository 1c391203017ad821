"""Normals and closed surfaces of point clouds whose points carry parts. Knows no classes, units or files.

Every part gets a solid of its own, so that thin legs and boards survive: balls around its points, as wide as the gaps
between them, and whatever they enclose (the closing of Serra 1982, and the union of balls of alpha shapes, Edelsbrunner
& Mücke 1994). Normals are those of Hoppe et al. 1992 (§3.1, principal axes of the nearest points of the part), turned
outwards by asking the solid on which side the material lies. The mesh is the solid's boundary by marching cubes, drawn
back onto the tangent planes of the points (Hoppe et al. 1992, §3.2): closed, and as good as the points are.

    normals = estimate_normals(columns["points"], columns["part"])                       # float32 (N, P, 3)
    vertices, faces = reconstruct_mesh(columns["points"][0], normals[0], columns["part"][0])
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import ndimage, sparse
from scipy.spatial import cKDTree
from skimage.measure import marching_cubes

NEIGHBOURS = 14  # points that a tangent plane is fitted to
SPACED = 6  # the distance to this neighbour tells how far apart points are
APART = 64.0  # put between parts along a fourth axis: neighbours are of the same part
FAR = APART / 2

RADIUS = 1.0  # of the balls, in cells
BAND = 0.9  # cells beyond the balls in which the distance is still exact
PAD = 3  # empty cells around a part
FINEST = 64  # cells along a part's longest side, at most
BALL = 1.15  # the balls' radius in distances to the 6th neighbour: holes between random points are closed
ROD = 0.3  # ratio of the second to the largest variance below which the neighbourhood is a rod

THIN = 4.0  # weight of the distance from the neighbours' middle, in spacings, against the solid's answer
SAME_SIDE = 0.15  # spacings off the tangent plane within which neighbours are on the same side of a board
VOTES = 2
STEPS = (0.8, 1.4, 2.0)  # how far below a point the solid is asked, in cells
DRAWN_BACK = 0.85  # of the radius: where no tangent plane says where the surface is
TANGENT = 4  # points whose tangent planes place a vertex
TRUSTED = 0.5  # weight of the tangent planes from which on they alone place a vertex
SMOOTHED = 3  # rounds of smoothing


def estimate_normals(points: np.ndarray, part: np.ndarray | None = None) -> np.ndarray:
    """Unit normals float32 (N, P, 3), outwards, of points (N, P, 3) with parts (N, P); without parts all are one part.

    The normal is the axis of least variance of the 14 nearest points of the part; on a rod, whose axis of least
    variance is any across it, the way from the rod's middle. Each sign is the vote of the neighbours on two questions:
    is there material behind and none ahead (thick parts), and is the point on this side of its neighbours' middle
    (boards and walls, thinner than the points are apart)?
    """
    parts = np.zeros(points.shape[:2], np.uint8) if part is None else part
    out = np.empty(points.shape, np.float32)
    for row, (cloud, names) in enumerate(zip(points, parts, strict=True)):
        out[row] = _orient(cloud.astype(np.float64), names)
    return out


def reconstruct_mesh(points: np.ndarray, normals: np.ndarray, part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A closed surface of points (P, 3) with outward normals and parts (P,): float32 (V, 3) and faces int32 (F, 3).

    The parts' surfaces come one after the other, each closed; faces are counter-clockwise seen from outside.
    """
    cloud = points.astype(np.float64)
    near = _find_near(cloud, part)
    solid = _fill(near)
    corners, faces, inward, _ = marching_cubes(solid.distance, RADIUS)
    slab = np.searchsorted(solid.first, corners[:, 0], side="right") - 1
    vertices = (corners - solid.shift[slab]) * solid.cell[slab, None] + solid.origin[slab]
    drawn = _draw_back(vertices, -inward, slab, RADIUS * solid.cell[slab], near, normals)
    return _smooth(drawn, faces).astype(np.float32), faces.astype(np.int32)


def part_of_faces(vertices: np.ndarray, faces: np.ndarray, points: np.ndarray, part: np.ndarray) -> np.ndarray:
    """The part of each face (F,), that of the point nearest to its middle."""
    nearest: np.ndarray = part[cKDTree(points).query(vertices[faces].mean(1))[1]]
    return nearest


def normals_of_faces(vertices: np.ndarray, faces: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Unit normals float32 (P, 3) of points (P, 3) on a fine mesh: those of the faces whose middles are nearest."""
    a, b, c = vertices[faces].astype(np.float64).transpose(1, 0, 2)
    nearest = cKDTree((a + b + c) / 3).query(points)[1]
    across = np.cross(b - a, c - a)[nearest]
    return (across / np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-30)).astype(np.float32)


@dataclass(frozen=True)
class _Near:
    """The nearest points of the same part."""

    cloud: np.ndarray  # (P, 3)
    tree: cKDTree  # of the points with their part as fourth coordinate
    distance: np.ndarray  # (P, k)
    index: np.ndarray  # int64 (P, k)
    spacing: np.ndarray  # (parts,): a typical distance to the 6th neighbour
    number: np.ndarray  # int64 (P,): of the part, among those that have points


@dataclass(frozen=True)
class _Solid:
    """The parts' solids side by side in one grid, each in its slab along the first axis."""

    distance: np.ndarray  # float32 (X, Y, Z): cells to the nearest point of the part; 0 in what the balls enclose
    places: np.ndarray  # (P, 3): the points in the grid
    first: np.ndarray  # int64 (parts,): where a slab begins
    shift: np.ndarray  # (parts, 3): the same as a vector
    origin: np.ndarray  # (parts, 3): of the slab, in the points' frame
    cell: np.ndarray  # (parts,)


def _find_near(cloud: np.ndarray, part: np.ndarray) -> _Near:
    _, number = np.unique(part, return_inverse=True)
    apart = np.column_stack([cloud, number * APART])
    tree = cKDTree(apart, balanced_tree=False, compact_nodes=False)
    distance, index = tree.query(apart, k=np.arange(1, min(NEIGHBOURS, len(cloud)) + 1))
    sixth = distance[:, min(SPACED, distance.shape[1] - 1)]
    typical = max(float(np.median(sixth[sixth < FAR])) if (sixth < FAR).any() else 0.1, 1e-3)
    spacing = np.array([np.median(sixth[number == one]) for one in range(number.max() + 1)])
    return _Near(cloud, tree, distance, index, np.clip(spacing, typical / 2, typical * 2), number)


def _fill(near: _Near) -> _Solid:
    cloud, number, spacing = near.cloud, near.number, near.spacing
    low = np.stack([cloud[number == one].min(0) for one in range(len(spacing))])
    high = np.stack([cloud[number == one].max(0) for one in range(len(spacing))])
    cell = np.maximum(spacing * BALL / RADIUS, (high - low).max(1) / FINEST)
    size = np.ceil((high - low) / cell[:, None]).astype(np.int64) + 1 + 2 * PAD
    first = np.concatenate([[0], size[:-1, 0].cumsum()])
    shift = np.zeros((len(spacing), 3))
    shift[:, 0] = first
    origin = low - PAD * cell[:, None]
    places = (cloud - origin[number]) / cell[number, None] + shift[number]
    distance = _measure(places, (int(size[:, 0].sum()), *size[:, 1:].max(0).tolist()))
    regions, _ = ndimage.label(distance > RADIUS)
    distance[(regions != regions[0, 0, 0]) & (regions > 0)] = 0
    return _Solid(distance, places, first, shift, origin, cell)


def _measure(places: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Cells to the nearest point, float32 of that shape; a large number away from all points."""
    around = _ball_cells()
    middle = np.rint(places).astype(np.int64)
    rest = (places - middle).astype(np.float32)
    squared = (rest**2).sum(1)[:, None] + (around**2).sum(1).astype(np.float32) - 2 * rest @ around.T.astype(np.float32)
    strides = np.array([shape[1] * shape[2], shape[2], 1])
    cells = (middle @ strides)[:, None] + around @ strides
    grid = np.full(int(np.prod(shape)), (RADIUS + 1) ** 2, np.float32)
    np.minimum.at(grid, cells.ravel(), squared.ravel())
    return np.sqrt(np.maximum(grid, 0)).reshape(shape)


@cache
def _ball_cells() -> np.ndarray:
    reach = int(np.ceil(RADIUS + BAND))
    cells = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 3, indexing="ij"), -1).reshape(-1, 3)
    inside: np.ndarray = cells[(cells**2).sum(1) <= (RADIUS + BAND) ** 2]
    return inside


def _orient(cloud: np.ndarray, part: np.ndarray) -> np.ndarray:
    near = _find_near(cloud, part)
    solid = _fill(near)
    kin = (near.distance < FAR)[..., None]
    around = cloud[near.index]
    middle = (around * kin).sum(1) / kin.sum(1)
    centred = (around - middle[:, None]) * kin
    variance, axes = np.linalg.eigh(centred.transpose(0, 2, 1) @ centred)
    away = cloud - middle
    across = away - axes[:, :, 2] * (away * axes[:, :, 2]).sum(1, keepdims=True)
    rod = (variance[:, 1] < ROD * variance[:, 2]) & ((across**2).sum(1) > 1e-18)
    normals = np.where(rod[:, None], across, axes[:, :, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    spacing = near.spacing[near.number]
    score = THIN * (normals * away).sum(1) / spacing + _ask(solid, normals)
    step = ((around - cloud[:, None]) * normals[:, None]).sum(2) / spacing[:, None]
    weight = kin[..., 0] * (normals[near.index] * normals[:, None]).sum(2) * np.exp(-((step / SAME_SIDE) ** 2))
    for _ in range(VOTES):
        score = (weight * np.tanh(score)[near.index]).sum(1)
    return normals * np.where(score < 0, -1.0, 1.0)[:, None]


def _ask(solid: _Solid, normals: np.ndarray) -> np.ndarray:
    """In [-1, 1]: material behind the point and none ahead, at several depths."""
    top = np.array(solid.distance.shape) - 1
    score = np.zeros(len(normals))
    for depth in STEPS:
        for side in (-1.0, 1.0):
            x, y, z = np.clip(np.rint(solid.places + side * depth * normals), 0, top).astype(np.int64).T
            score -= side * (solid.distance[x, y, z] < RADIUS)
    return score / len(STEPS)


def _draw_back(
    vertices: np.ndarray,
    outward: np.ndarray,
    slab: np.ndarray,
    radius: np.ndarray,
    near: _Near,
    normals: np.ndarray,
) -> np.ndarray:
    """The vertices on the tangent planes of the nearest points that face their way.

    A vertex that no point faces, such as one on the rim of a board, goes straight in by most of the balls' radius.
    """
    count = min(TANGENT, len(near.cloud))
    distance, index = near.tree.query(np.column_stack([vertices, slab * APART]), k=np.arange(1, count + 1))
    facing = np.clip((normals[index] * outward[:, None]).sum(2), 0, None) ** 2
    weight = facing * np.exp(-(((distance - distance[:, :1]) / (radius[:, None] / 2)) ** 2)) * (distance < FAR)
    total = weight.sum(1)
    height = ((vertices[:, None] - near.cloud[index]) * normals[index]).sum(2)
    normal = (weight[..., None] * normals[index]).sum(1)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    planes = (weight * height).sum(1) / np.maximum(total, 1e-9)
    trust = np.clip(total / TRUSTED, 0, 1)[:, None]
    fall = np.clip(planes, 0, radius)[:, None] * normal
    return vertices - trust * fall - (1 - trust) * DRAWN_BACK * radius[:, None] * outward


def _smooth(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Taubin 1995: each step towards the neighbours' mean is followed by one back, so that nothing shrinks."""
    one, other = faces[:, [0, 1, 2]].ravel(), faces[:, [1, 2, 0]].ravel()
    links = sparse.csr_matrix((np.ones(len(one)), (one, other)), (len(vertices),) * 2)
    count = np.maximum(np.asarray(links.sum(1)), 1)
    for _ in range(SMOOTHED):
        for share in (0.5, -0.53):
            vertices = vertices + share * (links @ vertices / count - vertices)
    return vertices
