import sys

import pytest
import torch

from synthgen.errors import UserError
from synthgen.networks.lora import add_lora
from synthgen.networks.unet import UNetOptions, build_unet
from synthgen.training.optimizer import build_optimizers, learning_rate_at, require_optimizer
from synthgen.training.options import TrainOptions


@pytest.mark.parametrize(("name", "count"), [("muon", 2), ("adamw", 1)])
def test_every_parameter_has_exactly_one_optimizer(name, count):
    net = build_unet((1, 8, 8), 3, "label", UNetOptions(widths=(8, 16)))
    optimizers = build_optimizers(net, TrainOptions(optimizer=name))
    assert len(optimizers) == count
    owned = sum(p.numel() for o in optimizers for group in o.param_groups for p in group["params"])
    assert owned == sum(p.numel() for p in net.parameters())


def test_thin_matrices_are_for_adamw():
    net = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Linear(8, 8))
    add_lora(net, 2, 2.0, ("1",))
    (adamw,) = build_optimizers(net, TrainOptions(optimizer="muon"))
    assert isinstance(adamw, torch.optim.AdamW)
    owned = [tuple(p.shape) for group in adamw.param_groups for p in group["params"]]
    assert sorted(owned) == [(2, 8), (8, 2)]


def test_learning_rate_rises_holds_and_falls():
    options = TrainOptions(warmup=0.1, decay=0.5)
    rates = [learning_rate_at(share, options) for share in (0.0, 0.05, 0.1, 0.5, 0.75, 1.0)]
    assert rates == pytest.approx([0.001, 0.501, 1, 1, 0.5, 0], abs=1e-6)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_eight_bit_adamw_says_that_it_needs_a_gpu():
    options = TrainOptions(optimizer="adamw8bit")
    net = torch.nn.Linear(2, 2)
    for ask in (lambda: require_optimizer(options), lambda: build_optimizers(net, options)):
        with pytest.raises(UserError, match=r"^train\.optimizer: adamw8bit needs an NVIDIA GPU, .* set it to adamw$"):
            ask()


def test_eight_bit_adamw_says_what_to_install(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(UserError, match=r"^train\.optimizer: .* run: pip install bitsandbytes"):
        require_optimizer(TrainOptions(optimizer="adamw8bit"))
    require_optimizer(TrainOptions(optimizer="adamw"))


@pytest.mark.gpu
def test_eight_bit_adamw_learns_and_takes_a_quarter_of_the_memory():
    pytest.importorskip("bitsandbytes")
    net = torch.nn.Linear(512, 512).cuda()
    (optimizer,) = build_optimizers(net, TrainOptions(optimizer="adamw8bit", learning_rate=1e-2))
    x = torch.randn(64, 512, device="cuda")
    losses = []
    for _ in range(50):
        loss = (net(x) - x).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss))
    assert losses[-1] < 0.5 * losses[0]
    assert optimizer.state[net.weight]["state1"].element_size() == 1
