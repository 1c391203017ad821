"""Masked diffusion against the enumeration of a toy vocabulary; what is learnt against what is read when writing."""

from itertools import product
from math import factorial

import numpy as np
import pytest
import torch
from reading import learn_and_read

from synthgen.diffusion.decoding import choose_tokens
from synthgen.diffusion.masked import LEAST, Blocks, draw_rates, hide_blocks, number_blocks
from synthgen.networks.language import TextDenoiser
from synthgen.sampling.options import SampleOptions
from synthgen.training.options import TrainOptions

TOKENS, LENGTH, MASK, END = 3, 4, 3, 4  # tokens 0, 1, 2; the fourth stands for a hidden one
ROWS = torch.tensor(list(product(range(TOKENS), repeat=LENGTH)))
CHANCE = np.random.default_rng(5).dirichlet(np.full(len(ROWS), 0.4))


class Exact:
    """log p(token | what was kept and what is seen of the block) of every position, by enumeration of CHANCE."""

    def __init__(self, condition):
        self.x = torch.full(condition["known"].shape, MASK)

    def start(self, condition, keep=None):
        return Exact(condition)

    def keep(self, place, x, there, block):
        self.x = self.x.scatter(1, torch.where(there, place, 0), torch.where(there, x, self.x[:, :1]))

    def look(self, place, x, there, asked):
        seen = self.x.scatter(1, place, x)
        fits = ((seen[:, None] == MASK) | (seen[:, None] == ROWS)).all(2).double() @ torch.diag(torch.tensor(CHANCE))
        whole = torch.nn.functional.one_hot(ROWS, TOKENS + 1).double()
        logits = (torch.einsum("br,rlv->blv", fits, whole) / fits.sum(1)[:, None, None]).log().float()
        return logits.gather(1, place[..., None].expand(-1, -1, TOKENS + 1))[asked]

    def select(self, rows):
        self.x = self.x[rows]


def free(count, length=LENGTH):
    offset = torch.arange(length).expand(count, length)
    return {"segment": torch.zeros_like(offset), "offset": offset, "known": torch.full_like(offset, -1)}


def share(found):
    return np.bincount((found @ torch.tensor([27, 9, 3, 1])).numpy(), minlength=len(ROWS)) / len(found)


def exact(x, sigma, condition, keep):
    """log p(token | what it may look at) of every asked position, by enumeration of CHANCE."""
    found = []
    for row, asked in condition["asked"].nonzero().tolist():
        seen = torch.full((LENGTH,), MASK)
        keys = condition["allowed"][row, asked] & (x[row] != MASK)
        seen[condition["offset"][row, keys]] = x[row, keys]
        fits = ((seen == MASK) | (seen == ROWS)).all(1).double() * torch.tensor(CHANCE)
        own = ROWS[:, condition["offset"][row, asked]]
        found.append(torch.zeros(TOKENS + 1).double().index_add(0, own, fits) / fits.sum())
    return torch.stack(found).log().float()


def test_the_loss_of_an_exact_net_is_the_likelihood_token_by_token():
    condition = free(len(ROWS))
    hidden = torch.ones(len(ROWS), LENGTH, dtype=torch.bool)
    loss = Blocks(MASK, END, pad=9, size=1).loss(exact, ROWS, condition, None, (hidden, hidden))
    torch.testing.assert_close(LENGTH * loss, -torch.tensor(CHANCE).log().float(), rtol=1e-4, atol=1e-4)


