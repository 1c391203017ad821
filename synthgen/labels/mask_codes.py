"""Masks as channels for a diffusion model: analog bits (Chen, Zhang & Hinton 2022), and back.

Each class has a code of ±1: one channel a class up to 8 classes (a border between two classes then never looks like a
third), binary digits beyond. Codes are averaged over the pixels of a coarse cell and enlarged smoothly on the way back.

    codes = MaskCodes.fit(masks, classes=3, resolution=16)
    x = codes.encode(masks)              # float32 (N, 3, 16, 16), each channel of mean 0 and variance 1
    masks = codes.decode(x)
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

ONE_HOT = 8
SIDE = 8  # grids have sides that this divides, so that the network can halve them


@dataclass(frozen=True)
class MaskCodes:
    classes: int
    size: tuple[int, int]  # of the masks, in pixels
    grid: tuple[int, int]  # of the codes
    mean: tuple[float, ...]  # of each channel
    scale: tuple[float, ...]

    @staticmethod
    def fit(masks: np.ndarray, classes: int, resolution: int) -> MaskCodes:
        """For masks (n, H, W) of class ids; the longer side of the grid is about `resolution`."""
        height, width = masks.shape[1:]
        shrink = min(1.0, resolution / max(height, width))
        grid = _pair(*(max(SIDE, round(side * shrink / SIDE) * SIDE) for side in (height, width)))
        channels = len(_code_book(classes)[0])
        plain = MaskCodes(classes, (height, width), grid, (0.0,) * channels, (1.0,) * channels)
        x = plain.encode(masks[:: 1 + len(masks) // 1024]).double()
        mean, scale = x.mean((0, 2, 3)), x.std((0, 2, 3)).clamp(min=0.05)
        return MaskCodes(classes, plain.size, plain.grid, tuple(mean.tolist()), tuple(scale.tolist()))

    @property
    def shape(self) -> tuple[int, int, int]:
        return (len(self.mean), *self.grid)

    def encode(self, masks: np.ndarray) -> torch.Tensor:
        """float32 (N, C, h, w) of masks (N, H, W)."""
        codes = _code_book(self.classes)[torch.from_numpy(masks.astype(np.int64))].permute(0, 3, 1, 2)
        mean, scale = torch.tensor(self.mean)[:, None, None], torch.tensor(self.scale)[:, None, None]
        return (F.adaptive_avg_pool2d(codes, self.grid) - mean) / scale

    def decode(self, x: torch.Tensor) -> np.ndarray:
        """The class with the nearest code at every pixel: uint8 or uint16 (N, H, W)."""
        mean, scale = torch.tensor(self.mean)[:, None, None], torch.tensor(self.scale)[:, None, None]
        book = _code_book(self.classes)
        fine = F.interpolate(x.float() * scale + mean, self.size, mode="bicubic", align_corners=False)
        # codes have the same length, so the nearest one has the largest product
        nearest = torch.einsum("nchw,kc->nkhw", fine, book).argmax(1)
        return nearest.numpy().astype(np.uint8 if self.classes <= 256 else np.uint16)

    def state(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_state(state: dict[str, Any]) -> MaskCodes:
        size, grid = (int(n) for n in state["size"]), (int(n) for n in state["grid"])
        return MaskCodes(int(state["classes"]), _pair(*size), _pair(*grid), tuple(state["mean"]), tuple(state["scale"]))


def _pair(height: int, width: int) -> tuple[int, int]:
    return height, width


def _code_book(classes: int) -> torch.Tensor:
    """Codes of ±1, float32 (K, C)."""
    if classes <= ONE_HOT:
        return 2 * torch.eye(classes) - 1
    digits = (classes - 1).bit_length()
    return 2.0 * (torch.arange(classes)[:, None] >> torch.arange(digits) & 1).float() - 1
