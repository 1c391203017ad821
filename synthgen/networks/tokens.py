"""A small transformer denoiser for rows that are sequences: steps of a time series, points of an ordered cloud.

Neighbouring elements are folded into tokens, as pixels are into patches (Peebles & Xie 2023, "DiT"), so that attention
runs over a few dozen tokens. What is known of single elements (events, a history, a part) enters with them; what is
known of the whole row (noise level, class, numbers) scales and gates every block.

    net = TokenDenoiser(length=100, channels=6, patch=4, classes=4, elements=3)
    x_hat = net(x, sigma, {"label": label, "elements": elements})
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from pydantic import Field
from torch import nn

from ..types import Condition
from .adoption import STRETCH, Axes, Meanings, name_axis, number_axis
from .lora import add_lora
from .options import BaseOptions
from .preconditioning import Teller, precondition

ELEMENT = 64  # channels of an element by itself
HEAD = 32  # channels of an attention head
FEW_TOKENS = 32  # what `patch: null` aims at, at least


class TokenOptions(BaseOptions):
    """The shape of a small transformer over tokens."""

    nets: ClassVar[tuple[str, ...]] = ("TokenDenoiser",)
    shape: ClassVar[tuple[str, ...]] = ("patch", "width", "depth", "detail")

    patch: int | None = Field(None, ge=1, le=64)
    """Elements (steps, points) in a token; null: 1 below 64 steps, else the power of two that leaves 32 tokens or
    more. Larger is faster."""
    width: Annotated[int, Field(ge=32, le=4096, multiple_of=32)] = 128
    """Channels of a token."""
    depth: int = Field(4, ge=1, le=48)
    """Blocks of attention and feed-forward."""
    detail: int = Field(0, ge=0, le=1024)
    """Numbers with which a token tells a small network that looks at each of its elements by itself; 0: the token draws
    them all at once."""


class PointTokenOptions(TokenOptions):
    """The same for the points of a cloud, whose places have to be exact."""

    patch: int = Field(8, ge=1, le=64)
    """Points in a token. Larger is faster."""
    width: Annotated[int, Field(ge=32, le=4096, multiple_of=32)] = 64
    """Channels of a token."""
    depth: int = Field(3, ge=1, le=48)
    """Blocks of attention and feed-forward."""
    detail: int = Field(16, ge=0, le=1024)
    """Numbers with which a token tells a small network that looks at each of its points by itself; 0: the token draws
    them all at once."""


def choose_patch(length: int) -> int:
    """The largest power of two that leaves at least 32 tokens; 1 for short rows."""
    patch = 1
    while length // (2 * patch) >= FEW_TOKENS:
        patch *= 2
    return patch


def build_tokens(
    shape: tuple[int, int], options: TokenOptions, *, classes: int, elements: int = 0, numbers: int = 0
) -> TokenDenoiser:
    """The denoiser of rows of `shape` (L, C); `elements` channels are known of each element, `numbers` of the row."""
    length, channels = shape
    return TokenDenoiser(
        length=length,
        channels=channels,
        patch=options.patch or choose_patch(length),
        width=options.width,
        depth=options.depth,
        classes=classes,
        elements=elements,
        numbers=numbers,
        detail=options.detail,
    )


class TokenDenoiser(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Pre-normalised blocks; each is scaled and gated by what the net is told of the row."""

    config_name = "config.json"
    lora_targets = ("qkv", "out")
    same = ("numbers",)  # of the configuration, in every net that takes over weights

    @register_to_config
    def __init__(
        self,
        length: int = 100,
        channels: int = 1,
        patch: int = 4,
        width: int = 128,
        depth: int = 4,
        classes: int = 0,
        elements: int = 0,
        numbers: int = 0,
        detail: int = 0,
        lora: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        tokens = -(-length // patch)
        self.told = Teller(width, classes, numbers, "vector", augmented=False)
        self.enter = nn.Linear(patch * (channels + elements), width)
        self.position = nn.Parameter(0.02 * torch.randn(1, tokens, width))
        self.blocks = nn.ModuleList([Block(width) for _ in range(depth)])
        self.modulate = nn.Linear(width, width)
        self.leave = nn.Linear(width, patch * (detail or channels))
        self.each = ElementHead(detail, channels + elements, channels) if detail else None
        # the last layer starts at zero: at first x̂ is what the preconditioning makes of x_σ
        for layer in (self.modulate, self.leave)[: 1 if detail else 2]:
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        if lora is not None:
            add_lora(self, **lora)

    def meanings(self, axes: Axes) -> Meanings:
        """What the numbers along the axes of tensors mean, where `axes` names "classes", "elements" and perhaps
        "channels"."""
        config = self.config
        drawn = (
            name_axis(axes, "channels", config.channels) if "channels" in axes else number_axis("c", config.channels)
        )
        known = name_axis(axes, "elements", config.elements)
        left = number_axis("told", config.detail) if config.detail else drawn
        folded = [
            [(config.patch, place, key) for place in range(config.patch) for key in keys]
            for keys in ([*drawn, *known], left)
        ]
        found: dict[str, Any] = {
            "position": {1: [STRETCH]}, "enter.weight": {1: folded[0]},
            "leave.weight": {0: folded[1]}, "leave.bias": {0: folded[1]},
        }  # fmt: skip
        if self.each is not None:
            found |= {"each.known.weight": {1: [*drawn, *known]}, "each.out.weight": {0: drawn}}
            found["each.out.bias"] = {0: drawn}
        if self.told.label is not None:
            found["told.label.weight"] = {0: [*name_axis(axes, "classes", config.classes), "not told"]}
        return found

    @property
    def row_shape(self) -> tuple[int, ...]:
        return self.config.length, self.config.channels

    def forward(
        self, x: torch.Tensor, sigma: torch.Tensor, condition: Condition, keep: torch.Tensor | None = None
    ) -> torch.Tensor:
        """x̂ (B, L, C) of x_σ (B, L, C) at σ (B,); rows where `keep` is False are not told their condition."""
        return precondition(lambda scaled: self._inner(scaled, sigma, condition, keep), x, sigma, self.dtype)

    def _inner(self, x: torch.Tensor, sigma: torch.Tensor, condition: Condition, keep: torch.Tensor | None) -> Any:
        told = self.told(sigma, condition, keep, x.dtype)
        if self.config.elements:
            known = condition["elements"].to(x.dtype)
            x = torch.cat([x, known if keep is None else known * keep.view(-1, 1, 1)], 2)
        rows, length, patch = len(x), x.shape[1], self.config.patch
        elements = x
        if -length % patch:
            x = F.pad(x.mT, (0, -length % patch), mode="replicate").mT
        h = self.enter(x.reshape(rows, -1, patch * x.shape[2])) + self.position
        for block in self.blocks:
            h = block(h, told)
        h = normalise(h) * (1 + self.modulate(told))[:, None]
        h = self.leave(h).reshape(rows, -1, self.config.detail or self.config.channels)[:, :length]
        return h if self.each is None else self.each(h, elements)


class ElementHead(nn.Module):
    """What the tokens say of each element (…, told) and the element itself (…, known) -> (…, channels)."""

    def __init__(self, told: int, known: int, channels: int) -> None:
        super().__init__()
        self.told, self.known = nn.Linear(told, ELEMENT), nn.Linear(known, ELEMENT, bias=False)
        self.out = nn.Linear(ELEMENT, channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, told: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        return self.out(F.silu(self.told(told) + self.known(known)))


Normalise = Callable[[torch.Tensor], torch.Tensor]


def normalise(x: torch.Tensor) -> torch.Tensor:
    """Root-mean-square normalisation of the last axis, without weights (Zhang & Sennrich 2019)."""
    return F.rms_norm(x, x.shape[-1:])


class Block(nn.Module):
    """Self-attention and a feed-forward layer, scaled and gated by the row's embedding (adaLN of DiT); the gates are
    small at first."""

    def __init__(self, width: int, normalise: Normalise = normalise, head: int = HEAD) -> None:
        """`head` divides `width`."""
        super().__init__()
        self.head, self.heads, self.normalise = head, width // head, normalise
        self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.up, self.down = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)
        self.modulate = nn.Linear(width, 4 * width)
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)

    def open_gates(self) -> None:
        """Layers that start at zero, let through whole."""
        width = self.out.in_features
        with torch.no_grad():
            self.modulate.bias[width : 2 * width] = self.modulate.bias[3 * width :] = 0.9
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.down.weight)

    def forward(self, x: torch.Tensor, told: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        """`bias` (B, 1, L, L) is added to the logits of attention: `hinder` makes it."""
        return self.change(x, self.scale(told), bias)

    def scale(self, told: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What scales and gates the two layers, (B, 1, width) each."""
        scale1, gate1, scale2, gate2 = self.modulate(told)[:, None].chunk(4, 2)
        return 1 + scale1, 0.1 + gate1, 1 + scale2, 0.1 + gate2

    def change(
        self, x: torch.Tensor, scales: tuple[torch.Tensor, ...], bias: torch.Tensor | None, kept: Kept | None = None,
        position: torch.Tensor | None = None,
    ) -> torch.Tensor:  # fmt: skip
        """The layers for what `scale` gave. With `kept`, keys and values of x are put at a `position` (B, L) among
        those, and x looks at all of them, as `bias` (B, 1, L, L') allows."""
        scale1, gate1, scale2, gate2 = scales
        x = x + gate1 * self._attend(self.normalise(x) * scale1, bias, kept, position)
        return x + gate2 * self.down(F.silu(self.up(self.normalise(x) * scale2)))

    def _attend(
        self, x: torch.Tensor, bias: torch.Tensor | None, kept: Kept | None, position: torch.Tensor | None
    ) -> torch.Tensor:
        rows, tokens, width = x.shape
        found = self.qkv(x).reshape(rows, tokens, 3, self.heads, self.head)
        q, k = self.normalise(found[:, :, :2]).unbind(2)
        v = found[:, :, 2].transpose(1, 2)
        q, k = q.transpose(1, 2), k.transpose(1, 2)
        if kept is not None and position is not None and bias is not None:
            k, v = kept.put(k, v, position, bias.shape[3])
        if torch.is_grad_enabled() and x.device.type == "cpu":
            # the fused kernel's backward pass is slow there: with it a step of the 3d recipe takes half as long again
            weights = (q * self.head**-0.5) @ k.mT
            weights = weights if bias is None else weights + bias
            mixed = weights.softmax(-1).to(v.dtype) @ v
        else:
            mixed = F.scaled_dot_product_attention(q, k, v, bias)
        return self.out(mixed.transpose(1, 2).reshape(rows, tokens, width))


def hinder(allowed: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """What to add to the logits of attention, (B, 1, L, L'), so that positions look at what is `allowed` (B, L, L')."""
    return torch.zeros(allowed.shape, dtype=dtype, device=allowed.device).masked_fill(~allowed, -1e4)[:, None]


def make_room(old: torch.Tensor | None, like: torch.Tensor, end: int, axis: int) -> torch.Tensor:
    """`old`, with room for at least `end` along an axis; zeros of `like`'s other sizes where there is none."""
    if old is not None and old.shape[axis] >= end:
        return old
    shape = list(like.shape)
    shape[axis] = max(end, 64 if old is None else 2 * old.shape[axis])
    new = like.new_zeros(shape)
    if old is not None:
        new.narrow(axis, 0, old.shape[axis]).copy_(old)
    return new


class Kept:
    """Keys and values (B, heads, tokens, channels) of what a block has read."""

    def __init__(self) -> None:
        self.keys: torch.Tensor | None = None
        self.values: torch.Tensor | None = None

    def put(
        self, keys: torch.Tensor, values: torch.Tensor, position: torch.Tensor, end: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Everything before `end`, with keys and values (B, heads, L, channels) at a `position` (B, L) each."""
        self.keys, self.values = (
            make_room(old, new, end, 2) for old, new in ((self.keys, keys), (self.values, values))
        )
        row = torch.arange(len(keys), device=keys.device)[:, None]
        self.keys[row, :, position], self.values[row, :, position] = keys.transpose(1, 2), values.transpose(1, 2)
        return self.keys[:, :, :end], self.values[:, :, :end]

    def select(self, rows: torch.Tensor) -> None:
        if self.keys is not None and self.values is not None:
            self.keys, self.values = self.keys[rows], self.values[rows]
