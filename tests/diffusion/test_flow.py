import torch

from synthgen.diffusion.flow import MIN_SIGMA, add_noise, draw_sigmas, flow_loss, loss_per_row


def test_noise_levels_have_the_asked_distribution():
    sigma = draw_sigmas(20000, 0.4, 0.8, torch.Generator().manual_seed(0))
    logits = torch.logit(sigma)
    assert abs(logits.mean() - 0.4) < 0.01 and abs(logits.std() - 0.8) < 0.01


def test_loss_is_the_error_of_the_velocity():
    x, noise, guess = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(1)).unbind(0)
    sigma = torch.tensor([0.2, 0.5, 0.9, 1.0])
    noisy = add_noise(x, noise, sigma)
    s = sigma.view(-1, 1, 1)
    velocity, guessed = noise - x, (noisy - guess) / s
    torch.testing.assert_close(loss_per_row(guess, x, sigma), (guessed - velocity).square().flatten(1).mean(1))


def test_weight_is_bounded_near_the_data():
    x = torch.zeros(1, 2)
    torch.testing.assert_close(loss_per_row(x + 1, x, torch.tensor([1e-6])), torch.tensor([1 / MIN_SIGMA**2]))


def test_a_perfect_net_has_no_loss():
    x = torch.ones(2, 3)
    loss = flow_loss(lambda *_: x, x, {}, None, torch.randn(2, 3), torch.tensor([0.3, 0.6]))
    assert torch.equal(loss, torch.zeros(2))
