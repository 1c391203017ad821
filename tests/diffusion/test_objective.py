import diffusers
import pytest
import torch
from diffusers.training_utils import compute_snr

from synthgen.diffusion.flow import add_noise, expand
from synthgen.diffusion.objective import FineTuning, Objective, read_objective
from synthgen.diffusion.solvers import solve
from synthgen.errors import UserError
from synthgen.sampling.options import SampleOptions
from synthgen.training.options import TrainOptions

BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
KINDS = ["epsilon", "v_prediction", "sample"]


def ddim(kind: str, **more: object) -> diffusers.DDIMScheduler:
    return diffusers.DDIMScheduler(
        **BETAS, clip_sample=False, set_alpha_to_one=True, prediction_type=kind, timestep_spacing="trailing", **more
    )


def read(scheduler: object) -> Objective:
    return read_objective(scheduler, "it", 64)


def answer(z: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Some model: smooth in both."""
    return torch.tanh(z.roll(1, -1) - 0.3 * z) + 0.1 * torch.cos(expand(t.float(), z) / 300)


def as_denoiser(objective: Objective):
    def net(x, sigma, condition, keep=None):
        z, t = objective.enter(x, sigma)
        return objective.leave(answer(z, t), x, sigma)

    return net


@pytest.mark.parametrize("kind", KINDS)
def test_euler_on_flow_sigmas_makes_the_steps_of_ddim(kind):
    scheduler, noise = ddim(kind), torch.randn(3, 4, 6, generator=torch.Generator().manual_seed(0))
    scheduler.set_timesteps(8)
    wanted = noise
    for t in scheduler.timesteps:
        wanted = scheduler.step(answer(wanted, t.expand(3)), t, wanted).prev_sample
    objective = read(scheduler)
    sigmas = [float(objective.sigmas[t]) for t in scheduler.timesteps] + [0.0]
    k = ((1 - sigmas[0]) ** 2 + sigmas[0] ** 2) ** 0.5
    found = solve(as_denoiser(objective), noise * k, {}, sigmas, "euler")
    assert torch.allclose(found, wanted, atol=2e-4) and float(wanted.std()) > 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_perfect_model_says_is_the_row(kind):
    scheduler, x = ddim(kind), torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    noise, objective = torch.randn(5, 3, generator=torch.Generator().manual_seed(2)), read(scheduler)
    t = torch.tensor([0, 10, 400, 800, 999])
    signal = scheduler.alphas_cumprod[t].double()
    alpha, s = signal.sqrt()[:, None], (1 - signal).sqrt()[:, None]
    said = {"epsilon": noise, "v_prediction": alpha * noise - s * x, "sample": x}[kind].float()
    sigma = (s / (alpha + s))[:, 0].float()
    x_sigma = add_noise(x, noise, sigma)
    z, at = objective.enter(x_sigma, sigma)
    assert torch.allclose(z, scheduler.add_noise(x, noise, t), atol=1e-4)
    assert torch.allclose(at, t.float(), atol=0.02)
    assert torch.allclose(objective.leave(said, x_sigma, sigma), x, atol=2e-3)


def test_a_flow_sees_the_row_itself():
    objective = read(diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0))
    x, noise, sigma = torch.randn(2, 3), torch.randn(2, 3), torch.tensor([0.25, 1.0])
    x_sigma = add_noise(x, noise, sigma)
    z, t = objective.enter(x_sigma, sigma)
    assert torch.equal(z, x_sigma) and t.tolist() == [250.0, 1000.0]
    assert torch.allclose(objective.leave(noise - x, x_sigma, sigma), x, atol=1e-6)
    assert objective.shift == 3.0 and objective.largest == 1.0


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("gamma", [None, 5.0])
def test_the_loss_is_the_models_own_with_min_snr(kind, gamma):
    """Hang et al. 2023: the error of ε counts min(SNR, γ) / SNR, that of v min(SNR, γ) / (SNR + 1)."""
    scheduler = ddim(kind)
    objective, t = read(scheduler), torch.tensor([5, 300, 700, 990])
    x, noise = torch.randn(4, 6), torch.randn(4, 6)
    z = scheduler.add_noise(x, noise, t)
    error = answer(z, t) - (noise if kind == "epsilon" else scheduler.get_velocity(x, noise, t))
    snr = compute_snr(scheduler, t)
    weight = torch.ones(4) if gamma is None else snr.clamp(max=gamma) / (snr + (kind != "epsilon"))
    found = FineTuning(objective, gamma).loss(as_denoiser(objective), x, {}, None, (noise, objective.sigmas[t]))
    assert torch.allclose(found, weight * error.square().mean(1), rtol=2e-3)


def test_the_loss_of_a_flow_is_that_of_its_velocity():
    objective = Objective("flow")
    x, noise, sigma = torch.randn(4, 6), torch.randn(4, 6), torch.tensor([0.02, 0.3, 0.7, 0.99])
    z, t = objective.enter(add_noise(x, noise, sigma), sigma)
    wanted = (answer(z, t) - (noise - x)).square().mean(1)
    assert torch.allclose(
        FineTuning(objective).loss(as_denoiser(objective), x, {}, None, (noise, sigma)), wanted, rtol=1e-3
    )


def test_noise_levels_are_the_steps_of_the_base_or_logit_normal():
    x, levels, generator = torch.zeros(1000, 1), TrainOptions(sigma_mean=0.5), torch.Generator().manual_seed(0)
    objective = read(ddim("epsilon"))
    drawn = FineTuning(objective).draw(x, {}, levels, generator)[1]
    steps = torch.searchsorted(objective.sigmas, drawn)
    assert steps.unique().numel() == 1000 and torch.equal(objective.sigmas[steps], drawn)
    logits = torch.logit(FineTuning(Objective("flow")).draw(x, {}, levels, generator)[1])
    assert abs(float(logits.mean()) - 0.5) < 0.02 and abs(float(logits.std()) - 1) < 0.03


def test_sampling_begins_where_the_base_saw_noise_alone():
    objective, seen = read(ddim("epsilon")), []

    def net(x, sigma, condition, keep=None):
        seen.append((objective.enter(x, sigma)[0], float(sigma[0])))
        return torch.zeros_like(x)

    noise = torch.randn(2, 3)
    FineTuning(objective).solve(net, noise, {}, SampleOptions(steps=4))
    assert torch.allclose(seen[0][0], noise, atol=1e-5) and seen[0][1] == pytest.approx(objective.largest)
    assert 0.9 < objective.largest < 0.95  # Stable Diffusion's last step still shows 7 % of the picture


def test_the_shift_of_a_base_counts_where_the_recipe_names_none():
    seen: list[float] = []

    def net(x, sigma, condition, keep=None):
        seen.append(float(sigma[0]))
        return torch.zeros_like(x)

    process = FineTuning(Objective("flow", shift=3.0))
    for shift in (None, 1.0):
        process.solve(net, torch.zeros(1, 2), {}, SampleOptions(steps=2, shift=shift))
    assert seen == pytest.approx([1, 0.75, 1, 0.5])


def test_flux_shifts_by_the_number_of_tokens():
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    from diffusers.pipelines.flux.pipeline_flux import calculate_shift

    for tokens in (256, 1024, 4096):
        wanted = torch.tensor(calculate_shift(tokens)).exp()
        assert read_objective(scheduler, "it", tokens).shift == pytest.approx(float(wanted))


def test_sana_is_a_flow_under_a_scheduler_of_another_name():
    scheduler = diffusers.DPMSolverMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
    )
    assert read(scheduler) == Objective("flow", shift=3.0)


@pytest.mark.parametrize("scheduler", [diffusers.EDMEulerScheduler(), diffusers.KarrasVeScheduler()])
def test_an_unknown_objective_is_refused(scheduler):
    with pytest.raises(UserError, match=r"^model\.base: the scheduler of it, .* no objective .*; choose a base"):
        read(scheduler)
