"""uint8 images <-> what a pretrained image base draws: latents of its autoencoder, or its pixels.

Rows are drawn at the base's own size and scaled back; grey ones as colour. Knows nothing of how the base denoises.

    codec = open_latents(data.train["image"], "label", options, folder=None)
    net = build_image_network(codec, data.classes, options)
    x = codec.encode(rows)
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import diffusers
import numpy as np
import torch
import torch.nn.functional as F

from ..diffusion.objective import FineTuning, Objective
from ..errors import UserError
from ..networks.image_base import ImageBase, load_image_denoiser, open_image_base
from ..networks.image_families import FAMILIES
from ..networks.options import ImageBaseOptions
from ..networks.pretrained_image import PretrainedImageDenoiser, objective_of
from ..types import Columns, Condition, WholeRows, count_rows
from .images import describe_images

PIXELS = 2**22  # that go through an autoencoder together


@dataclass(frozen=True, eq=False)
class LatentCodec(WholeRows):
    """x = (latents − shift) · scale of the image at the base's size, in [−1, 1]; of pixels, the image itself."""

    image: tuple[int, int, int]  # (C, H, W) of a row's image
    shape: tuple[int, int, int]  # (C, h, w)
    factor: int
    kind: Literal["label", "mask"]
    objective: Objective
    gamma: float | None
    vae: Any  # None: pixels

    @cached_property
    def process(self) -> FineTuning:
        return FineTuning(self.objective, self.gamma)

    @torch.no_grad()
    def encode(self, columns: Columns) -> torch.Tensor:
        """float32 (B, C, h, w)."""
        side = self.shape[1] * self.factor, self.shape[2] * self.factor
        step, parts = max(1, PIXELS // (side[0] * side[1])), []
        for start in range(0, count_rows(columns), step):
            image = torch.from_numpy(columns["image"][start : start + step]).permute(0, 3, 1, 2).float() / 127.5 - 1
            image = scale_image(image, side)
            parts.append(self._compress(image.expand(-1, 3, -1, -1) if self._coloured else image).cpu())
        return torch.cat(parts)

    def condition(self, columns: Columns) -> Condition:
        """{"label": int64 (B,)} or {"mask": int64 (B, H, W)}."""
        return {self.kind: torch.from_numpy(columns[self.kind]).long()}

    @torch.no_grad()
    def decode(self, x: torch.Tensor, columns: Columns) -> Columns:
        """`columns` with "image", uint8 (B, H, W, C)."""
        side = self.shape[1] * self.factor, self.shape[2] * self.factor
        step, parts = max(1, PIXELS // (side[0] * side[1])), []
        for start in range(0, len(x), step):
            image = self._expand(x[start : start + step].float()).cpu()
            image = scale_image(image, self.image[1:])
            image = image.mean(1, keepdim=True) if self.image[0] == 1 else image
            parts.append((image * 127.5 + 127.5).round().clamp(0, 255).to(torch.uint8))
        return {**columns, "image": torch.cat(parts).permute(0, 2, 3, 1).contiguous().numpy()}

    def describe(self, columns: Columns) -> np.ndarray:
        """float32 (N, D ≤ 256): the image averaged over a coarse grid, in [0, 1]."""
        return describe_images(columns["image"])

    def components(self) -> dict[str, Any]:
        """The components of the pipeline beside the denoiser."""
        return {} if self.vae is None else {"vae": self.vae}

    @property
    def _coloured(self) -> bool:
        """Whether the base draws colours to rows that have none."""
        own = self.shape[0] if self.vae is None else self.vae.config.in_channels
        return self.image[0] == 1 and own == 3

    def _compress(self, image: torch.Tensor) -> torch.Tensor:
        if self.vae is None:
            return image
        found = self.vae.encode(image.to(self.vae.device, self.vae.dtype))
        latents = found.latent if hasattr(found, "latent") else found.latent_dist.mode()
        return (latents.float() - self._shift) * self.vae.config.scaling_factor

    def _expand(self, x: torch.Tensor) -> torch.Tensor:
        if self.vae is None:
            return x
        latents = x.to(self.vae.device) / self.vae.config.scaling_factor + self._shift
        image: torch.Tensor = self.vae.decode(latents.to(self.vae.dtype)).sample.float()
        return image

    @property
    def _shift(self) -> float:
        return float(self.vae.config.get("shift_factor") or 0.0)


def examine_images(options: ImageBaseOptions) -> None:
    """UserErrors for a base that will not do, from its small files alone."""
    if options.base is not None:
        open_image_base(options.base, options.revision)


def open_latents(
    images: np.ndarray, kind: Literal["label", "mask"], options: ImageBaseOptions, folder: Path | None
) -> LatentCodec:
    """The codec of a base for images uint8 (N, H, W, C); `folder`: of the model that was trained from it, if any."""
    assert options.base is not None
    height, width, channels = images.shape[1:]
    if folder is None:
        base = open_image_base(options.base, options.revision)
        shape, factor = fit_shape(base, height, width, options.size), base.factor
        schedule, family, vae = base.schedule, base.kind, base.load_vae()
    else:
        net = json.loads((folder / "denoiser" / "config.json").read_text())
        shape, factor, schedule = tuple(net["row_shape"]), net["factor"], net["schedule"]
        family, vae = net["core"]["_class_name"], load_part(folder, "vae")
    if vae is not None:
        vae = vae.to("cuda" if torch.cuda.is_available() else "cpu").eval().requires_grad_(False)
    objective = objective_of(schedule, shape, FAMILIES[family].fold)
    return LatentCodec((channels, height, width), shape, factor, kind, objective, options.min_snr, vae)


def build_image_network(
    codec: LatentCodec, classes: Sequence[str], options: ImageBaseOptions
) -> PretrainedImageDenoiser:
    """The base's denoiser, made ready to be trained on rows of `codec`. UserErrors name a field of model."""
    assert options.base is not None
    adapt, lora = how_adapted(options, codec.kind)
    usual = "a photo of {class}" if codec.kind == "label" else "a photo"
    prompt = options.prompt or usual
    if ("{class}" in prompt) != (codec.kind == "label"):
        fix = (
            f"write {{class}} where its name stands, as in {usual!r}" if codec.kind == "label" else "leave {class} out"
        )
        raise UserError(f"model.prompt: {prompt!r} does not fit rows that are drawn to a {codec.kind}; {fix}")
    prompts = [prompt.replace("{class}", name) for name in classes] if codec.kind == "label" else [prompt]
    return load_image_denoiser(
        open_image_base(options.base, options.revision), prompts, row_shape=codec.shape, classes=len(classes),
        condition=codec.kind, adapt=adapt, lora=lora,
    )  # fmt: skip


def how_adapted(
    options: ImageBaseOptions, kind: Literal["label", "mask"]
) -> tuple[Literal["lora", "full", "heads"], dict[str, Any]]:
    """What of a base is trained where the options leave it open, and the terms of LoRA."""
    terms = {"rank": options.rank, "alpha": options.alpha or float(options.rank), "targets": options.targets}
    return options.adapt or ("lora" if kind == "label" else "heads"), terms


def scale_image(image: torch.Tensor, side: tuple[int, int]) -> torch.Tensor:
    """Images (B, C, H, W) of another size: bicubic up, means of areas down, which together blur least."""
    if side[0] <= image.shape[2] and side[1] <= image.shape[3]:
        return F.interpolate(image, side, mode="area")
    return F.interpolate(image, side, mode="bicubic", align_corners=False)


def load_part(folder: Path, name: str) -> Any:
    """A component of a saved pipeline, in float32; None if it has none of that name."""
    path = folder / name / "config.json"
    if not path.is_file():
        return None
    cls = getattr(diffusers, json.loads(path.read_text())["_class_name"])
    return cls.from_pretrained(folder / name, use_safetensors=True, torch_dtype=torch.float32)


def fit_shape(base: ImageBase, height: int, width: int, size: int | None) -> tuple[int, int, int]:
    """(C, h, w) of what the base draws for images of height × width. UserErrors name model.size."""
    fold = base.factor * max(2, FAMILIES[base.kind].fold) if base.vae is not None else 2
    longest = base.side * base.factor if size is None else size
    if longest % fold:
        raise UserError(
            f"model.size: {longest} is no multiple of {fold}, as {base.name} needs; take {-(-longest // fold) * fold}"
        )
    sides = [max(fold, round(longest * side / max(height, width) / fold) * fold) for side in (height, width)]
    if base.kind == "DiTTransformer2DModel" and (sides[0] != sides[1] or longest != base.side * base.factor):
        raise UserError(
            f"model.base: {base.name} draws squares of {base.side * base.factor} pixels alone; leave model.size out "
            f"and use square images, or choose another base for {width}×{height} pixels"
        )
    return base.channels, sides[0] // base.factor, sides[1] // base.factor
