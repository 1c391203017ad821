"""The mathematics of masked diffusion against the enumeration of every row and every mask of a toy vocabulary."""

from itertools import product
from math import factorial

import numpy as np
import pytest
import torch

from synthgen.diffusion.guidance import guide
from synthgen.diffusion.masked import (
    LEAST,
    Masking,
    bound_likelihood,
    choose_tokens,
    draw_rates,
    hide,
    is_behind,
    put_peaks_first,
    write,
)
from synthgen.sampling.options import SampleOptions
from synthgen.training.options import TrainOptions

TOKENS, LENGTH, MASK = 3, 3, 3  # tokens 0, 1, 2; the fourth stands for a hidden one
ROWS = torch.tensor(list(product(range(TOKENS), repeat=LENGTH)))
CHANCE = np.random.default_rng(5).dirichlet(np.full(len(ROWS), 0.4))
FREE = {"segment": torch.zeros(1, LENGTH, dtype=torch.long), "known": torch.full((1, LENGTH), -1)}


def exact(x, sigma, condition, keep):
    """log p(token | what is seen) of every position, by enumeration of CHANCE."""
    fits = ((x[:, None] == MASK) | (x[:, None] == ROWS)).all(2).double() @ torch.diag(torch.tensor(CHANCE))
    whole = torch.nn.functional.one_hot(ROWS, TOKENS + 1).double()
    return (torch.einsum("br,rlv->blv", fits, whole) / fits.sum(1)[:, None, None]).log().float()


def repeat(condition, rows):
    return {name: values.expand(rows, *values.shape[1:]) for name, values in condition.items()}


def test_the_bound_of_an_exact_net_is_the_likelihood():
    condition = repeat(FREE, len(ROWS))
    total = torch.zeros(len(ROWS))
    for hidden in product([False, True], repeat=LENGTH):
        many = sum(hidden)
        chance = factorial(many) * factorial(LENGTH - many) / factorial(LENGTH + 1)  # over t ~ U(0, 1)
        mask = torch.tensor(hidden).expand(len(ROWS), LENGTH)
        total += chance * bound_likelihood(exact, ROWS, condition, MASK, mask)
    torch.testing.assert_close(total, -torch.tensor(CHANCE).log().float(), rtol=1e-4, atol=1e-4)


def test_rows_written_one_by_one_in_a_random_order_have_the_exact_distribution():
    count = 20_000
    process = Masking(mask=MASK, choice=1e6)
    steps = SampleOptions(steps=LENGTH, temperature=1)
    noise = process.draw_noise(0, range(count), (LENGTH,), steps)
    found = process.solve(exact, noise, repeat(FREE, count), steps)
    seen = np.bincount((found @ torch.tensor([9, 3, 1])).numpy(), minlength=len(ROWS)) / count
    assert np.abs(seen - CHANCE).sum() < 0.03  # total variation x 2; about 0.02 by chance
    together = process.solve(exact, noise[:, :1], repeat(FREE, count), SampleOptions(steps=1, temperature=1))
    wrong = np.bincount((together @ torch.tensor([9, 3, 1])).numpy(), minlength=len(ROWS)) / count
    assert np.abs(wrong - CHANCE).sum() > 0.1  # at once, each position for itself: the price of few steps


def test_what_is_known_stays_and_what_is_banned_never_comes():
    known = torch.tensor([[2, -1, -1]]).expand(500, 3)
    banned = torch.tensor([[False, True, False, False]]).expand(500, 4)
    steps = SampleOptions(steps=2, temperature=1)
    noise = Masking(MASK).draw_noise(0, range(500), (3,), steps)
    x = Masking(MASK).solve(exact, noise, {"known": known, "banned": banned}, steps)
    assert (x[:, 0] == 2).all() and not (x == 1).any() and not (x == MASK).any()


def test_rounds_come_one_after_the_other_and_share_the_steps():
    seen = []

    def net(x, sigma, condition, keep):
        seen.append((x == MASK).sum(1).tolist() + (x[0] == MASK).tolist())
        return torch.zeros(*x.shape, 4)

    condition = {"known": torch.full((1, 8), -1), "round": torch.tensor([[1, 1, 0, 0, 0, 0, 1, 1]])}
    noise = torch.rand(1, 4, 2, 8)
    write(net, noise, condition, Masking(MASK), 4, 0.8)
    assert [hidden for hidden, *_ in seen] == [8, 6, 4, 2]
    assert not any(np.array(seen[2][1:])[2:6]) and all(np.array(seen[2][1:])[[0, 1, 6, 7]])
    Masking(MASK).call(net, noise, condition, SampleOptions(steps=4))
    assert len(seen) == 8


def test_more_steps_than_positions_and_fewer_steps_than_rounds_still_write_everything():
    condition = {"known": torch.full((2, 3), -1), "round": torch.tensor([[0, 1, 2]] * 2)}
    for steps in (1, 2, 16):
        options = SampleOptions(steps=steps)
        noise = Masking(MASK).draw_noise(0, range(2), (3,), options)
        assert (Masking(MASK).solve(exact, noise, condition, options) != MASK).all()


def test_a_row_does_not_depend_on_its_company():
    steps = SampleOptions(steps=3)
    whole = Masking(MASK).draw_noise(7, range(40), (3,), steps)
    some = Masking(MASK).draw_noise(7, [5, 30], (3,), steps)
    assert torch.equal(whole[[5, 30]], some)
    found = Masking(MASK).solve(exact, whole, repeat(FREE, 40), steps)
    assert torch.equal(found[[5, 30]], Masking(MASK).solve(exact, some, repeat(FREE, 2), steps))


