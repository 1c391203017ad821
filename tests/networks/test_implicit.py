"""Solids of latents: the surfaces that diffusers' own renderer draws, and latents that are fitted to points."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh
from shape_bases import build_renderer

from synthgen.networks.implicit import choose_shape, draw_surface, fit_latents, measure_depth, project_weights


@pytest.fixture(scope="module")
def renderer():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_renderer().requires_grad_(False)


def latents(count, seed=0):
    return torch.randn(count, 32, 16, generator=torch.Generator().manual_seed(seed)).clamp(-1, 1)


def test_latents_have_the_shape_that_the_renderer_reads(renderer):
    assert choose_shape(renderer) == (32, 16)


@pytest.mark.parametrize("row", range(3))
def test_a_surface_is_the_renderers_own(renderer, row):
    latent = latents(3)[row]
    before = {name: values.clone() for name, values in renderer.state_dict().items()}
    vertices, faces = draw_surface(renderer, latent, 20)
    assert all(torch.equal(values, before[name]) for name, values in renderer.state_dict().items())
    wanted = renderer.decode_to_mesh(latent[None], "cpu", grid_size=20)
    renderer.load_state_dict(before)
    assert np.array_equal(vertices, wanted.verts.numpy())
    assert np.array_equal(np.sort(faces, 1), np.sort(wanted.faces.numpy(), 1)) and len(faces) > 100
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    assert mesh.is_watertight and mesh.volume > 0.1, "it does not look outwards"


def test_different_latents_have_different_surfaces(renderer):
    one, other = (draw_surface(renderer, latent, 20)[0] for latent in latents(2))
    assert one.shape != other.shape or np.abs(one - other).max() > 0.05


def test_a_latent_without_an_inside_has_no_surface(renderer):
    hollow = build_renderer()
    hollow.load_state_dict(renderer.state_dict())
    with torch.no_grad():
        hollow.mlp.mlp[-1].bias[0] = -1e4
    vertices, faces = draw_surface(hollow, latents(1)[0], 16)
    assert vertices.shape == (0, 3) and faces.shape == (0, 3)


def test_latents_are_fitted_to_points(renderer):
    ball = trimesh.creation.icosphere(subdivisions=3)
    points = (ball.vertices * [0.5, 0.5, 0.7]).astype(np.float32)[None]
    normals = ball.vertices / [0.5, 0.5, 0.7]
    normals = (normals / np.linalg.norm(normals, axis=1, keepdims=True)).astype(np.float32)[None]
    starts = latents(1, seed=3)

    def miss(latent):
        (weights,) = project_weights(renderer, latent)
        surface, outward = torch.from_numpy(points[0] * np.float32(0.9)), torch.from_numpy(normals[0])
        below, on, above = (measure_depth(renderer, weights, surface + away * outward) for away in (-0.1, 0, 0.1))
        return float(on.abs().mean()), float((below > 0).float().mean()), float((above < 0).float().mean())

    def fit():
        return fit_latents(renderer, starts, points, normals, steps=100, generators=[torch.Generator().manual_seed(0)])

    found = fit()
    before, after = miss(starts), miss(found)
    assert after[0] < 0.6 * before[0], (before, after)
    assert min(after[1:]) > 0.9 and float(found.abs().max()) <= 1 and not found.requires_grad
    assert torch.equal(found, fit())
