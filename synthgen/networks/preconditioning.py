"""What every denoiser wraps around its network, and how it is told noise level and condition.

x_hat = precondition(lambda scaled: net(scaled, told), x, sigma)
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from ..diffusion.flow import expand
from ..types import Condition

AUGMENTED = 8  # numbers that tell how a training row was changed, if it was
ONE_HOT_LIMIT = 16  # masks of more classes are embedded instead: one-hot channels would outgrow the image's


def precondition(
    inner: Callable[[torch.Tensor], torch.Tensor],
    x: torch.Tensor,
    sigma: torch.Tensor,
    dtype: torch.dtype,
) -> torch.Tensor:
    """x̂ = c_skip x_σ + c_out F(c_in x_σ).

    The preconditioning is that of EDM (Karras et al. 2022, table 1) rewritten for x_σ = (1−σ)x + σε and data of unit
    variance: with n² = (1−σ)² + σ², c_skip = (1−σ)/n², c_out = σ/n, c_in = 1/n.
    """
    s = expand(sigma.float(), x)
    norm = ((1 - s).square() + s.square()).sqrt()
    return (1 - s) / norm.square() * x + s / norm * inner((x / norm).to(dtype)).to(x.dtype)


def fourier_features(sigma: torch.Tensor, count: int = 64) -> torch.Tensor:
    """Sines and cosines of 1000 σ, float32 (B, count) (Vaswani et al. 2017, §3.5)."""
    frequencies = torch.exp(torch.arange(count // 2, device=sigma.device) * (-9.21034 / (count // 2)))
    angles = 1000 * sigma.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], 1)


class Teller(nn.Module):
    """An embedding (B, width) of the noise level and, where rows have them, of class, numbers and augmentation.

    `numbers` of them stand in the condition `name`, float (B, numbers); zero is usual.
    """

    def __init__(
        self, width: int, classes: int, numbers: int = 0, name: str = "appearance", augmented: bool = True
    ) -> None:
        super().__init__()
        self.name = name
        self.time = nn.Sequential(nn.Linear(64, width), nn.SiLU(), nn.Linear(width, width))
        self.label = nn.Embedding(classes + 1, width) if classes else None  # the last one: not told
        self.augmented = nn.Linear(AUGMENTED, width, bias=False) if augmented else None  # zero: unchanged
        self.numbers = nn.Linear(numbers, width, bias=False) if numbers else None

    def forward(
        self, sigma: torch.Tensor, condition: Condition, keep: torch.Tensor | None, dtype: torch.dtype
    ) -> torch.Tensor:
        told = self.time(fourier_features(sigma).to(dtype))
        if self.label is not None:
            label = condition["label"]
            if keep is not None:
                label = torch.where(keep, label, torch.full_like(label, self.label.num_embeddings - 1))
            told = told + self.label(label).to(told.dtype)
        if self.numbers is not None and self.name in condition:
            told = told + self.numbers(condition[self.name].to(dtype))
        if self.augmented is not None and "augmented" in condition:
            told = told + self.augmented(condition["augmented"].to(dtype))
        return nn.functional.silu(told)


class MaskReader(nn.Module):
    """Masks (B, H, W) as channels (B, K, H, W): one-hot for few classes, an embedding for many.

    Values beyond the classes (the ignore value) and conditions that are not told are all zeros.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes, self.channels = classes, min(classes, ONE_HOT_LIMIT)
        self.embedding = nn.Embedding(classes, self.channels) if classes > ONE_HOT_LIMIT else None

    def forward(self, mask: torch.Tensor, keep: torch.Tensor | None, dtype: torch.dtype) -> torch.Tensor:
        if self.embedding is None:
            channels = (mask[:, None] == torch.arange(self.classes, device=mask.device).view(1, -1, 1, 1)).to(dtype)
        else:
            known = (mask < self.classes)[..., None]
            channels = (self.embedding(mask.clamp(max=self.classes - 1)) * known).permute(0, 3, 1, 2).to(dtype)
        return channels if keep is None else channels * keep.view(-1, 1, 1, 1)
