"""A moving average of weights whose length grows with the training.

average = Average(net, relative_length=0.05)
average.update(net)
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class Average:
    """EDM2's power-function average (Karras et al. 2024, eqs. 1 and 127): β_t = (1 − 1/t)^(γ + 1).

    The weights of the last t steps count with t^γ, so the average is as useful after 500 steps as after 500,000. Frozen
    weights have none.
    """

    def __init__(self, net: nn.Module, relative_length: float) -> None:
        self.power = _power_of(relative_length) if relative_length else None
        self.steps = 0
        self.weights = [p.detach().clone() for p in trained(net)]

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        self.steps += 1
        beta = 0.0 if self.power is None else (1 - 1 / self.steps) ** (self.power + 1)
        torch._foreach_lerp_(self.weights, [p.detach() for p in trained(net)], 1 - beta)

    @torch.no_grad()
    def swap(self, net: nn.Module) -> None:
        """Exchange the net's weights with the average; a second call undoes the first."""
        for p, average in zip(trained(net), self.weights, strict=True):
            kept = p.detach().clone()
            p.copy_(average)
            average.copy_(kept)

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps = state["steps"]
        for mine, saved in zip(self.weights, state["weights"], strict=True):
            mine.copy_(saved)


def trained(net: nn.Module) -> list[nn.Parameter]:
    """The parameters that are not frozen."""
    return [p for p in net.parameters() if p.requires_grad]


def _power_of(relative_length: float) -> float:
    """γ ≥ 0 with sqrt((γ+1) / ((γ+2)² (γ+3))) = relative_length (eq. 126), by bisection: the left side falls with γ."""
    low, high = 0.0, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        length = ((middle + 1) / ((middle + 2) ** 2 * (middle + 3))) ** 0.5
        low, high = (middle, high) if length > relative_length else (low, middle)
    return low
