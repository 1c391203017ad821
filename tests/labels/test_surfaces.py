"""Normals point out and surfaces are closed, against trimesh's own solids."""

import io
from typing import Literal

import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree

from synthgen.labels.surfaces import estimate_normals, part_of_faces, reconstruct_mesh
from synthgen.soups import mesh_bytes

Solids = list[trimesh.Trimesh]


def sample(solids: Solids, points: int = 1024, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(points, part, true normals) of solids, each a part, scaled to half a diagonal of 1."""
    whole = trimesh.util.concatenate(solids)
    owner = np.repeat(np.arange(len(solids)), [len(solid.faces) for solid in solids])
    drawn, face = trimesh.sample.sample_surface(whole, points, seed=3)
    size = np.linalg.norm(np.ptp(drawn, 0)) / 2
    drawn = (drawn - (drawn.min(0) + drawn.max(0)) / 2) / size
    drawn = drawn + noise * np.random.default_rng(0).standard_normal(drawn.shape)
    return drawn.astype(np.float32), owner[face].astype(np.uint8), whole.face_normals[face]


def ball() -> Solids:
    return [trimesh.creation.icosphere(3)]


def crate() -> Solids:
    return [trimesh.creation.box((1.0, 0.8, 0.6))]


def wall() -> Solids:
    return [trimesh.creation.annulus(0.9, 1.0, 1.5)]


def table() -> Solids:
    legs = [trimesh.creation.cylinder(0.04, 0.7) for _ in range(4)]
    for leg, (x, y) in zip(legs, [(0.5, 0.3), (0.5, -0.3), (-0.5, 0.3), (-0.5, -0.3)], strict=True):
        leg.apply_translation((x, y, -0.37))
    return [trimesh.creation.box((1.2, 0.8, 0.04)), trimesh.util.concatenate(legs)]


@pytest.mark.parametrize(("solids", "inward"), [(ball(), 0), (crate(), 0), (wall(), 0.01), (table(), 0.02)])
def test_normals_point_outwards(solids: Solids, inward: float) -> None:
    points, part, true = sample(solids)
    normals = estimate_normals(points[None], part[None])[0]
    assert normals.dtype == np.float32
    assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
    cosine = (normals * true).sum(1)
    assert (cosine < -0.5).mean() <= inward
    assert np.median(cosine) > 0.95


def test_normals_of_a_thick_body_survive_noise() -> None:
    points, part, true = sample(crate(), noise=0.02)
    assert ((estimate_normals(points[None], part[None])[0] * true).sum(1) < -0.5).mean() < 0.03


def test_a_row_has_the_same_normals_in_any_company_and_parts_are_optional() -> None:
    rows = np.stack([sample(solids)[0] for solids in (ball(), crate(), wall())])
    together = estimate_normals(rows)
    assert np.array_equal(together[1:2], estimate_normals(rows[1:2], np.zeros((1, 1024), np.uint8)))


def reconstruct(solids: Solids, noise: float = 0.0) -> tuple[trimesh.Trimesh, np.ndarray, np.ndarray]:
    points, part, _ = sample(solids, noise=noise)
    vertices, faces = reconstruct_mesh(points, estimate_normals(points[None], part[None])[0], part)
    assert vertices.dtype == np.float32
    assert faces.dtype == np.int32
    return trimesh.Trimesh(vertices, faces, process=False), points, part


def test_a_ball_comes_back_with_its_volume() -> None:
    mesh, points, _ = reconstruct(ball())
    radius = np.linalg.norm(points, axis=1).mean()
    assert mesh.is_watertight
    assert mesh.body_count == 1
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.05)
    assert np.abs(np.linalg.norm(mesh.vertices, axis=1) - radius).max() < 0.06


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.03])
def test_thin_parts_survive_as_closed_bodies(noise: float) -> None:
    mesh, points, part = reconstruct(table(), noise)
    assert mesh.is_watertight
    assert mesh.volume > 0
    assert mesh.body_count == 5, "a top and four legs"
    drawn = trimesh.sample.sample_surface(mesh, 4096, seed=0)[0]
    assert cKDTree(drawn).query(points)[0].mean() < 0.022 + noise / 2
    assert cKDTree(points).query(drawn)[0].mean() < 0.035 + noise / 2
    faces = part_of_faces(mesh.vertices, mesh.faces, points, part)
    middle = mesh.triangles_center[:, 2]
    assert middle[faces == 1].mean() < middle[faces == 0].mean() - 0.2


def test_the_wall_of_a_cup_stays_a_wall() -> None:
    mesh, points, _ = reconstruct(wall())
    assert mesh.is_watertight
    assert mesh.body_count == 1
    assert mesh.euler_number == 0, "a ring, open above and below"
    radius = np.hypot(points[:, 0], points[:, 1]).max()
    assert mesh.volume < 0.45 * np.pi * radius**2 * np.ptp(points[:, 2])


@pytest.mark.parametrize("count", [1, 2, 3, 20])
def test_few_points_and_lonely_parts_do_no_harm(count: int) -> None:
    points = np.random.default_rng(1).uniform(-0.5, 0.5, (count, 3)).astype(np.float32)
    part = (np.arange(count) // 3).astype(np.uint8)
    normals = estimate_normals(points[None], part[None])
    assert np.isfinite(normals).all()
    vertices, faces = reconstruct_mesh(points, normals[0], part)
    assert np.isfinite(vertices).all()
    assert trimesh.Trimesh(vertices, faces, process=False).is_watertight


def test_points_in_one_place_have_finite_normals() -> None:
    points = np.zeros((1, 64, 3), np.float32)
    assert np.isfinite(estimate_normals(points)).all()
    assert np.isfinite(reconstruct_mesh(points[0], estimate_normals(points)[0], np.zeros(64, np.uint8))[0]).all()


@pytest.mark.parametrize("kind", ["ply", "glb"])
def test_files_read_back(kind: Literal["ply", "glb"]) -> None:
    mesh, _, _ = reconstruct(crate())
    blob = mesh_bytes(np.asarray(mesh.vertices, np.float32), mesh.faces, kind)
    back = trimesh.load(io.BytesIO(blob), file_type=kind, force="mesh", process=False)
    assert np.allclose(back.vertices, mesh.vertices, atol=1e-6)
    assert np.array_equal(back.faces, mesh.faces)
    assert blob == mesh_bytes(np.asarray(mesh.vertices, np.float32), mesh.faces, kind)
