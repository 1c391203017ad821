"""A small diffusion transformer for images (DiT; Peebles & Xie 2023), conditioned on a class, a mask, or nothing.

On a CPU its matrix products run nearer to the hardware's speed than a small U-Net's convolutions, backwards above all.

    net = SmallTransformer(channels=1, size=(28, 28), patch=4, width=192, depth=4, classes=10, condition="label")
    x_hat = net(x, sigma, {"label": label})
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn

from ..types import Condition
from .preconditioning import MaskReader, Teller, precondition


class SmallTransformer(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Tokens are patches of pixels; (σ, class) modulate every block (adaLN-zero)."""

    config_name = "config.json"

    @register_to_config
    def __init__(
        self,
        channels: int = 3,
        size: tuple[int, int] = (64, 64),
        patch: int = 4,
        width: int = 192,
        depth: int = 4,
        classes: int = 0,
        condition: Literal["label", "mask"] | None = None,
    ) -> None:
        super().__init__()
        self.mask = MaskReader(classes) if condition == "mask" else None
        self.told = Teller(width, classes if condition == "label" else 0)
        grid = tuple(-(-side // patch) for side in size)
        inside = channels + (self.mask.channels if self.mask else 0)
        self.enter = nn.Linear(inside * patch * patch, width)
        self.position = nn.Parameter(torch.randn(1, grid[0] * grid[1], width) * 0.02)
        self.blocks = nn.ModuleList([TransformerBlock(width) for _ in range(depth)])
        self.modulate = nn.Linear(width, 2 * width)
        self.leave = nn.Linear(width, channels * patch * patch)
        for layer in (self.modulate, self.leave):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self, x: torch.Tensor, sigma: torch.Tensor, condition: Condition, keep: torch.Tensor | None = None
    ) -> torch.Tensor:
        """x̂ (B, C, H, W) of x_σ (B, C, H, W) at σ (B,); rows where `keep` is False are not told their condition."""
        return precondition(lambda scaled: self._inner(scaled, sigma, condition, keep), x, sigma, self.dtype)

    def _inner(
        self, x: torch.Tensor, sigma: torch.Tensor, condition: Condition, keep: torch.Tensor | None
    ) -> torch.Tensor:
        told, patch = self.told(sigma, condition, keep, x.dtype), self.config.patch
        if self.mask is not None:
            x = torch.cat([x, self.mask(condition["mask"], keep, x.dtype)], 1)
        height, width = x.shape[2:]
        x = F.pad(x, (0, -width % patch, 0, -height % patch), mode="replicate")
        folded = F.pixel_unshuffle(x, patch)
        h = self.enter(folded.flatten(2).transpose(1, 2)) + self.position
        for block in self.blocks:
            h = block(h, told)
        scale, shift = self.modulate(told)[:, None].chunk(2, 2)
        h = self.leave(F.layer_norm(h, h.shape[-1:]) * (1 + scale) + shift)
        pixels = F.pixel_shuffle(h.transpose(1, 2).unflatten(2, folded.shape[2:]), patch)
        return pixels[:, :, :height, :width]


class TransformerBlock(nn.Module):
    """Self-attention with normalised queries and keys, then an MLP, each scaled, shifted and gated by what is told."""

    def __init__(self, width: int, head: int = 64) -> None:
        super().__init__()
        self.heads = max(1, width // head)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.modulate = nn.Linear(width, 6 * width)
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)

    def forward(self, x: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        scale1, shift1, gate1, scale2, shift2, gate2 = self.modulate(told)[:, None].chunk(6, 2)
        x = x + gate1 * self._attend(F.layer_norm(x, x.shape[-1:]) * (1 + scale1) + shift1)
        h = F.layer_norm(x, x.shape[-1:]) * (1 + scale2) + shift2
        return x + gate2 * self.narrow(F.gelu(self.widen(h), approximate="tanh"))

    def _attend(self, x: torch.Tensor) -> torch.Tensor:
        b, n, c = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        q, k = F.rms_norm(q, q.shape[-1:]), F.rms_norm(k, k.shape[-1:])
        return self.out(attend(q, k, v.to(q.dtype)).transpose(1, 2).reshape(b, n, c))


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """softmax(q kᵀ / sqrt(d)) v for (B, heads, N, d).

    Written out for training on a CPU, where torch's fused kernel is several times slower backwards at these sizes.
    """
    if q.is_cuda or not torch.is_grad_enabled():
        return F.scaled_dot_product_attention(q, k, v)
    weights = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)
    return weights.to(v.dtype) @ v
