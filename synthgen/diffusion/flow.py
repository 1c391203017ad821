"""Flow matching with data prediction.

    x_σ = (1 − σ) x + σ ε,   σ ∈ [0, 1],   ε ~ N(0, I)            (the convention of diffusers' flow-match schedulers)

The network is trained to give x̂(x_σ, σ). The velocity of the probability flow is v = ε̂ − x̂ = (x_σ − x̂) / σ
(Lipman et al. 2023; Liu et al. 2023, eq. 1).

    loss = flow_loss(net, x, condition, keep, noise, sigma)
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from ..types import Condition

Denoiser = Callable[..., torch.Tensor]  # (x_sigma (B, …), sigma (B,), condition, keep (B,) bool | None) -> x_hat

MIN_SIGMA = 0.05  # bounds the weight 1/σ² of the loss where x̂ is easy


def expand(sigma: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """σ (B,) as (B, 1, …, 1), to go with a batch."""
    return sigma.view(-1, *[1] * (like.ndim - 1))


def add_noise(x: torch.Tensor, noise: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """x_σ for x and noise (B, …) and σ (B,)."""
    s = expand(sigma, x)
    return (1 - s) * x + s * noise


def draw_sigmas(count: int, mean: float, sd: float, generator: torch.Generator) -> torch.Tensor:
    """σ = sigmoid(N(mean, sd)), stratified over the batch (Esser et al. 2024, eq. 19), float32 (count,).

    One draw from each of `count` equal slices of probability: the same distribution with less variance of the loss.
    """
    u = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    u = u[torch.randperm(count, generator=generator)].clamp(1e-4, 1 - 1e-4)
    return torch.sigmoid(mean + sd * torch.special.ndtri(u))


def loss_per_row(x_hat: torch.Tensor, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """|x̂ − x|² / max(σ, 0.05)², the mean over a row's elements: (B,). For σ > 0.05 this is the velocity's error."""
    error = (x_hat.float() - x).square().flatten(1).mean(1)
    return error / sigma.clamp(min=MIN_SIGMA).square()


def flow_loss(
    net: Denoiser, x: torch.Tensor, condition: Condition, keep: torch.Tensor | None, noise: torch.Tensor,
    sigma: torch.Tensor,
) -> torch.Tensor:  # fmt: skip
    """Denoising loss of each row, (B,)."""
    return loss_per_row(net(add_noise(x, noise, sigma), sigma, condition, keep), x, sigma)
