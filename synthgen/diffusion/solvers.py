"""Few-step solvers of the probability-flow ODE on flow sigmas. Each takes x̂-predictions only.

x = solve(net, noise, condition, sigmas=schedule(10), solver="dpm++")
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log

import torch

from ..types import Condition
from .flow import Denoiser
from .stopping import go_on


def schedule(steps: int, shift: float = 1.0) -> list[float]:
    """`steps` + 1 values from 1 to 0, even, then shifted: σ' = sσ / (1 + (s − 1)σ) (Esser et al. 2024, eq. 23)."""
    even = [1 - i / steps for i in range(steps + 1)]
    return [shift * s / (1 + (shift - 1) * s) for s in even]


def solve(
    net: Denoiser, x: torch.Tensor, condition: Condition, sigmas: Sequence[float], solver: str = "dpm++"
) -> torch.Tensor:
    """From noise x (B, …) at sigmas[0] to data at sigmas[-1] = 0.

    `euler` and `dpm++` call the net once an interval, `heun` twice (once in the last).
    """
    return SOLVERS[solver](net, x, condition, sigmas)


def _at(net: Denoiser, x: torch.Tensor, sigma: float, condition: Condition) -> torch.Tensor:
    go_on()
    return net(x, x.new_full((len(x),), sigma), condition, None).to(x.dtype)


def _euler(net: Denoiser, x: torch.Tensor, condition: Condition, sigmas: Sequence[float]) -> torch.Tensor:
    """x_t = (t/s) x_s + (1 − t/s) x̂: the Euler step along v = (x − x̂)/σ."""
    for s, t in zip(sigmas[:-1], sigmas[1:], strict=True):
        x = torch.lerp(_at(net, x, s, condition), x, t / s)
    return x


def _heun(net: Denoiser, x: torch.Tensor, condition: Condition, sigmas: Sequence[float]) -> torch.Tensor:
    """Heun's method (Karras et al. 2022, algorithm 1) in flow sigmas; the last interval, to 0, is an Euler step."""
    for s, t in zip(sigmas[:-1], sigmas[1:], strict=True):
        v = (x - _at(net, x, s, condition)) / s
        guess = x + (t - s) * v
        x = guess if t == 0 else x + (t - s) / 2 * (v + (guess - _at(net, guess, t, condition)) / t)
    return x


def _dpm_solver(net: Denoiser, x: torch.Tensor, condition: Condition, sigmas: Sequence[float]) -> torch.Tensor:
    """DPM-Solver++(2M) (Lu et al. 2022, algorithm 2) with α = 1 − σ and λ = log(α/σ).

    The first step (λ = −∞ at σ = 1) and the last (λ = ∞ at σ = 0) are of first order: there h has no finite value, and
    a first-order last step is what the paper advises for few steps.
    """
    previous, h_previous = None, float("inf")
    for s, t in zip(sigmas[:-1], sigmas[1:], strict=True):
        x_hat = _at(net, x, s, condition)
        h = _log_snr(t) - _log_snr(s)
        d = x_hat
        if previous is not None and t > 0 and h_previous < float("inf"):
            r = h_previous / h
            d = torch.lerp(x_hat, previous, -1 / (2 * r))  # x̂ + (x̂ − previous) / 2r, in one pass over memory
        # exp(−h) = (α_s/σ_s)/(α_t/σ_t), so α_t (1 − exp(−h)) = (1 − t) − t (1 − s)/s = 1 − t/s
        x = torch.lerp(d, x, t / s)
        previous, h_previous = x_hat, h
    return x


def _log_snr(sigma: float) -> float:
    if sigma <= 0:
        return float("inf")
    return log((1 - sigma) / sigma) if sigma < 1 else float("-inf")


SOLVERS: dict[str, Callable[..., torch.Tensor]] = {"euler": _euler, "heun": _heun, "dpm++": _dpm_solver}
