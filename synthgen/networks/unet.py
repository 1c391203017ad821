"""A small U-Net denoiser for images, conditioned on a class, on a mask, or on nothing, and on an appearance.

Pixels are folded into channels first (pixel-unshuffle), so the convolutions run on a coarse grid with enough channels
to be worth a CPU's or GPU's while; long skips carry the detail. Attention, when asked for, sits on the coarsest grid.

There are no normalisation layers with statistics over the grid: as in EDM2 (Karras et al. 2024), weights are drawn
and branches are added so that activations keep unit variance. On a CPU the backward pass of a group normalisation
costs more than that of the convolution behind it, and this net learns as well from each row.

    net = SmallUNet(channels=3, size=(64, 64), patch=4, widths=(64, 128), classes=3, condition="mask")
    x_hat = net(x, sigma, {"mask": mask})
"""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from pydantic import Field
from torch import nn

from ..types import Condition
from .adoption import Axes, Meanings, name_axis, number_axis
from .lora import add_lora
from .options import ImageBaseOptions
from .preconditioning import MaskReader, Teller, precondition


class UNetOptions(ImageBaseOptions):
    """The shape of a small U-Net."""

    nets: ClassVar[tuple[str, ...]] = ("SmallUNet",)
    shape: ClassVar[tuple[str, ...]] = ("patch", "widths", "blocks", "attention")

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


class MaskedUNetOptions(UNetOptions):
    """The shape of a small U-Net that draws images to masks."""

    appearance: Literal["auto", "row", "shared"] = "auto"
    """Whose colours are settled before the net draws the rest. shared: each class's mean over all training rows, for
    pictures of one kind. row: those of one real row, moved towards those of a similar one, for pictures of many kinds,
    such as fluorescence beside stained tissue. auto: row, if most rows have less than half of the contrast of all."""


def build_unet(
    shape: tuple[int, int, int],
    classes: int,
    condition: Literal["label", "mask"] | None,
    options: UNetOptions,
    appearance: int = 0,
) -> SmallUNet:
    """The U-Net for images of shape (C, H, W) that is told `appearance` numbers of how a row looks."""
    channels, height, width = shape
    patch = options.patch or (1 if max(height, width) <= 16 else 2 if max(height, width) <= 64 else 4)
    own = options.model_dump(include={"widths", "blocks", "attention"})
    return SmallUNet(  # keywords only: diffusers takes a positional argument for a default when it reads the config
        channels=channels,
        size=(height, width),
        patch=patch,
        classes=classes,
        condition=condition,
        appearance=appearance,
        **own,
    )


