"""Solids as Shap-E has them (Jun & Nichol 2023, arXiv:2305.02463): a latent is projected to the weights of a small
network, and that network says of every place how deep inside the solid it lies.

The numbers are those of diffusers' ShapERenderer, which writes the weights into itself; here they are handed along, so
that threads may share a renderer and gradients reach the latent. Knows no classes and no rows.

    vertices, faces = draw_surface(renderer, latent, grid=128)       # what `renderer.decode_to_mesh` draws
    latents = fit_latents(renderer, starts, points, normals, steps=400, generators=generators)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.pipelines.shap_e.renderer import encode_direction, encode_position, volume_query_points

Weights = dict[str, torch.Tensor]  # of the small network, by name

AT_ONCE = 4096  # places that are asked for together
EMPTY = np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)

FILLS = 0.9  # of the renderer's box [-1, 1]³, by an object whose half diagonal is 1
DEPTH = 0.1  # within so much of its surface a fitted solid tells how deep a place lies
ASKED = 1024  # places in a step: a quarter on the surface, a half near it, a quarter anywhere in the box
RATE = 0.02  # of Adam
PULL = 0.1  # weight of the squared distance from where a latent started


def choose_shape(renderer: Any) -> tuple[int, int]:
    """(vectors, width) of the latents that a renderer reads: one vector for each row of a weight."""
    return sum(rows for rows, _ in renderer.config["param_shapes"]), int(renderer.config["d_latent"])


def project_weights(renderer: Any, latents: torch.Tensor) -> list[Weights]:
    """The small network's weights for each of `latents` (B, n, d); those that no latent tells are the renderer's."""
    told = {name.removeprefix("nerstf."): values for name, values in renderer.params_proj(latents).items()}
    own = dict(renderer.mlp.named_parameters())
    return [{**own, **{name: values[row] for name, values in told.items()}} for row in range(len(latents))]


def measure_depth(renderer: Any, weights: Weights, places: torch.Tensor) -> torch.Tensor:
    """In (-1, 1), (N,), of `places` (N, 3) in the renderer's box: positive inside the solid, 0 on its surface."""
    h = encode_position(places)
    last = len(renderer.mlp.mlp) - 1
    for layer in range(last + 1):
        if layer == renderer.mlp.config["insert_direction_at"]:
            h = torch.cat([h, encode_direction(places, direction=None)], -1)
        h = F.linear(h, weights[f"mlp.{layer}.weight"], weights[f"mlp.{layer}.bias"])
        h = h if layer == last else F.silu(h)
    return torch.tanh(h[:, 0])


@torch.no_grad()
def draw_surface(renderer: Any, latent: torch.Tensor, grid: int) -> tuple[np.ndarray, np.ndarray]:
    """The surface of a latent (n, d) by marching cubes on `grid`³ places: vertices float32 (V, 3) and faces int32
    (F, 3), seen counter-clockwise from outside; nothing where no place is inside."""
    (weights,) = project_weights(renderer, latent[None])
    volume = renderer.volume
    places = volume_query_points(volume, grid).to(latent.device)
    depth = torch.cat([measure_depth(renderer, weights, some) for some in places.split(AT_ONCE)])
    inside = depth.float().reshape(1, 1, grid, grid, grid)
    closed = F.pad(inside, (1, 1) * 3, value=-1.0)[0, 0]  # all around is outside
    if not bool((closed > 0).any()):
        return EMPTY
    mesh = renderer.mesh_decoder(closed, volume.bbox_min, volume.bbox_max - volume.bbox_min)
    vertices, faces = mesh.verts.cpu().numpy(), mesh.faces.cpu().numpy().astype(np.int32)
    return vertices, faces if _looks_outwards(vertices, faces) else faces[:, ::-1].copy()


def _looks_outwards(vertices: np.ndarray, faces: np.ndarray) -> bool:
    """Whether the volume that the triangles enclose is positive (divergence theorem)."""
    a, b, c = vertices[faces].astype(np.float64).transpose(1, 0, 2)
    return float(np.einsum("fx,fx->", a, np.cross(b, c))) >= 0


def fit_latents(
    renderer: Any, starts: torch.Tensor, points: np.ndarray, normals: np.ndarray, *, steps: int,
    generators: Sequence[torch.Generator],
) -> torch.Tensor:  # fmt: skip
    """Latents (B, n, d) in [-1, 1] whose solids have surfaces through points (B, P, 3), which are in objects' own
    frames and have outward normals (B, P, 3).

    There is no encoder, so each latent is found by descent on what its solid says of places whose depth is known
    ("auto-decoding", Park et al. 2019, arXiv:1901.05103, section 4.2), from `starts` (B, n, d) on and never far from
    there: what the surface does not tell, such as colours, stays as it was. Each row has a generator of its own.
    """
    device = starts.device
    x, n = (torch.from_numpy(values).to(device, torch.float32) for values in (points * np.float32(FILLS), normals))
    latents = starts.detach().clone().requires_grad_()
    optimizer = torch.optim.Adam([latents], lr=RATE)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, 2 * (1 - step / steps))
        loss = PULL * (latents - starts).square().mean((1, 2)).sum()
        for row, weights in enumerate(project_weights(renderer, latents)):
            places, depth = _ask_places(x[row], n[row], generators[row])
            loss = loss + (measure_depth(renderer, weights, places) - torch.tanh(depth / DEPTH)).abs().mean()
        (latents.grad,) = torch.autograd.grad(loss, [latents])
        optimizer.step()
        with torch.no_grad():
            latents.clamp_(-1, 1)
    return latents.detach()


def _ask_places(
    points: torch.Tensor, normals: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Places (N, 3) and how deep inside they lie (N,), by the plane of the nearest point (Hoppe et al. 1992, §3.3)."""
    quarter = ASKED // 4
    chosen = torch.randint(len(points), (3 * quarter,), generator=generator).to(points.device)
    away = torch.randn(3 * quarter, 1, generator=generator).to(points.device) * DEPTH
    away[:quarter] = 0
    anywhere = (torch.rand(quarter, 3, generator=generator) * 2 - 1).to(points.device)
    places = torch.cat([points[chosen] + away * normals[chosen], anywhere])
    nearest = torch.cdist(places, points, compute_mode="donot_use_mm_for_euclid_dist").argmin(1)
    apart = places - points[nearest]
    return places, -(apart * normals[nearest]).sum(1).sign() * apart.norm(dim=1)
