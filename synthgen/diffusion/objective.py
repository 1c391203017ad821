"""What a pretrained diffusion model was trained to predict, read from its pipeline's own scheduler, as data prediction.

A variance-preserving model sees z_t = α_t x + s_t ε and predicts ε, v = α ε − s x (Salimans & Ho 2022) or x; a flow
model sees x_σ itself and predicts v = ε − x. With σ = s / (α + s) the two are one: z_t = (α + s) x_σ. So each is a
`Denoiser` in flow sigmas, which all solvers and shards here take, and each loss is a weight times |x̂ − x|².

    objective = read_objective(pipeline.scheduler)
    z, t = objective.enter(x_sigma, sigma)
    x_hat = objective.leave(net(z, t), x_sigma, sigma)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch

from ..errors import UserError
from ..types import Condition, Drawn, Levels, Steps
from .flow import Denoiser, draw_sigmas, expand
from .guidance import guide
from .process import Flow
from .solvers import schedule, solve

Kind = Literal["epsilon", "v_prediction", "sample", "flow"]
TIMES = 1000  # flow models are told σ in thousandths


@dataclass(frozen=True)
class Objective:
    """`signal`: ᾱ_t of the training steps of a variance-preserving model; empty for flows. `shift`: of sampling."""

    kind: Kind
    signal: tuple[float, ...] = ()
    shift: float = 1.0

    @cached_property
    def log_snr(self) -> torch.Tensor:
        """λ_t = log(α_t / s_t) of the training steps, falling, float64 (T,)."""
        signal = torch.tensor(self.signal, dtype=torch.float64)
        return 0.5 * (signal.log() - torch.log1p(-signal))

    @cached_property
    def sigmas(self) -> torch.Tensor:
        """The flow sigmas of the training steps, rising, float32 (T,)."""
        return torch.sigmoid(-self.log_snr).float()

    @property
    def largest(self) -> float:
        """The σ at which sampling begins: the noisiest that the model has seen."""
        return 1.0 if self.kind == "flow" else float(self.sigmas[-1])

    def enter(self, x: torch.Tensor, sigma: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """x_σ (B, …) at σ (B,) as the model wants it: (z, t float32 (B,)), t between training steps where σ is."""
        if self.kind == "flow":
            return x, sigma.float() * TIMES
        alpha, s, t = self._place(sigma)
        return x * expand(alpha + s, x).to(x.dtype), t

    def leave(self, output: torch.Tensor, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        """x̂ (B, …), float32, from what the model said of x_σ at σ."""
        output, x = output.float(), x.float()
        if self.kind == "flow":
            return x - expand(sigma.float(), x) * output
        if self.kind == "sample":
            return output
        alpha, s = (expand(part, x) for part in self._place(sigma)[:2])
        z = x * (alpha + s)
        if self.kind == "epsilon":
            return (z - s * output) / alpha
        return alpha * z - s * output

    def weight(self, sigma: torch.Tensor, gamma: float | None) -> torch.Tensor:
        """What |x̂ − x|² counts in the model's own loss, (B,).

        That of ε is SNR |x̂ − x|², that of v (SNR + 1) |x̂ − x|². `gamma`: at most so much of the SNR counts, for either
        (Hang et al. 2023, "Min-SNR", eq. 9); the velocity of a flow has 1/σ².
        """
        if self.kind == "flow":
            return 1 / sigma.square()
        alpha, s, _ = self._place(sigma)
        snr = (alpha / s).square()
        if gamma is not None:
            return snr.clamp(max=gamma)
        return {"epsilon": snr, "v_prediction": snr + 1, "sample": torch.ones_like(snr)}[self.kind]

    def _place(self, sigma: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(α, s, t) at σ, each float32 (B,); beyond the training steps those of the nearest."""
        table = self.log_snr.to(sigma.device)
        at = torch.logit(1 - sigma.double(), eps=1e-12).clamp(table[-1], table[0])
        after = torch.searchsorted(-table, -at).clamp(1, len(table) - 1)
        share = (table[after - 1] - at) / (table[after - 1] - table[after])
        t = (after - 1) + share
        return torch.sigmoid(2 * at).sqrt().float(), torch.sigmoid(-2 * at).sqrt().float(), t.float()


