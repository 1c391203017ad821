import pytest
import torch

from synthgen.networks.unet import UNetOptions, build_unet
from synthgen.training.optimizer import KernelMuon, build_optimizers, learning_rate_at
from synthgen.training.options import TrainOptions


def test_muon_on_a_kernel_is_muon_on_its_matrix():
    kernel = torch.nn.Parameter(torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0)))
    matrix = torch.nn.Parameter(kernel.detach().clone().view(4, 27))
    gradient = torch.randn(4, 27, generator=torch.Generator().manual_seed(1))
    ours, torchs = KernelMuon([kernel], lr=0.1), torch.optim.Muon([matrix], lr=0.1)
    for _ in range(3):
        kernel.grad, matrix.grad = gradient.view(4, 3, 3, 3).clone(), gradient.clone()
        ours.step()
        torchs.step()
    torch.testing.assert_close(kernel.detach().view(4, 27), matrix.detach())


@pytest.mark.parametrize(("name", "count"), [("muon", 2), ("adamw", 1)])
def test_every_parameter_has_exactly_one_optimizer(name, count):
    net = build_unet((1, 8, 8), 3, "label", UNetOptions(widths=(8, 16)))
    optimizers = build_optimizers(net, TrainOptions(optimizer=name))
    assert len(optimizers) == count
    owned = sum(p.numel() for o in optimizers for group in o.param_groups for p in group["params"])
    assert owned == sum(p.numel() for p in net.parameters())


def test_learning_rate_rises_holds_and_falls():
    options = TrainOptions(warmup=0.1, decay=0.5)
    rates = [learning_rate_at(share, options) for share in (0.0, 0.05, 0.1, 0.5, 0.75, 1.0)]
    assert rates == pytest.approx([0.001, 0.501, 1, 1, 0.5, 0], abs=1e-6)
