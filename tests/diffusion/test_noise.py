import numpy as np
import torch

from synthgen.diffusion.noise import draw_noise, row_generator, step_generator


def test_a_row_has_the_same_noise_in_any_company():
    alone = draw_noise(3, [7], (2, 5))
    together = draw_noise(3, [0, 7, 9], (2, 5))
    assert torch.equal(alone[0], together[1])


def test_rows_seeds_and_streams_differ():
    drawn = {
        row_generator(seed, index, stream).random()
        for seed in (0, 1, 2**63 - 1) for index in (0, 1, 10**12) for stream in ("noise", "condition")
    }  # fmt: skip
    assert len(drawn) == 18


def test_noise_is_standard_normal():
    noise = draw_noise(0, range(2000), (64,)).numpy()
    assert abs(noise.mean()) < 0.01 and abs(noise.std() - 1) < 0.01
    assert abs(np.corrcoef(noise[:-1].ravel(), noise[1:].ravel())[0, 1]) < 0.01


def test_a_step_draws_the_same_after_a_restart():
    first, again = (torch.rand(3, generator=step_generator(1, 20, "train")) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, torch.rand(3, generator=step_generator(1, 21, "train")))