@dataclass(frozen=True)
class FineTuning(Flow):
    """The process of a model with an objective of its own: its noise levels, its loss, and the way back from its noise.

    Models that predict noise are trained on their own steps, all as often; flows on sigmoid(N(mean, sd)), as
    `diffusers.training_utils.compute_density_for_timestep_sampling` draws them, stratified.
    """

    objective: Objective
    gamma: float | None = None

    def draw(self, x: torch.Tensor, condition: Condition, levels: Levels, generator: torch.Generator) -> Drawn:
        """(noise, σ)."""
        noise = torch.randn(x.shape, generator=generator)
        if self.objective.kind == "flow":
            return noise, draw_sigmas(len(x), levels.sigma_mean, levels.sigma_sd, generator)
        u = (torch.randperm(len(x), generator=generator) + torch.rand(len(x), generator=generator)) / len(x)
        step = (u * len(self.objective.sigmas)).long().clamp(max=len(self.objective.sigmas) - 1)
        return noise, self.objective.sigmas[step]

    def loss(
        self, net: Denoiser, x: torch.Tensor, condition: Condition, keep: torch.Tensor | None, drawn: Drawn
    ) -> torch.Tensor:
        noise, sigma = drawn
        s = expand(sigma, x)
        x_hat = net((1 - s) * x + s * noise, sigma, condition, keep)
        return (x_hat.float() - x).square().flatten(1).mean(1) * self.objective.weight(sigma, self.gamma)

    def solve(self, net: Denoiser, noise: torch.Tensor, condition: Condition, steps: Steps) -> torch.Tensor:
        largest = self.objective.largest
        sigmas = [sigma * largest for sigma in schedule(steps.steps, steps.shift or self.objective.shift)]
        # z = ε at the noisiest step, and z = (α + s) x_σ with s / (α + s) = σ and α² + s² = 1
        start = noise * math.hypot(1 - largest, largest)
        return solve(guide(net, steps.guidance), start, condition, sigmas, steps.solver)


def read_objective(scheduler: Any, base: str, tokens: int) -> Objective:
    """The objective of diffusers' scheduler; `tokens`: of a row, where the shift depends on it. A UserError names
    model.base."""
    config = scheduler.config
    kind = config.get("prediction_type", "epsilon")
    if "FlowMatch" in type(scheduler).__name__:
        return Objective("flow", shift=_read_shift(config, tokens))
    if kind == "flow_prediction" or config.get("use_flow_sigmas"):
        return Objective("flow", shift=float(config.get("flow_shift") or 1.0))
    signal = getattr(scheduler, "alphas_cumprod", None)
    if signal is None or kind not in ("epsilon", "v_prediction", "sample"):
        raise UserError(
            f"model.base: the scheduler of {base}, {type(scheduler).__name__} with prediction_type {kind!r}, tells of "
            "no objective that can be trained here; choose a base that predicts epsilon, v, sample or a flow"
        )
    # a schedule that ends without any signal has no finite log SNR there
    kept = signal.double().clamp(1e-8, 1 - 1e-8)
    return Objective(kind, tuple(kept.tolist()))


def _read_shift(config: Any, tokens: int) -> float:
    """σ' = sσ / (1 + (s − 1)σ); with `use_dynamic_shifting` log s grows with the number of tokens (FLUX)."""
    if not config.get("use_dynamic_shifting"):
        return float(config.get("shift", 1.0))
    low, high = config.get("base_image_seq_len", 256), config.get("max_image_seq_len", 4096)
    least, most = config.get("base_shift", 0.5), config.get("max_shift", 1.15)
    return math.exp(least + (most - least) * (tokens - low) / (high - low))
