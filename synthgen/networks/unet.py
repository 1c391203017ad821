"""A small U-Net denoiser for images, conditioned on a class, on a mask, or on nothing.

Pixels are folded into channels first (pixel-unshuffle), so the convolutions run on a coarse grid with enough channels
to be worth a CPU's or GPU's while; long skips carry the detail. Attention, when asked for, sits on the coarsest grid.

    net = SmallUNet(channels=3, size=(64, 64), patch=4, widths=(64, 128), classes=3, condition="mask")
    x_hat = net(x, sigma, {"mask": mask})
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from pydantic import Field
from torch import nn

from ..options import Options
from ..types import Condition
from .preconditioning import MaskReader, Teller, precondition


class UNetOptions(Options):
    """The shape of a small U-Net."""

    base: Literal[None] = None
    """A pretrained model to start from; this version trains from scratch only: null."""
    patch: int | None = Field(None, ge=1, le=16)
    """Pixels folded into channels, each way; null: 1 up to 16 pixels, 2 up to 64, else 4. Larger is faster."""
    widths: tuple[Annotated[int, Field(ge=8, le=4096, multiple_of=8)], ...] = Field(
        (64, 128), min_length=1, max_length=6
    )
    """Channels on each grid, from fine to coarse, in multiples of 8; each grid is half the one before."""
    blocks: int = Field(2, ge=1, le=8)
    """Residual blocks on each grid."""
    attention: bool = False
    """Self-attention on the coarsest grid."""


def build_unet(
    shape: tuple[int, int, int], classes: int, condition: Literal["label", "mask"] | None, options: UNetOptions
) -> SmallUNet:
    """The U-Net for images of shape (C, H, W)."""
    channels, height, width = shape
    patch = options.patch or (1 if max(height, width) <= 16 else 2 if max(height, width) <= 64 else 4)
    own = options.model_dump(exclude={"base", "patch"})
    return SmallUNet(  # keywords only: diffusers takes a positional argument for a default when it reads the config
        channels=channels, size=(height, width), patch=patch, classes=classes, condition=condition, **own
    )


class SmallUNet(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Residual blocks on grids of half the size each, long skips between them."""

    config_name = "config.json"

    @register_to_config
    def __init__(
        self,
        channels: int = 3,
        size: tuple[int, int] = (64, 64),
        patch: int = 4,
        widths: tuple[int, ...] = (64, 128),
        blocks: int = 2,
        attention: bool = False,
        classes: int = 0,
        condition: Literal["label", "mask"] | None = None,
    ) -> None:
        super().__init__()
        self.mask = MaskReader(classes) if condition == "mask" else None
        embedding = 4 * widths[0]
        self.told = Teller(embedding, classes if condition == "label" else 0)
        fold = patch * patch
        self.enter = nn.Conv2d((channels + (self.mask.channels if self.mask else 0)) * fold, widths[0], 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        skips = [widths[0]]
        width = widths[0]
        for level, next_width in enumerate(widths):
            if level:
                self.down.append(Resample(width, next_width, "down"))
                width = next_width
                skips.append(width)
            for _ in range(blocks):
                self.down.append(Block(width, width, embedding))
                skips.append(width)
        self.middle = nn.ModuleList([Block(width, width, embedding)])
        if attention:
            self.middle.extend([Attention(width), Block(width, width, embedding)])
        for level, next_width in reversed(list(enumerate(widths))):
            if level < len(widths) - 1:
                self.up.append(Resample(width, next_width, "up"))
                width = next_width
            for _ in range(blocks + 1):
                self.up.append(Block(width + skips.pop(), width, embedding))
        last = nn.Conv2d(width, channels * fold, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.leave = nn.Sequential(nn.GroupNorm(8, width), nn.SiLU(), last)

    def forward(
        self, x: torch.Tensor, sigma: torch.Tensor, condition: Condition, keep: torch.Tensor | None = None
    ) -> torch.Tensor:
        """x̂ (B, C, H, W) of x_σ (B, C, H, W) at σ (B,); rows where `keep` is False are not told their condition."""
        return precondition(lambda scaled: self._inner(scaled, sigma, condition, keep), x, sigma, self.dtype)

    def _padded(self, x: torch.Tensor) -> torch.Tensor:
        """x with its border repeated until every grid halves evenly; `forward` cuts the border off again."""
        step = self.config.patch * 2 ** (len(self.config.widths) - 1)
        down, right = -x.shape[2] % step, -x.shape[3] % step
        return F.pad(x, (0, right, 0, down), mode="replicate") if down or right else x

    def _inner(self, x: torch.Tensor, sigma: torch.Tensor, condition: Condition, keep: torch.Tensor | None) -> Any:
        told = self.told(sigma, condition, keep, x.dtype)
        if self.mask is not None:
            x = torch.cat([x, self.mask(condition["mask"], keep, x.dtype)], 1)
        height, width = x.shape[2:]
        x = self._padded(x)
        h = F.pixel_unshuffle(x, self.config.patch) if self.config.patch > 1 else x
        h = self.enter(h.contiguous(memory_format=torch.channels_last))
        skips = [h]
        for layer in self.down:
            h = layer(h, told)
            skips.append(h)
        for layer in self.middle:
            h = layer(h, told)
        for layer in self.up:
            h = layer(h, told) if isinstance(layer, Resample) else layer(torch.cat([h, skips.pop()], 1), told)
        h = self.leave(h)
        h = F.pixel_shuffle(h, self.config.patch) if self.config.patch > 1 else h
        return h[:, :, :height, :width]


class Block(nn.Module):
    """Residual block; (σ, class) scale and shift the second normalisation (Dhariwal & Nichol 2021, §3)."""

    def __init__(self, inside: int, outside: int, embedding: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(8, inside), nn.Conv2d(inside, outside, 3, padding=1)
        self.norm2, self.conv2 = nn.GroupNorm(8, outside), nn.Conv2d(outside, outside, 3, padding=1)
        self.modulate = nn.Linear(embedding, 2 * outside)
        self.skip = nn.Conv2d(inside, outside, 1) if inside != outside else nn.Identity()
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)

    def forward(self, x: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.modulate(told)[:, :, None, None].chunk(2, 1)
        h = self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))
        return self.skip(x) + h


class Resample(nn.Module):
    """Half or double the grid."""

    def __init__(self, inside: int, outside: int, direction: Literal["down", "up"]) -> None:
        super().__init__()
        self.direction = direction
        stride = 2 if direction == "down" else 1
        self.conv = nn.Conv2d(inside, outside, 3, padding=1, stride=stride)

    def forward(self, x: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        return self.conv(x if self.direction == "down" else F.interpolate(x, scale_factor=2, mode="nearest"))


class Attention(nn.Module):
    """Self-attention over the cells of the grid, with normalised queries and keys."""

    def __init__(self, width: int, head: int = 32) -> None:
        super().__init__()
        self.heads = max(1, width // head)
        self.norm, self.qkv, self.out = (
            nn.GroupNorm(8, width),
            nn.Conv2d(width, 3 * width, 1),
            nn.Conv2d(width, width, 1),
        )
        nn.init.zeros_(self.out.weight)

    def forward(self, x: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        b, c, h, w = x.shape
        q, k, v = self.qkv(self.norm(x)).view(b, 3, self.heads, c // self.heads, h * w).transpose(3, 4).unbind(1)
        q, k = F.normalize(q, dim=-1) * (c // self.heads) ** 0.25, F.normalize(k, dim=-1) * (c // self.heads) ** 0.25
        mixed = F.scaled_dot_product_attention(q, k, v.to(q.dtype))
        return x + self.out(mixed.transpose(2, 3).reshape(b, c, h, w))
