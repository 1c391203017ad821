import numpy as np
import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, FlowMatchEulerDiscreteScheduler

from synthgen.diffusion.guidance import guide
from synthgen.diffusion.solvers import SOLVERS, schedule, solve

MEAN, SD = 1.5, 0.7


def posterior_mean(x, sigma, condition, keep):
    """E[x | x_σ] for x ~ N(MEAN, SD²): the exact x̂ of Gaussian data."""
    s = sigma.view(-1, 1)
    gain = (1 - s) * SD**2 / ((1 - s) ** 2 * SD**2 + s**2)
    return MEAN + gain * (x - (1 - s) * MEAN)


def exact(noise):
    """The probability flow of Gaussian data carries each quantile of the noise to the same quantile of the data."""
    return MEAN + SD * noise


@pytest.fixture
def noise():
    return torch.randn(64, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("heun", 2)])
def test_error_falls_with_the_order_of_the_solver(noise, solver, order):
    errors = [
        float((solve(posterior_mean, noise, {}, schedule(steps), solver) - exact(noise)).abs().max())
        for steps in (40, 80)
    ]
    assert errors[0] / errors[1] > 0.85 * 2**order


def test_dpm_solver_beats_euler_at_ten_steps(noise):
    error = {
        name: float((solve(posterior_mean, noise, {}, schedule(10), name) - exact(noise)).abs().max())
        for name in SOLVERS
    }
    assert error["dpm++"] < error["euler"] / 4


def test_euler_is_diffusers_flow_match_euler(noise):
    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000)
    scheduler.set_timesteps(sigmas=np.array(schedule(12)[:-1]))
    x = noise.float()
    for step, t in enumerate(scheduler.timesteps):
        sigma = scheduler.sigmas[step]
        x_hat = posterior_mean(x, sigma.expand(len(x)), {}, None)
        x = scheduler.step((x - x_hat) / sigma, t, x).prev_sample
    torch.testing.assert_close(solve(posterior_mean, noise.float(), {}, schedule(12), "euler"), x, atol=1e-5, rtol=1e-5)


def test_dpm_solver_is_diffusers_multistep_solver_on_flow_sigmas(noise):
    sigmas = [0.95, 0.8, 0.6, 0.4, 0.2, 0.05, 0.0]  # below 1, where diffusers' logarithms are finite
    scheduler = DPMSolverMultistepScheduler(
        use_flow_sigmas=True, prediction_type="flow_prediction", algorithm_type="dpmsolver++", solver_order=2,
        final_sigmas_type="zero", lower_order_final=True, num_train_timesteps=1000,
    )  # fmt: skip
    scheduler.set_timesteps(len(sigmas) - 1)
    scheduler.sigmas = torch.tensor(sigmas)
    scheduler.timesteps = torch.tensor(sigmas[:-1]) * 1000
    x = noise.float()
    for step, t in enumerate(scheduler.timesteps):
        sigma = scheduler.sigmas[step]
        x_hat = posterior_mean(x, sigma.expand(len(x)), {}, None)
        x = scheduler.step((x - x_hat) / sigma, t, x).prev_sample
    torch.testing.assert_close(solve(posterior_mean, noise.float(), {}, sigmas, "dpm++"), x, atol=2e-4, rtol=2e-4)


def test_schedule_is_even_or_shifted_towards_noise():
    assert schedule(4) == [1, 0.75, 0.5, 0.25, 0]
    shifted = schedule(4, shift=3.0)
    assert (
        shifted[0] == 1
        and shifted[-1] == 0
        and all(a > b for a, b in zip(shifted[1:-1], [0.75, 0.5, 0.25], strict=True))
    )


def test_guidance_moves_away_from_the_unconditional_prediction():
    def net(x, sigma, condition, keep):
        told = condition["label"].float() if keep is None else torch.where(keep, condition["label"].float(), 0.0)
        return x * 0 + told.view(-1, 1)

    x, sigma, condition = torch.zeros(3, 2), torch.ones(3), {"label": torch.tensor([1, 2, 3])}
    torch.testing.assert_close(
        guide(net, 2.5)(x, sigma, condition), 2.5 * condition["label"].float().view(-1, 1).expand(3, 2)
    )
    assert guide(net, 1.0) is net
