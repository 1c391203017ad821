"""Muon for convolutions: a momentum step whose matrix is made nearly orthogonal, so that every direction learns alike.

K. Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks". torch.optim.Muon takes matrices only,
and spends five iterations where three were as good here. Knows parameters, not networks.

    optimiser = Muon([p for p in net.parameters() if p.ndim == 4], rate=0.1)
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import Parameter

QUINTIC = (3.4445, -4.7750, 2.0315)  # a, b, c of x -> ax + bx^3 + cx^5, which drives singular values towards 1
ITERATIONS = 3
MOMENTUM = 0.9


class Muon(torch.optim.Optimizer):
    """Steps of one size for tensors of two or more dimensions; all but the first are taken as the columns."""

    def __init__(self, parameters: Iterable[Parameter], rate: float, decay: float = 0.01):
        super().__init__(parameters, {"lr": rate, "decay": decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                gradient = parameter.grad
                momentum = self.state[parameter].setdefault("momentum", torch.zeros_like(gradient))
                momentum.lerp_(gradient, 1 - MOMENTUM)
                update = orthogonalise(gradient.lerp(momentum, MOMENTUM).flatten(1))
                size = max(1.0, update.shape[0] / update.shape[1]) ** 0.5
                parameter.mul_(1 - group["lr"] * group["decay"])
                parameter.add_(update.view(parameter.shape), alpha=-group["lr"] * size)


def orthogonalise(matrix: Tensor) -> Tensor:
    """Newton-Schulz iterations: the matrix with all its singular values brought to about 1; (M, N) -> (M, N)."""
    a, b, c = QUINTIC
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    wide = wide / wide.norm().clamp(min=1e-7)
    for _ in range(ITERATIONS):
        square = wide @ wide.T
        wide = a * wide + (b * square + c * square @ square) @ wide
    return wide if matrix.shape[0] <= matrix.shape[1] else wide.T
