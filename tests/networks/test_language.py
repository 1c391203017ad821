"""The denoiser of texts: its shapes, what it is told, and that it learns to copy."""

import torch

from synthgen.diffusion.masked import Blocks
from synthgen.networks.language import TextDenoiser
from synthgen.sampling.options import SampleOptions
from synthgen.training.options import TrainOptions

MASK, HALF = 9, 5


def make_condition(rows):
    segment = torch.tensor([0] * HALF + [1] * HALF).expand(rows, -1)
    return {"segment": segment, "offset": torch.arange(HALF).repeat(2).expand(rows, -1)}


def test_logits_have_their_shape_and_depend_on_what_is_told():
    torch.manual_seed(0)
    net = TextDenoiser(vocabulary=10, segments=2, length=HALF, width=32, depth=1, classes=3, values=4)
    condition = make_condition(2) | {"label": torch.tensor([0, 2]), "value": torch.zeros(2, 10, dtype=torch.long)}
    torch.nn.init.normal_(net.modulate.weight)
    x, share = torch.full((2, 10), MASK), torch.ones(2)
    found = net(x, share, condition)
    assert found.shape == (2, 10, 10) and not torch.allclose(found[0], found[1])
    untold = net(x, share, condition, torch.zeros(2, dtype=torch.bool))
    torch.testing.assert_close(untold[0], untold[1])
    assert not torch.allclose(untold[0], found[0])
    valued = net(x, share, condition | {"value": torch.full((2, 10), 3)})
    assert not torch.allclose(valued, found)


def test_it_learns_to_write_the_reverse():
    torch.manual_seed(0)
    process = Blocks(MASK, end=10, pad=11)
    net = TextDenoiser(vocabulary=12, segments=2, length=HALF, width=64, depth=2)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)

    def draw(rows):
        one = torch.randint(0, 9, (rows, HALF), generator=generator)
        return torch.cat([one, one.flip(1)], 1)

    for _ in range(200):
        x, condition = draw(64), make_condition(64)
        drawn = process.draw(x, condition, TrainOptions(), generator)
        loss = process.loss(net, x, condition, None, drawn).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    x, steps = draw(100), SampleOptions(steps=4, temperature=0)
    known = x.clone()
    known[:, HALF:] = -1
    with torch.inference_mode():
        noise = process.draw_noise(0, range(100), (10,), steps)
        found = process.solve(net, noise, make_condition(100) | {"known": known}, steps)
    assert (found == x).all(1).float().mean() > 0.9