def test_tokens_follow_the_distribution_and_at_temperature_zero_are_the_likeliest():
    logits = torch.tensor([0.2, 0.5, 0.3, 0.0]).log().expand(1, 9999, 4)
    u = (torch.arange(9999) + 0.5)[None] / 9999
    token, sure = choose_tokens(logits, u, 1.0)
    assert np.bincount(token[0]).tolist() == pytest.approx([2000, 5000, 2999], abs=2)
    assert torch.allclose(sure[0, token[0] == 1], torch.tensor(0.5))
    assert (choose_tokens(logits, u, 0)[0] == 1).all()
    assert (choose_tokens(logits, torch.ones(1, 9999), 1.0)[0] < 4).all()


def test_training_shows_the_states_that_writing_goes_through():
    rows = 4000
    segment = torch.tensor([-1, 0, 0, 0, 1, 1, 1, 1]).expand(rows, 8)
    x = torch.zeros(rows, 8, dtype=torch.long)
    generator = torch.Generator().manual_seed(0)
    hidden, scored = Masking(MASK).draw(x, {"segment": segment}, TrainOptions(), generator)
    assert not hidden[:, 0].any() and (hidden | ~scored).all() and scored.any(1).all()
    first, second = scored[:, 1:4].any(1), scored[:, 4:].any(1)
    both = first & second
    assert 0.02 < float(both.float().mean()) < 0.12
    for mine, other in ((slice(1, 4), slice(4, 8)), (slice(4, 8), slice(1, 4))):
        rest = hidden[scored[:, mine].any(1) & ~both][:, other]
        assert (rest.all(1) | ~rest.any(1)).all()  # the other segment is all there, or not there at all
        assert 0.4 < float(rest.all(1).float().mean()) < 0.6


def test_rates_cover_their_range_and_something_is_always_hidden():
    rates = draw_rates(1000, torch.Generator().manual_seed(0)).sort().values
    squares = rates.square()
    assert float(squares[0]) >= LEAST
    assert torch.allclose(squares, LEAST + (1 - LEAST) * torch.linspace(0, 1, 1000), atol=2e-3)
    free = torch.tensor([[True, False, True], [False, False, False]])
    assert hide(torch.full((2, 3), 0.9), torch.full((2, 1), 0.05), free).sum(1).tolist() == [1, 0]


def test_the_loss_is_the_mean_cross_entropy_of_what_is_scored():
    x = torch.tensor([[0, 1, 2], [2, 2, 1]])
    hidden = torch.tensor([[True, True, False], [False, False, True]])
    scored = torch.tensor([[True, False, False], [False, False, True]])
    shown = []

    def net(tokens, sigma, condition, keep):
        shown.append((tokens, sigma))
        return torch.tensor([1.0, 2.0, 3.0, 0.0]).expand(2, 3, 4)

    loss = Masking(MASK).loss(net, x, {}, None, (hidden, scored))
    logs = torch.tensor([1.0, 2.0, 3.0, 0.0]).log_softmax(0)
    torch.testing.assert_close(loss, -logs[[0, 1]])
    assert shown[0][0].tolist() == [[3, 3, 2], [2, 2, 3]] and shown[0][1].tolist() == pytest.approx([2 / 3, 1 / 3])


def test_a_validation_loss_is_the_same_each_time():
    x, condition = torch.zeros(3, 8, dtype=torch.long), {"segment": torch.zeros(3, 8, dtype=torch.long)}
    one, two = (list(Masking(MASK).probe(x, condition, 4, range(3))) for _ in range(2))
    assert len(one) == 5 and all(torch.equal(a[0], b[0]) for a, b in zip(one, two, strict=True))
    assert [float(hidden.float().mean()) for hidden, _ in one] == sorted(float(h.float().mean()) for h, _ in one)


def test_guidance_moves_away_from_what_the_net_says_without_its_condition():
    def net(x, sigma, condition, keep):
        told = torch.tensor([2.0, 0, 0, 0]) * (1 if keep is None else keep.float()[:, None, None])
        return told.expand(len(x), 3, 4)

    x, sigma = torch.full((2, 3), MASK), torch.ones(2)
    plain, guided = guide(net, 1.0), guide(net, 2.0)
    assert guided(x, sigma, {}, None).softmax(-1)[0, 0, 0] > plain(x, sigma, {}, None).softmax(-1)[0, 0, 0]


def test_surer_than_both_neighbours_comes_first():
    sure = torch.tensor([[-1.0, -0.5, -0.6, -3.0, -2.0, -torch.inf]])
    order = put_peaks_first(sure).argsort(1, descending=True)[0].tolist()
    assert order[:2] == [1, 4] and order[2:4] == [2, 0] and order[-1] == 5


def test_behind_an_end_stands_nothing_else():
    end = torch.tensor([[False, True, False, False, False, True]])
    segment = torch.tensor([[0, 0, 0, 1, 1, 1]])
    assert is_behind(end, segment)[0].tolist() == [False, False, True, False, False, False]

    def net(x, sigma, condition, keep=None):
        logits = torch.zeros(*x.shape, 4)
        logits[:, 1, 2] = 9.0  # an end at the second place is what it is surest of
        return logits

    steps, count = SampleOptions(steps=3, temperature=0), 1
    process = Masking(MASK, end=2, pad=0)
    known, segment = torch.full((count, 6), -1), torch.zeros(count, 6, dtype=torch.long)
    noise = process.draw_noise(0, range(count), (6,), steps)
    x = process.solve(net, noise, {"known": known, "segment": segment}, steps)
    assert x[0, 1] == 2 and x[0, 2:].tolist() == [0, 0, 0, 0]