class SmallUNet(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Residual blocks on grids of half the size each; every block on the way up takes the skip of its like below."""

    config_name = "config.json"
    lora_targets = ("qkv", "out", "conv1", "conv2")
    same = ("condition",)  # of the configuration, in every net that takes over weights

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
        appearance: int = 0,
        lora: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.mask = MaskReader(classes) if condition == "mask" else None
        embedding = 4 * widths[0]
        self.told = Teller(embedding, classes if condition == "label" else 0, appearance)
        fold = patch * patch
        read = (channels + (self.mask.channels if self.mask else 0)) * fold
        self.enter = convolve(read + 1, widths[0])  # and a channel of ones, which stands in for all biases
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for finer, width in zip((None, *widths), widths, strict=False):
            if finer is not None:
                self.down.append(Resample(finer, width, "down"))
            self.down.extend(Block(width, width, embedding, calm=True) for _ in range(blocks))
        self.middle = nn.ModuleList([Block(widths[-1], widths[-1], embedding, calm=True)])
        if attention:
            self.middle.extend([Attention(widths[-1]), Block(widths[-1], widths[-1], embedding, calm=True)])
        for coarser, width in zip((None, *widths[::-1]), widths[::-1], strict=False):
            if coarser is not None:
                self.up.append(Resample(coarser, width, "up"))
            self.up.extend(Block(2 * width, width, embedding) for _ in range(blocks))
        self.leave = convolve(widths[0], channels * fold)
        nn.init.zeros_(self.leave.weight)
        if lora is not None:
            add_lora(self, **lora)

    def meanings(self, axes: Axes) -> Meanings:
        """What the numbers along the axes of tensors mean, where `axes` names "classes" and perhaps "channels"."""
        config, told = self.config, self.told
        classes = name_axis(axes, "classes", config.classes)
        places = [(config.patch, place) for place in range(config.patch**2)]
        drawn = (
            name_axis(axes, "channels", config.channels) if "channels" in axes else number_axis("c", config.channels)
        )
        pixels = [(channel, place) for channel in drawn for place in places]
        found: dict[str, Any] = {"leave.weight": {0: pixels}}
        read: list[Any] = []
        if self.mask is not None and self.mask.embedding is not None:
            read, found["mask.embedding.weight"] = number_axis("code", self.mask.channels), {0: classes}
        elif self.mask is not None:
            read = classes
        masks = [(one, place) for one in read for place in places]
        found["enter.weight"] = {1: [*pixels, *masks, "one"]}
        if told.label is not None:
            found["told.label.weight"] = {0: [*classes, "not told"]}
        if told.numbers is not None and config.appearance == (config.classes + 2) * config.channels:
            entries = [*classes, "no class", "contrast"]
            found["told.numbers.weight"] = {1: [(entry, channel) for entry in entries for channel in drawn]}
        return found

    @property
    def row_shape(self) -> tuple[int, ...]:
        return self.config.channels, *self.config.size

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
        h = torch.cat([h, torch.ones_like(h[:, :1])], 1)
        h = self.enter(h.contiguous(memory_format=torch.channels_last))
        skips = []
        for layer in self.down:
            h = layer(h, told)
            if isinstance(layer, Block):
                skips.append(h)
        for layer in self.middle:
            h = layer(h, told)
        for layer in self.up:
            h = layer(h, told) if isinstance(layer, Resample) else layer(torch.cat([h, skips.pop()], 1), told)
        h = self.leave(activate(h))
        h = F.pixel_shuffle(h, self.config.patch) if self.config.patch > 1 else h
        return h[:, :, :height, :width]


SILU_GAIN = 0.596  # the root mean square of silu(z), z ~ N(0, 1) (Karras et al. 2024, eq. 81)
BRANCH = 0.3  # how much of a sum comes from the residual branch (Karras et al. 2024)


def activate(x: torch.Tensor) -> torch.Tensor:
    """SiLU that keeps unit variance."""
    return F.silu(x) / SILU_GAIN


def blend(x: torch.Tensor, branch: torch.Tensor) -> torch.Tensor:
    """Weighted sum of two independent inputs of unit variance, of unit variance again (Karras et al. 2024, eq. 88)."""
    return torch.lerp(x, branch.to(x.dtype), BRANCH) / math.hypot(1 - BRANCH, BRANCH)


def convolve(inside: int, outside: int, size: int = 3, stride: int = 1) -> nn.Conv2d:
    """A convolution without bias, drawn so that it keeps unit variance."""
    layer = nn.Conv2d(inside, outside, size, stride, padding=size // 2, bias=False)
    nn.init.normal_(layer.weight, std=(inside * size * size) ** -0.5)
    return layer


class Block(nn.Module):
    """Residual block; (σ, class) scale the branch's channels between its convolutions.

    `calm`: each cell is first scaled to unit mean square, so that activations cannot grow along the way down.
    """

    def __init__(self, inside: int, outside: int, embedding: int, calm: bool = False) -> None:
        super().__init__()
        self.calm = calm
        self.conv1, self.conv2 = convolve(inside, outside), convolve(outside, outside)
        self.modulate = nn.Linear(embedding, outside)
        self.skip = convolve(inside, outside, 1) if inside != outside else nn.Identity()
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)

    def forward(self, x: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        if self.calm:
            x = x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-4)
        h = self.conv1(activate(x)) * (1 + self.modulate(told))[:, :, None, None]
        return blend(self.skip(x), self.conv2(activate(h)))


class Resample(nn.Module):
    """Half or double the grid."""

    def __init__(self, inside: int, outside: int, direction: Literal["down", "up"]) -> None:
        super().__init__()
        self.direction = direction
        self.conv = convolve(inside, outside, stride=2 if direction == "down" else 1)

    def forward(self, x: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        return self.conv(x if self.direction == "down" else F.interpolate(x, scale_factor=2, mode="nearest"))


class Attention(nn.Module):
    """Cosine self-attention over the cells of the grid, as in EDM2."""

    def __init__(self, width: int, head: int = 32) -> None:
        super().__init__()
        self.heads = max(1, width // head)
        self.qkv, self.out = convolve(width, 3 * width, 1), convolve(width, width, 1)

    def forward(self, x: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        b, c, h, w = x.shape
        each = c // self.heads
        q, k, v = self.qkv(x).reshape(b, 3, self.heads, each, h * w).transpose(3, 4).unbind(1)
        q, k = F.normalize(q, dim=-1) * each**0.25, F.normalize(k, dim=-1) * each**0.25
        mixed = F.scaled_dot_product_attention(q, k, v.to(q.dtype)).to(x.dtype)
        return blend(x, self.out(mixed.transpose(2, 3).reshape(b, c, h, w)))
