"""uint8 images <-> float tensors of about unit variance, with a class or a mask as the condition.

codec = fit_mask_codec(data.train, classes=3)
x = codec.encode(rows)
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F

from ..diffusion.process import FLOW
from ..networks.preconditioning import AUGMENTED
from ..types import Columns, Condition, Process, WholeRows, thin_rows
from .appearance import appearance_of, measure_appearance, paint_means, regions_of

DESCRIPTOR_SIZE = 256  # values a row; enough to tell a copy, few enough to search 60,000 rows in milliseconds
FIT_ROWS, FIT_PIXELS = 5000, 5000 * 64 * 64  # of the training images, whichever is fewer: bounds the memory
UNLIKE = 0.5  # the median row's contrast as a share of that of all rows; tissue has 0.80, nuclei of many labs 0.07
OFTEN = 0.15  # share of rows that are shifted or warped; at 1 the net never learned what an unchanged row is
SHIFT = 0.15  # of half a side, either way
WARP_TURN, WARP_ZOOM = math.radians(12), math.log(1.15)
Numbers = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class ImageCodec(WholeRows):
    """x = (image − mean of the pixel's class) / sd, so that colours are settled and the net learns the rest.

    `shared`: means and sd are those of all training rows. `row`: they are each row's own, its appearance, and part of
    the condition. Without masks a row is all of one region.
    """

    process: ClassVar[Process] = FLOW
    shape: tuple[int, int, int]  # (C, H, W)
    classes: int
    kind: Literal["label", "mask"]
    appearance: Literal["row", "shared"]
    usual: Numbers  # [entry of an appearance][channel]: of all training rows together
    centre: Numbers = ()  # of the rows' own appearances, the contrast as a logarithm
    spread: Numbers = ()  # of those around their centre

    @property
    def told(self) -> int:
        """How many numbers of the appearance the net is told."""
        return len(self.centre) * self.shape[0]

    def encode(self, columns: Columns) -> torch.Tensor:
        """float32 (B, C, H, W)."""
        mean, sd = self._mean_and_sd(columns)
        return (torch.from_numpy(columns["image"]).permute(0, 3, 1, 2).float() / 255 - mean) / sd

    def condition(self, columns: Columns) -> Condition:
        """{"label": int64 (B,)} or {"mask": int64 (B, H, W)}; if rows have their own, "appearance": float32 (B, told).

        An appearance is told in standard deviations from the usual one, and 0 of classes that the mask does not have.
        """
        told: Condition = {self.kind: torch.from_numpy(columns[self.kind]).long()}
        if self.appearance == "shared":
            return told
        appearance = _on_log_scale(appearance_of(columns, self.classes))
        scaled = (appearance - np.array(self.centre, np.float32)) / np.array(self.spread, np.float32)
        there = np.zeros(scaled.shape[:2], bool)
        there[:, -1] = True
        regions = regions_of(columns["mask"], self.classes)
        np.put_along_axis(there, regions.reshape(len(regions), -1), True, 1)
        return {**told, "appearance": torch.from_numpy(np.where(there[..., None], scaled, 0)).flatten(1)}

    def decode(self, x: torch.Tensor, columns: Columns) -> Columns:
        """`columns` with "image", uint8 (B, H, W, C)."""
        mean, sd = self._mean_and_sd(columns)
        pixels = ((x.float() * sd + mean) * 255).round().clamp(0, 255).to(torch.uint8)
        return {**columns, "image": pixels.permute(0, 2, 3, 1).contiguous().numpy()}

    def _mean_and_sd(self, columns: Columns) -> tuple[torch.Tensor, torch.Tensor]:
        """Such that they broadcast with (B, C, H, W)."""
        if self.kind == "label":
            mean, sd = (torch.tensor(self.usual[entry]).view(1, -1, 1, 1) for entry in (0, -1))
            return mean, sd
        regions = regions_of(columns["mask"], self.classes)
        if self.appearance == "shared":
            appearance = np.broadcast_to(np.array(self.usual, np.float32), (len(regions), *np.shape(self.usual)))
        else:
            appearance = appearance_of(columns, self.classes)
        means = torch.from_numpy(paint_means(appearance, regions)).permute(0, 3, 1, 2)
        return means, torch.from_numpy(np.array(appearance[:, -1]))[:, :, None, None]

    def describe(self, columns: Columns) -> np.ndarray:
        """float32 (N, D ≤ 256): the image averaged over a coarse grid, in [0, 1]."""
        return describe_images(columns["image"])

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1))


def describe_images(images: np.ndarray) -> np.ndarray:
    """Images uint8 (N, H, W, C), averaged over a coarse grid: float32 (N, D ≤ 256), in [0, 1]."""
    height, width, channels = images.shape[1:]
    side = int((DESCRIPTOR_SIZE / channels) ** 0.5)
    grid = (min(side, height), min(side, width))
    parts = []
    for start in range(0, len(images), 1024):
        image = torch.from_numpy(images[start : start + 1024]).permute(0, 3, 1, 2).float() / 255
        parts.append((image if grid == (height, width) else F.adaptive_avg_pool2d(image, grid)).flatten(1).numpy())
    return np.concatenate(parts)


def load_image_codec(path: Path) -> ImageCodec:
    state = json.loads(path.read_text())
    numbers = {name: tuple(map(tuple, state[name])) for name in ("usual", "centre", "spread")}
    return ImageCodec(**{**state, **numbers, "shape": tuple(state["shape"])})


def fit_label_codec(train: Columns, classes: int) -> ImageCodec:
    """Mean and spread of the training images, of 5,000 of them at most."""
    images = _some_of(train)["image"]
    usual = _measure_together(images, np.zeros(images.shape[:3], np.uint8), 1)
    return ImageCodec(_shape_of(images), classes, "label", "shared", _as_numbers(usual))


def fit_mask_codec(train: Columns, classes: int, appearance: Literal["auto", "row", "shared"] = "auto") -> ImageCodec:
    """The appearance of the training images, of 5,000 of them at most.

    `auto`: each row's own where most rows have little contrast beside that of all rows together.
    """
    rows = _some_of(train)
    own, usual = (measure(rows["image"], rows["mask"], classes) for measure in (measure_appearance, _measure_together))
    unlike = np.median(own[:, -1], 0).mean() < UNLIKE * usual[-1].mean()
    chosen: Any = ("row" if unlike else "shared") if appearance == "auto" else appearance
    codec = ImageCodec(_shape_of(rows["image"]), classes, "mask", chosen, _as_numbers(usual))
    if chosen == "shared":
        return codec
    own = _on_log_scale(own)
    own[:, np.isnan(own).all((0, 2))] = 0  # such a class is never told of
    centre, spread = np.nanmean(own, 0), np.maximum(np.nanstd(own, 0), 1e-3)
    return replace(codec, centre=_as_numbers(centre), spread=_as_numbers(spread))


def _some_of(train: Columns) -> Columns:
    pixels = int(np.prod(train["image"].shape[1:3]))
    return thin_rows(train, max(1, min(FIT_ROWS, FIT_PIXELS // pixels)))


def _measure_together(images: np.ndarray, masks: np.ndarray, classes: int) -> np.ndarray:
    """The appearance (K + 2, C) of all rows as if they were one; of a class that no row has, the mean of all."""
    one = images.reshape(1, -1, *images.shape[2:])
    found = measure_appearance(one, masks.reshape(1, -1, masks.shape[2]), classes)[0]
    return np.where(np.isnan(found), images.mean((0, 1, 2)) / 255, found)


def _shape_of(images: np.ndarray) -> tuple[int, int, int]:
    return images.shape[3], images.shape[1], images.shape[2]


def _on_log_scale(appearance: np.ndarray) -> np.ndarray:
    """The contrast as its logarithm: half and double are equally far away."""
    return np.concatenate([appearance[:, :-1], np.log(appearance[:, -1:])], 1)


def _as_numbers(values: np.ndarray) -> Numbers:
    return tuple(map(tuple, values.tolist()))


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
        if x.shape[2] != x.shape[3]:
            quarters = quarters // 2 * 2  # a quarter turn would not fit
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
