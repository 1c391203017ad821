import pytest
import torch

from synthgen.training.ema import Average, _power_of


@pytest.mark.parametrize("length", [0.05, 0.1, 0.2])
def test_average_has_the_asked_relative_length(length):
    """The weights of the past, as a distribution over [0, 1], have the asked standard deviation (EDM2, eq. 126)."""
    steps, net = 4000, torch.nn.Linear(1, 1, bias=False)
    average, weights = Average(net, length), torch.zeros(4000)
    power = _power_of(length)
    for step in range(1, steps + 1):
        beta = (1 - 1 / step) ** (power + 1)
        weights *= beta
        weights[step - 1] = 1 - beta
    at = torch.arange(1, steps + 1) / steps
    mean = (weights * at).sum()
    assert abs(float(((weights * (at - mean) ** 2).sum()).sqrt()) - length) < 0.05 * length
    assert abs(float(weights.sum()) - 1) < 1e-4
    assert average.power == power


def test_update_swap_and_zero_length():
    net = torch.nn.Linear(2, 2)
    average, plain = Average(net, 0.1), Average(net, 0)
    with torch.no_grad():
        for value in (1.0, 2.0, 3.0):
            for p in net.parameters():
                p.fill_(value)
            average.update(net)
            plain.update(net)
    assert all(torch.equal(w, torch.full_like(w, 3.0)) for w in plain.weights)
    assert all(1 < float(w.flatten()[0]) < 3 for w in average.weights)
    average.swap(net)
    assert float(net.weight[0, 0]) < 3
    average.swap(net)
    assert float(net.weight[0, 0]) == 3
