"""Solids as the latents of Shap-E: what its renderer reads as a mesh, from whose surface the points of a row are drawn.

The base draws whole objects: of a row it is asked the class alone, and which part a point is of it does not say. A real
row has no latent of its own, since the pipeline has no encoder; one is fitted to its points, once, and kept.

    codec = open_shape_latents(options, classes, 1024, folder=None, find_normals=estimate_normals)
    codec.keep_in(folder)                   # where fitted latents lie
    codec.decode(x, rows)["mesh"]           # object (B,): PLY files in the object's own frame
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from ..diffusion.process import FLOW
from ..networks.implicit import choose_shape, draw_surface, fit_latents
from ..networks.pretrained_shapes import ShapeOptions, draw_starts, load_renderer, read_renderer
from ..soups import frame_points, mesh_bytes, sample_surface
from ..storage import write_whole
from ..types import Columns, Condition, Process, WholeRows, as_objects
from .points import describe_clouds

RENDERER = "renderer"  # beside the denoiser, in diffusers' folder format
FITTED_AT_ONCE = 8  # rows: the weights that turn latents into solids are read once for all of them
ASKED = ("label", "size", "yaw")  # what a row is asked to be

NOTHING = np.zeros((3, 3), np.float32), np.array([[0, 1, 2]], np.int32)

FindNormals = Callable[[np.ndarray, np.ndarray], np.ndarray]  # (points (N, P, 3), part (N, P)) -> (N, P, 3)
Start = Callable[[], torch.Tensor]  # a latent (K, n, d) that the base draws of each class


class ShapeLatentCodec(WholeRows):
    """x is the latent itself, as the base has it: in [-1, 1]."""

    process: ClassVar[Process] = FLOW

    def __init__(
        self, renderer: Any, *, points: int, grid: int, find_normals: FindNormals, start: Start, steps: int
    ) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.renderer, self.shape = renderer.to(self.device), choose_shape(renderer)
        self.points, self.grid, self.steps = points, grid, steps
        self.find_normals, self.start = find_normals, start
        self.folder: Path | None = None

    def keep_in(self, folder: Path) -> None:
        """Fitted latents are read from there, and written there."""
        self.folder = folder

    def encode(self, columns: Columns) -> torch.Tensor:
        """float32 (B, n, d): fitted where they are not kept yet."""
        clouds = zip(columns["points"], columns["label"].tolist(), strict=True)
        keys = [_name(points, label) for points, label in clouds]
        found = [self._recall(key) for key in keys]
        missing = [row for row, latent in enumerate(found) if latent is None]
        for start in range(0, len(missing), FITTED_AT_ONCE):
            rows = missing[start : start + FITTED_AT_ONCE]
            for row, latent in zip(rows, self._fit(columns, rows, [keys[row] for row in rows]), strict=True):
                found[row] = latent
                self._keep(keys[row], latent)
        return torch.stack([latent for latent in found if latent is not None])

    def _fit(self, columns: Columns, rows: list[int], keys: list[str]) -> torch.Tensor:
        points, part, label = (columns[name][rows] for name in ("points", "part", "label"))
        starts = self._recall("starts")
        if starts is None:
            starts = self.start()
            self._keep("starts", starts)
        generators = [torch.Generator().manual_seed(int(key[:15], 16)) for key in keys]
        normals = self.find_normals(points, part)
        chosen = starts[torch.from_numpy(label)].to(self.device)
        with torch.inference_mode(False), torch.enable_grad():
            found = fit_latents(self.renderer, chosen, points, normals, steps=self.steps, generators=generators)
        return found.cpu()

    def _recall(self, key: str) -> torch.Tensor | None:
        if self.folder is None:
            return None
        try:
            return load((self.folder / f"{key}.safetensors").read_bytes())["latent"]
        except (FileNotFoundError, SafetensorError):  # what is damaged is fitted anew
            return None

    def _keep(self, key: str, latent: torch.Tensor) -> None:
        if self.folder is not None:
            write_whole(self.folder / f"{key}.safetensors", save({"latent": latent.contiguous()}))

    def condition(self, columns: Columns) -> Condition:
        """ "label" int64 (B,)."""
        return {"label": torch.from_numpy(columns["label"]).long()}

    def decode(self, x: torch.Tensor, columns: Columns) -> Columns:
        """What was asked of `columns`, with "points" float32 (B, P, 3), "mesh" object (B,), and "part" and "piece"
        uint8 (B, P), which are 0: nobody has looked yet.

        Of a latent that is no solid all points are in the origin, and the mesh is a triangle without area there.
        """
        asked = {name: columns[name] for name in ASKED if name in columns}
        points, meshes = np.zeros((len(x), self.points, 3), np.float32), []
        for row, latent in enumerate(x.float().clamp(-1, 1)):
            vertices, faces = draw_surface(self.renderer, latent.to(self.device), self.grid)
            if not len(faces):
                vertices, faces = NOTHING
            else:
                chance = _generator({name: values[row] for name, values in columns.items()})
                soup = vertices[faces].astype(np.float64)
                drawn, _ = sample_surface(soup, np.zeros(len(soup), np.int64), self.points, chance)
                points[row], size, middle = frame_points(drawn)
                vertices = ((vertices - middle) / size).astype(np.float32)
            meshes.append(mesh_bytes(vertices, faces))
        unknown = np.zeros(points.shape[:2], np.uint8)
        return {**asked, "points": points, "part": unknown, "piece": unknown.copy(), "mesh": as_objects(meshes)}

    def files(self) -> Mapping[str, str | bytes]:
        """The renderer, as its `save_pretrained` would write it."""
        state = {name: values.contiguous().cpu() for name, values in self.renderer.state_dict().items()}
        return {
            f"{RENDERER}/config.json": self.renderer.to_json_string(),
            f"{RENDERER}/diffusion_pytorch_model.safetensors": save(state, {"format": "pt"}),
        }

    def describe(self, columns: Columns) -> np.ndarray:
        """float32 (N, 131): see `describe_clouds`; parts do not count, which only a judge has seen."""
        return describe_clouds(columns["points"], np.zeros_like(columns["part"]), 1)


def open_shape_latents(
    options: ShapeOptions, classes: Sequence[str], points: int, folder: Path | None, find_normals: FindNormals
) -> ShapeLatentCodec:
    """The codec of rows of `points` points, with the renderer of the trained model in `folder`, or else of the base."""
    assert options.base is not None
    base, revision = options.base, options.revision
    renderer = load_renderer(base, revision) if folder is None else read_renderer(folder / RENDERER)
    return ShapeLatentCodec(
        renderer, points=points, grid=options.grid, find_normals=find_normals, steps=options.fit_steps,
        start=lambda: draw_starts(base, revision, options.write_prompts(classes)),
    )  # fmt: skip


def _name(points: np.ndarray, label: int) -> str:
    """32 letters that tell clouds and their classes apart."""
    return hashlib.blake2b(points.tobytes() + str(label).encode(), digest_size=16).hexdigest()


def _generator(asked: Mapping[str, Any]) -> np.random.Generator:
    """Chance that follows from what a row was asked to be, which no rounding changes, as a mesh's corners do."""
    told = hashlib.blake2b(digest_size=16)
    for name in sorted(asked):
        told.update(name.encode() + np.asarray(asked[name]).tobytes())
    return np.random.Generator(np.random.Philox(key=int.from_bytes(told.digest(), "little")))
