"""Small networks that read series, and the loop that fits them. Knows tensors only: neither classes nor scores.

Series are float32 (N, T, C). The same arguments and number of threads give the same weights, bit for bit; no global
seed is read.

    net = fit_sequences(Forecaster(7, 16), (x,), forecast_loss, steps=300, batch_size=64, seed=0)
    predicted = net(x[:, :-1])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .supervised import Schedule, draw, ramp

Net = TypeVar("Net", bound=nn.Module)
Loss = Callable[[nn.Module, tuple[Tensor, ...]], Tensor]
Vary = Callable[[tuple[Tensor, ...], int], tuple[Tensor, ...]]  # (batch, step)
CLIP = 1.0  # of the gradient's norm: recurrent nets have steep places


class EventNet(nn.Module):
    """Series (N, T, C) -> logits of "none" and each kind at every step, (N, T, 1 + kinds).

    Residual convolutions with gaps of 1 to 16 steps: a step sees 63 on either side.
    """

    def __init__(self, channels: int, kinds: int, width: int = 32):
        super().__init__()
        self.stem = nn.Conv1d(channels, width, 3, padding=1)
        self.layers = nn.ModuleList(
            nn.Conv1d(width, width, 5, padding=2 * gap, dilation=gap) for gap in (1, 2, 4, 8, 16)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(4, width) for _ in self.layers)
        self.head = nn.Conv1d(width, 1 + kinds, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x.transpose(1, 2))
        for layer, norm in zip(self.layers, self.norms, strict=True):
            h = h + F.relu(layer(norm(h)))
        out: Tensor = self.head(F.relu(h)).transpose(1, 2)
        return out


class Forecaster(nn.Module):
    """Series up to each step -> what comes next, (N, T, C) -> (N, T, C): the last value and a GRU's correction."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.gru = nn.GRU(channels, width, batch_first=True)
        self.head = nn.Linear(width, channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.head(self.gru(x)[0])
        return out


class Discriminator(nn.Module):
    """Series (N, T, C) -> logit that it is real, (N,), from the last state of two layers of GRU."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.gru = nn.GRU(channels, width, num_layers=2, batch_first=True)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.gru(x)[1][-1]).squeeze(1)
        return out


def event_loss(net: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
    """Cross-entropy per step; batch: series (B, T, C) and events int64 (B, T), 0 = none."""
    return F.cross_entropy(net(batch[0]).flatten(0, 1), batch[1].flatten())


def forecast_loss(net: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
    """Mean absolute error of the next step; batch: series (B, T, C)."""
    return (net(batch[0][:, :-1]) - batch[0][:, 1:]).abs().mean()


def tell_loss(net: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
    """Binary cross-entropy; batch: series (B, T, C) and float (B,), 1 = real."""
    return F.binary_cross_entropy_with_logits(net(batch[0]), batch[1])


def fit_sequences(
    net: Net,
    rows: Sequence[Tensor],
    loss: Loss,
    *,
    steps: int,
    batch_size: int,
    seed: int,
    rate: float = 1e-2,
    vary: Vary | None = None,
    longest: int | None = None,
) -> Net:
    """Draw the weights of `net` from `seed` and fit it to `rows`, tensors of equal length; back in eval mode.

    With `longest`, all of them (N, T, ...), a batch is a window of at most so many steps, the same for all its rows.
    """
    generator = torch.Generator().manual_seed(seed)
    initialise(net, generator)
    net.train()
    optimiser = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=1e-2)
    schedule = Schedule(steps, batch_size)
    batches = draw(len(rows[0]), batch_size, generator)
    for step, index in zip(range(steps), batches, strict=False):
        batch = tuple(values[index] for values in rows)
        batch = batch if vary is None else vary(batch, step)
        value = loss(net, batch if longest is None else cut_window(batch, longest, generator))
        net.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(net.parameters(), CLIP)
        optimiser.param_groups[0]["lr"] = rate * ramp(step, schedule)
        optimiser.step()
    return net.eval()


def cut_window(batch: tuple[Tensor, ...], longest: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """The same `longest` steps of tensors (B, T, ...), drawn anew; all of them where there are no more."""
    spare = max(batch[0].shape[1] - longest, 0)
    start = int(torch.randint(spare + 1, (), generator=generator))
    return tuple(values[:, start : start + longest] for values in batch)


def initialise(net: nn.Module, generator: torch.Generator) -> None:
    """Draw every matrix uniformly within the root of 1 / (its inputs), torch's own habit, from `generator`.

    Biases are 0 and normalisation starts as the identity.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv1d | nn.Linear | nn.GRU):
            for parameter in module.parameters():
                if parameter.ndim == 1:
                    nn.init.zeros_(parameter)
                else:
                    bound = (parameter.shape[1:].numel()) ** -0.5
                    nn.init.uniform_(parameter, -bound, bound, generator=generator)