def test_its_mean_over_rates_and_masks_is_the_likelihood_of_a_block():
    condition, total = free(len(ROWS)), torch.zeros(len(ROWS))
    for mask in product([False, True], repeat=LENGTH):
        many = sum(mask)
        chance = factorial(many) * factorial(LENGTH - many) / factorial(LENGTH + 1)  # over t ~ U(0, 1)
        hidden = torch.tensor(mask).expand(len(ROWS), LENGTH)
        if many:
            loss = Blocks(MASK, END, pad=9).loss(exact, ROWS, condition, None, (hidden, hidden))
            total += chance * (LENGTH + 1) * loss  # Sahoo et al. 2024, eq. 8, with t integrated out
    torch.testing.assert_close(total, -torch.tensor(CHANCE).log().float(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [1, 2])
def test_one_token_a_step_gives_the_exact_distribution(size):
    count = 20_000
    process, steps = Blocks(MASK, END, size=size, choice=1e6, sure=2), SampleOptions(steps=LENGTH, temperature=1)
    condition = free(count)
    noise = process.draw_noise(0, range(count), (LENGTH,), steps)
    found = process.solve(Exact(condition), noise, condition, steps)
    assert np.abs(share(found) - CHANCE).sum() < 0.06  # total variation x 2; about 0.05 by chance
    together = process.solve(Exact(condition), noise, condition, SampleOptions(steps=1, temperature=1))
    assert (np.abs(share(together) - CHANCE).sum() > 0.15) == (size > 1)  # at once: the price of few steps


def make_net():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = TextDenoiser(vocabulary=40, segments=3, length=20, width=64, depth=2, classes=3, values=5)
        for parameter in net.parameters():
            if parameter.ndim == 2:
                torch.nn.init.normal_(parameter, std=0.2)
    return net.eval()


def make_rows():
    texts = [(2, 4, 4, 3), (1, 3, 6, 6), (3, 6, 5), (0, 7, 9)]  # what is always seen, then the texts
    segment, offset = torch.full((4, 16), -1), torch.zeros(4, 16, dtype=torch.long)
    for row, (first, *sizes) in enumerate(texts):
        offset[row, :first] = torch.arange(first)
        start = first
        for number, size in enumerate(sizes):
            segment[row, start : start + size], offset[row, start : start + size] = number, torch.arange(size)
            start += size
    generator = torch.Generator().manual_seed(2)
    x, value = torch.randint(5, 40, (4, 16), generator=generator), torch.randint(0, 6, (4, 16), generator=generator)
    x[(segment < 0) & (torch.arange(16) > 5)] = 0
    return x, {"segment": segment, "offset": offset, "value": value, "label": torch.tensor([0, 1, 2, 0])}


@pytest.mark.parametrize("size", [2, 4, 16])
def test_a_block_is_learnt_as_it_is_written(size):
    net, (x, condition) = make_net(), make_rows()
    process = Blocks(1, 2, 0, size)
    hidden, _ = process.draw(x, condition, TrainOptions(), torch.Generator().manual_seed(1))
    learnt, read = learn_and_read(net, x, condition, hidden, process)
    torch.testing.assert_close(read, learnt, rtol=1e-4, atol=1e-4)
    assert len(learnt) == int(hidden.sum())


@pytest.mark.parametrize("steps", [1, 2, 8])
def test_everything_is_written_what_is_known_stays_and_company_does_not_matter(steps):
    net, (x, condition) = make_net(), make_rows()
    known = torch.where(condition["segment"] >= 0, -1, x)
    known[1, 1:4], known[2, 9:14] = 7, 9  # before and after what is to be written
    process, options = Blocks(1, 2, 0), SampleOptions(steps=steps)
    noise = process.draw_noise(0, range(4), (16,), options)
    told = {**condition, "known": known}
    with torch.inference_mode():
        found = process.solve(net, noise, told, options)
        some = process.solve(net, noise[1:3], {name: values[1:3] for name, values in told.items()}, options)
        guided = process.solve(net, noise, told, SampleOptions(steps=steps, guidance=3.0))
    assert not (found == 1).any() and torch.equal(found[known >= 0], known[known >= 0])
    assert torch.equal(found[1:3], some) and not torch.equal(found, guided) and not (guided == 1).any()


def test_shorter_rows_have_the_first_numbers_of_longer_ones():
    process, options = Blocks(1, 2), SampleOptions(steps=3)
    long, short = (process.draw_noise(5, [2, 9], (length,), options) for length in (24, 16))
    assert torch.equal(long[:, :16], short) and process.draw_noise(5, [], (8,), options).shape == (0, 8, 3, 2)


def test_a_text_that_is_closed_is_left():
    class Net:
        """The likeliest token of a second place is the end."""

        looks = 0

        def start(self, condition, keep=None):
            return self

        def keep(self, place, x, there, block):
            pass

        def look(self, place, x, there, asked):
            Net.looks += 1
            logits = torch.zeros(*place.shape, 6)
            logits[..., 5] = 3
            logits[place % 8 == 1] = torch.tensor([0, 0, 0, 0, 9.0, 0])
            return logits[asked]

    condition = {
        "segment": torch.tensor([[0] * 8 + [1] * 8]), "offset": torch.arange(8).repeat(2)[None],
        "known": torch.full((1, 16), -1),
    }  # fmt: skip
    steps = SampleOptions(steps=4, temperature=0)
    process = Blocks(MASK, END, 0)
    x = process.solve(Net(), process.draw_noise(0, [0], (16,), steps), condition, steps)
    assert x[0].tolist() == [5, 4, 0, 0, 0, 0, 0, 0] * 2 and Net.looks <= 4


def test_every_block_hides_something_at_a_rate_of_its_own():
    x, condition = make_rows()
    many = {name: values.repeat(500, *[1] * (values.ndim - 1)) for name, values in condition.items()}
    hidden, scored = Blocks(1, 2).draw(x.repeat(500, 1), many, TrainOptions(), torch.Generator().manual_seed(0))
    block = number_blocks(many, 4)
    assert torch.equal(hidden, scored) and not hidden[block < 0].any()
    for number in range(int(block.max()) + 1):
        there = (block == number).any(1)
        assert (hidden & (block == number)).any(1)[there].all()
    whole = (hidden | (block != 0)).all(1).float().mean()
    assert 0.2 < float(whole) < 0.6  # some blocks are hidden whole, most are not
    u = torch.full((1, 16), 0.5)
    assert int(hide_blocks(u, torch.zeros(1, 4), torch.zeros(1, 16, dtype=torch.long)).sum()) >= 1


def test_a_validation_loss_is_the_same_each_time_and_sees_five_rates():
    x, condition = make_rows()
    one, two = (list(Blocks(1, 2).probe(x, condition, 4, range(4))) for _ in range(2))
    assert len(one) == 1 and torch.equal(one[0][0], two[0][0])
    part = list(Blocks(1, 2).probe(x[2:], {n: v[2:] for n, v in condition.items()}, 4, [2, 3]))
    assert torch.equal(part[0][0], one[0][0][2:])


def test_tokens_follow_the_distribution_and_at_temperature_zero_are_the_likeliest():
    logits = torch.tensor([0.2, 0.5, 0.3, 0.0]).log().expand(1, 9999, 4)
    u = (torch.arange(9999) + 0.5)[None] / 9999
    token, sure = choose_tokens(logits, u, 1.0)
    assert np.bincount(token[0]).tolist() == pytest.approx([2000, 5000, 2999], abs=2)
    assert torch.allclose(sure[0, token[0] == 1], torch.tensor(0.5))
    assert (choose_tokens(logits, u, 0)[0] == 1).all()
    assert (choose_tokens(logits, torch.ones(1, 9999), 1.0)[0] < 4).all()


def test_rates_cover_their_range():
    rates = draw_rates(1000, torch.Generator().manual_seed(0)).sort().values
    squares = rates.square()
    assert float(squares[0]) >= LEAST
    assert torch.allclose(squares, LEAST + (1 - LEAST) * torch.linspace(0, 1, 1000), atol=2e-3)
