"""The processes that the engine trains and samples with: a codec names the one for its tensors.

They know tensors, neither rows nor recipes.

    drawn = FLOW.draw(x, condition, levels, generator)
    loss = FLOW.loss(net, x, condition, keep, drawn).mean()
    x = FLOW.solve(net, FLOW.draw_noise(seed, indices, shape, steps), condition, steps)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..types import Condition, Drawn, Levels, Steps
from .flow import Denoiser, draw_sigmas, flow_loss
from .guidance import guide
from .noise import PROBED, Seed, draw_noise
from .solvers import schedule, solve


@dataclass(frozen=True)
class Flow:
    """Flow matching of real numbers (`flow`), and the solvers of its probability-flow ODE (`solvers`)."""

    def draw(self, x: torch.Tensor, condition: Condition, levels: Levels, generator: torch.Generator) -> Drawn:
        """(noise, σ)."""
        sigma = draw_sigmas(len(x), levels.sigma_mean, levels.sigma_sd, generator)
        return torch.randn(x.shape, generator=generator), sigma

    def probe(self, x: torch.Tensor, condition: Condition, seed: int, indices: Sequence[int]) -> Iterator[Drawn]:
        noise = draw_noise(seed, indices, tuple(x.shape[1:])).to(x.device)
        for level in PROBED:
            yield noise, x.new_full((len(x),), level)

    def loss(
        self, net: Denoiser, x: torch.Tensor, condition: Condition, keep: torch.Tensor | None, drawn: Drawn
    ) -> torch.Tensor:
        noise, sigma = drawn
        return flow_loss(net, x, condition, keep, noise, sigma)

    def draw_noise(
        self, seed: Seed, indices: Sequence[int] | np.ndarray, shape: tuple[int, ...], steps: Steps
    ) -> torch.Tensor:
        return draw_noise(seed, indices, shape)

    def solve(self, net: Denoiser, noise: torch.Tensor, condition: Condition, steps: Steps) -> torch.Tensor:
        sigmas = schedule(steps.steps, steps.shift or 1.0)
        return solve(guide(net, steps.guidance), noise, condition, sigmas, steps.solver)

    def call(self, net: Denoiser, noise: torch.Tensor, condition: Condition, steps: Steps) -> None:
        calls = steps.steps if steps.solver != "heun" else 2 * steps.steps - 1
        guided, sigma = guide(net, steps.guidance), noise.new_full((len(noise),), 0.5)
        for _ in range(calls):
            guided(noise, sigma, condition, None)


FLOW = Flow()
