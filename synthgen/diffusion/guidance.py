"""Classifier-free guidance (Ho & Salimans 2022, eq. 6) on the data prediction.

net = guide(net, scale=1.5)
"""

from __future__ import annotations

import torch

from ..types import Condition
from .flow import Denoiser


def guide(net: Denoiser, scale: float) -> Denoiser:
    """x̂ = x̂(∅) + scale · (x̂(c) − x̂(∅)), both in one batch; at scale 1 the net itself, at half the price."""
    if scale == 1.0:
        return net

    def guided(x: torch.Tensor, sigma: torch.Tensor, condition: Condition, keep: None = None) -> torch.Tensor:
        count = len(x)
        twice = {name: torch.cat([value, value]) for name, value in condition.items()}
        kept = torch.arange(2 * count, device=x.device) < count
        with_condition, without = net(torch.cat([x, x]), torch.cat([sigma, sigma]), twice, kept).chunk(2)
        return without + scale * (with_condition - without)

    return guided
