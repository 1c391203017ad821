"""Triangles: their areas, points drawn evenly on them, and meshes as the bytes of a file. Knows no sources.

A soup is float64 (F, 3, 3): F triangles, 3 corners, xyz; triangles turn counter-clockwise seen from outside.

    points, owner = sample_surface(soup, np.zeros(len(soup), int), 1024, generator)
    points, size, centre = frame_points(points)
"""

from __future__ import annotations

import io
from typing import Literal

import numpy as np

Soup = np.ndarray  # float64 (F, 3, 3)


def measure_areas(soup: Soup) -> np.ndarray:
    """float64 (F,), square metres."""
    return np.asarray(np.linalg.norm(np.cross(soup[:, 1] - soup[:, 0], soup[:, 2] - soup[:, 0]), axis=1) / 2)


def sample_surface(
    soup: Soup, owner: np.ndarray, count: int, generator: np.random.Generator, least: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """`count` points spread by area, in random order: float64 (count, 3) and the owner of each, int64 (count,).

    owner: int (F,), the part that each triangle belongs to. Every owner with a surface gets at least `least` points,
    taken from the largest. Triangles are drawn systematically (one random shift, equal steps along the summed area),
    so that equal areas get equal numbers of points, give or take one.
    """
    areas = measure_areas(soup)
    totals = np.bincount(owner, areas)
    drawn = np.bincount(_step(totals, count, generator), minlength=len(totals))
    quotas = np.where(totals > 0, np.maximum(drawn, least), 0)
    quotas[np.argmax(quotas)] -= quotas.sum() - count
    assert quotas.min() >= 0, "more parts than points"
    chosen = []
    for number in np.flatnonzero(quotas):
        triangles = np.flatnonzero(owner == number)
        chosen.append(triangles[_step(areas[triangles], int(quotas[number]), generator)])
    index = generator.permutation(np.concatenate(chosen))
    # Uniform in a triangle: Osada et al. 2002, "Shape distributions", equation 1.
    root, second = np.sqrt(generator.random(count)), generator.random(count)
    weights = np.stack([1 - root, root * (1 - second), root * second], 1)
    return np.einsum("pc,pcx->px", weights, soup[index]), owner[index]


def _step(weights: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """`count` indices in proportion to the weights, by equal steps from a random start."""
    reached = np.cumsum(weights)
    places = (np.arange(count) + generator.random()) * (reached[-1] / count)
    # A place may be rounded up to the very end, which belongs to no one.
    return np.minimum(np.searchsorted(reached, places, "right"), np.flatnonzero(weights)[-1])


def frame_points(points: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Points in their own frame: bounding box about the origin, half of its diagonal 1; its half diagonal and centre.

    float (P, 3) in any unit -> float32 (P, 3), float, float64 (3,) in that unit; source = points * size + centre.
    """
    low, high = points.min(0), points.max(0)
    centre, size = (low + high) / 2, float(np.linalg.norm(high - low) / 2)
    return ((points - centre) / size).astype(np.float32), size, centre


def mesh_bytes(vertices: np.ndarray, faces: np.ndarray, kind: Literal["ply", "glb"] = "ply") -> bytes:
    """The mesh as a file's content: binary PLY or GLB, which `trimesh.load` reads back."""
    import trimesh

    exported: bytes = trimesh.Trimesh(vertices, faces, process=False).export(file_type=kind)
    return exported


def read_mesh_bytes(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """(vertices float32 (V, 3), faces int32 (F, 3)) of what `mesh_bytes` made as PLY."""
    import trimesh

    mesh = trimesh.load(io.BytesIO(data), file_type="ply", process=False)
    return np.asarray(mesh.vertices, np.float32), np.asarray(mesh.faces, np.int32)
