import pytest

from synthgen.networks.unet import UNetOptions, build_unet
from synthgen.training.optimizer import build_optimizers, learning_rate_at
from synthgen.training.options import TrainOptions


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
