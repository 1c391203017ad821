"""uint8 images <-> float tensors of about unit variance, with a class or a mask as the condition.

codec = fit_image_codec(data.train, classes=3, condition="mask")
x = codec.encode(rows)
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F

from ..networks.preconditioning import AUGMENTED
from ..types import Columns, Condition, count_rows, take_rows

DESCRIPTOR_SIZE = 256  # values a row; enough to tell a copy, few enough to search 60,000 rows in milliseconds
FIT_ROWS = 5000
EVEN = tuple(value / 255 for value in range(256))
DIM = 0.5  # a row's contrast as a share of that of all rows
OFTEN = 0.15  # share of rows that are shifted or warped; at 1 the net never learned what an unchanged row is
SHIFT = 0.15  # of half a side, either way
WARP_TURN, WARP_ZOOM = math.radians(12), math.log(1.15)


@dataclass(frozen=True)
class ImageCodec:
    """x = (tone(image) − mean) / sd, where the mean is that of the pixel's class if masks are the condition.

    Taking away each class's mean colour leaves the net the texture alone to learn. `tones` are the values of the 256
    intensities: even ones, or spread out where intensities are frequent, so that dim rows among bright ones keep
    their contrast.
    """

    shape: tuple[int, int, int]  # (C, H, W)
    classes: int
    kind: Literal["label", "mask"]
    mean: tuple[tuple[float, ...], ...]  # [class or 0][channel], in [0, 1]; the last one is for ignored pixels
    sd: tuple[float, ...]  # [channel]
    tones: tuple[float, ...] = EVEN  # [intensity 0 … 255] in [0, 1], rising

    def encode(self, columns: Columns) -> torch.Tensor:
        """float32 (B, C, H, W)."""
        image = torch.tensor(self.tones)[torch.from_numpy(columns["image"]).long()].permute(0, 3, 1, 2)
        return (image - self._mean(columns)) / torch.tensor(self.sd).view(1, -1, 1, 1)

    def condition(self, columns: Columns) -> Condition:
        """{"label": int64 (B,)} or {"mask": int64 (B, H, W)}."""
        return {self.kind: torch.from_numpy(columns[self.kind]).long()}

    def decode(self, x: torch.Tensor, columns: Columns) -> Columns:
        """`columns` with "image", uint8 (B, H, W, C)."""
        image = x.float() * torch.tensor(self.sd).view(1, -1, 1, 1) + self._mean(columns)
        tones = torch.tensor(self.tones)
        nearest = torch.bucketize(image.permute(0, 2, 3, 1).contiguous(), (tones[1:] + tones[:-1]) / 2, out_int32=True)
        pixels = nearest.to(torch.uint8)
        return {**columns, "image": pixels.numpy()}

    def describe(self, columns: Columns) -> np.ndarray:
        """float32 (N, D ≤ 256): the image averaged over a coarse grid, in [0, 1]."""
        channels, height, width = self.shape
        side = int((DESCRIPTOR_SIZE / channels) ** 0.5)
        grid = (min(side, height), min(side, width))
        parts = []
        for start in range(0, count_rows(columns), 1024):
            image = torch.from_numpy(columns["image"][start : start + 1024]).permute(0, 3, 1, 2).float() / 255
            parts.append((image if grid == (height, width) else F.adaptive_avg_pool2d(image, grid)).flatten(1).numpy())
        return np.concatenate(parts)

    def _mean(self, columns: Columns) -> torch.Tensor:
        mean = torch.tensor(self.mean)
        if self.kind == "label":
            return mean[0].view(1, -1, 1, 1)
        mask = torch.from_numpy(columns["mask"]).long().clamp(max=self.classes)
        return mean[mask].permute(0, 3, 1, 2)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1))


def load_image_codec(path: Path) -> ImageCodec:
    state = json.loads(path.read_text())
    return ImageCodec(
        tuple(state["shape"]),
        state["classes"],
        state["kind"],
        tuple(map(tuple, state["mean"])),
        tuple(state["sd"]),
        tuple(state["tones"]),
    )  # type: ignore[arg-type]


def fit_image_codec(train: Columns, classes: int, kind: Literal["label", "mask"]) -> ImageCodec:
    """Means and spreads of the training images, of 5,000 of them at most."""
    rows = take_rows(train, slice(0, FIT_ROWS))
    tones = _choose_tones(rows["image"])
    image = np.array(tones, np.float32)[rows["image"]]
    overall = image.mean((0, 1, 2))
    means = np.tile(overall, (classes + 1, 1)) if kind == "mask" else overall[None]
    residual = image - overall
    if kind == "mask":
        for value in range(classes):
            inside = rows["mask"] == value
            if inside.any():
                means[value] = image[inside].mean(0)
        residual = image - means[np.minimum(rows["mask"], classes)]
    sd = np.maximum(residual.std((0, 1, 2)), 1e-3)
    height, width, channels = image.shape[1:]
    return ImageCodec(
        (channels, height, width), classes, kind, tuple(map(tuple, means.tolist())), tuple(sd.tolist()), tones
    )


def _choose_tones(images: np.ndarray) -> tuple[float, ...]:
    """Even tones, unless most rows have little contrast beside the whole: then halfway to a flat histogram."""
    values = images.reshape(len(images), -1)
    if np.median(values.std(1)) >= DIM * values.std():
        return EVEN
    share = np.bincount(values.ravel(), minlength=256) / values.size
    flat = np.cumsum(share) - share / 2
    return tuple(((flat + EVEN) / 2).tolist())


def augment_images(
    x: torch.Tensor, condition: Condition, names: tuple[str, ...], generator: torch.Generator
) -> tuple[torch.Tensor, Condition]:
    """Flip, turn, shift and warp rows at random, each row for itself; masks go along.

    `condition` gets "augmented", float32 (B, 8): the net is told how a row was changed, so that a sampler, which tells
    it nothing, draws unchanged rows (Karras et al. 2022, §5).
    """
    if not names:
        return x, condition
    told = torch.zeros(len(x), AUGMENTED)
    masks: Any = condition.get("mask")
    if "flip" in names:
        flipped = torch.rand(len(x), generator=generator) < 0.5
        x = torch.where(flipped.view(-1, 1, 1, 1), x.flip(3), x)
        masks = None if masks is None else torch.where(flipped.view(-1, 1, 1), masks.flip(2), masks)
        told[:, 0] = flipped
    if "turn" in names:
        quarters = torch.randint(4, (len(x),), generator=generator)
        x = torch.stack([row.rot90(k, (1, 2)) for row, k in zip(x, quarters.tolist(), strict=True)])
        if masks is not None:
            masks = torch.stack([m.rot90(k) for m, k in zip(masks, quarters.tolist(), strict=True)])
        told[:, 1:3] = torch.stack([(quarters * math.pi / 2).cos() - 1, (quarters * math.pi / 2).sin()], 1)
    if "shift" in names or "warp" in names:
        matrix, told[:, 3:] = _draw_warp(x.shape, "shift" in names, "warp" in names, generator)
        grid = F.affine_grid(matrix, list(x.shape), align_corners=False)
        # a mask's values cannot be mixed, and its image must stay on its pixels
        mode = "bilinear" if masks is None else "nearest"
        x = F.grid_sample(x, grid, mode=mode, padding_mode="border", align_corners=False)
        if masks is not None:
            moved = F.grid_sample(masks[:, None].float(), grid, "nearest", "border", align_corners=False)
            masks = moved[:, 0].to(masks.dtype)
    changed = condition if masks is None else {**condition, "mask": masks.contiguous()}
    return x.contiguous(), {**changed, "augmented": told}


def _draw_warp(
    shape: torch.Size, shift: bool, warp: bool, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Affine maps (B, 2, 3) in coordinates from -1 to 1, and what to tell of them, in [-1, 1] (B, 5)."""
    told = (2 * torch.rand(shape[0], 5, generator=generator) - 1) * torch.tensor([shift] * 2 + [warp] * 3)
    told = told * (torch.rand(shape[0], 1, generator=generator) < OFTEN)
    angle, zoom = told[:, 2] * WARP_TURN, torch.exp(told[:, 3:] * WARP_ZOOM)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(-1, 2, 2)
    sides = torch.tensor([shape[3], shape[2]], dtype=torch.float32)  # a turn is one in pixels, not in shares
    matrix = turn * sides / sides[:, None] / zoom[:, None]
    return torch.cat([matrix, told[:, :2, None] * SHIFT], 2), told
