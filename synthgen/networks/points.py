"""A small network that reads point clouds on a CPU in seconds: what class, and which part each point is of.

After PointNet (Qi et al. 2017, arXiv:1612.00593): the same layers for each point, the maximum over the points, and each
point looked at again beside that maximum. Points come with their sines, so that few layers draw sharp borders. Knows
tensors and arrays; judges and learners build it and fit it apart from each other.

    net = fit_points(PointNet(classes=6, parts=9), points, label, part, SCHEDULE, seed=0)
    for rows, class_logits, part_logits, features in infer_points(net, points):
        ...
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .muon import Muon
from .supervised import Schedule, draw, multiplies_bfloat16, ramp
from .vision import initialise

Augment = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]
OCTAVES = 2
SEEN = 256  # points of a row in a training step; 32 rows of 256 taught more than 16 of 512 in the same time
ROWS_AT_ONCE = 32
SCHEDULE = Schedule(steps=250, batch_size=32, rate=1e-2, muon_rate=0.1)


def dense(inputs: int, outputs: int) -> nn.Sequential:
    """Linear, normalisation, ReLU, for (N, inputs)."""
    return nn.Sequential(nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU(inplace=True))


class PointNet(nn.Module):
    """Points in about [-1, 1] -> logits of the class and of each point's part."""

    def __init__(self, classes: int, parts: int, width: int = 32):
        super().__init__()
        self.feature_width = 4 * width
        self.near = nn.Sequential(dense(3 + 6 * OCTAVES, width), dense(width, 2 * width))
        self.far = dense(2 * width, 4 * width)
        self.whole = dense(4 * width, 4 * width)
        self.classify = nn.Linear(4 * width, classes)
        self.again, self.beside = nn.Linear(2 * width, 2 * width), nn.Linear(4 * width, 2 * width, bias=False)
        self.joined = nn.Sequential(nn.BatchNorm1d(2 * width), nn.ReLU(inplace=True), dense(2 * width, 2 * width))
        self.segment = nn.Linear(2 * width, parts)

    def forward(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, P, 3) -> class logits (B, classes), part logits (B, parts, P), features (B, feature_width)."""
        rows, count, _ = points.shape
        waves = [f(2**octave * math.pi * points) for octave in range(OCTAVES) for f in (torch.sin, torch.cos)]
        near = self.near(torch.cat([points, *waves], 2).flatten(0, 1))
        features = self.whole(self.far(near).view(rows, count, -1).amax(1))
        # the linear layer over [near, features], without writing the features out for each point
        mixed = self.again(near).view(rows, count, -1) + self.beside(features)[:, None]
        part_logits = self.segment(self.joined(mixed.flatten(0, 1))).view(rows, count, -1)
        return self.classify(features), part_logits.mT, features


def fit_points(
    net: PointNet, points: np.ndarray, label: np.ndarray, part: np.ndarray, schedule: Schedule, *, seed: int,
    augment: Augment | None = None,
) -> PointNet:  # fmt: skip
    """Draw the weights of `net` from `seed` and train it on points (N, P, 3), label (N,) and part (N, P).

    The loss is the cross-entropy of the class and that of the parts, added; each step sees 256 points a row. Gives the
    net back in eval mode. The same arguments and number of threads give the same weights, bit for bit.
    """
    generator = torch.Generator().manual_seed(seed)
    initialise(net, generator)
    net.train()
    optimisers = build_optimisers(net, schedule)
    batches = draw(len(points), schedule.batch_size, generator)
    fast, shown = multiplies_bfloat16(), min(SEEN, points.shape[1])
    for step, index in zip(range(schedule.steps), batches, strict=False):
        chosen = torch.rand(len(index), points.shape[1], generator=generator).topk(shown, 1).indices
        x = torch.from_numpy(points[index.numpy()]).gather(1, chosen[..., None].expand(-1, -1, 3))
        y = torch.from_numpy(part[index.numpy()]).long().gather(1, chosen)
        if augment is not None:
            x, y = augment(x, y, generator)
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            class_logits, part_logits, _ = net(x)
        loss = F.cross_entropy(class_logits.float(), torch.from_numpy(label[index.numpy()]).long())
        loss = loss + F.cross_entropy(part_logits.float(), y)
        net.zero_grad(set_to_none=True)
        loss.backward()
        for optimiser, rate in optimisers:
            optimiser.param_groups[0]["lr"] = rate * ramp(step, schedule)
            optimiser.step()
    return net.eval()


def build_optimisers(net: PointNet, schedule: Schedule) -> list[tuple[torch.optim.Optimizer, float]]:
    """Muon for the matrices between the first layer and the heads, AdamW for the rest; each with its peak rate."""
    matrices: list[Any] = [layer.weight for layer in net.modules() if isinstance(layer, nn.Linear)]
    ends = {id(matrices[0]), id(net.classify.weight), id(net.segment.weight)}
    inner = [matrix for matrix in matrices if id(matrix) not in ends]
    outer = [p for p in net.parameters() if not any(p is matrix for matrix in inner)]
    adamw = torch.optim.AdamW(outer, lr=schedule.rate, weight_decay=schedule.decay, fused=True)
    return [(Muon(inner, schedule.muon_rate, momentum=0.9), schedule.muon_rate), (adamw, schedule.rate)]


def thin_points(values: np.ndarray, limit: int) -> np.ndarray:
    """At most `limit` points of each row, evenly spaced, of a column (N, P, ...)."""
    count = values.shape[1]
    return values if count <= limit else values[:, np.linspace(0, count - 1, limit).astype(np.int64)]


def infer_points(net: PointNet, points: np.ndarray) -> Iterator[tuple[slice, Tensor, Tensor, Tensor]]:
    """Rows, class logits, part logits and features of all points (N, P, 3), batch by batch, in float32.

    Every batch has the same size (the last is filled up), so that what is said of a row does not depend, in any bit,
    on the rows beside it. The network is in eval mode.
    """
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=multiplies_bfloat16()):
        for start in range(0, len(points), ROWS_AT_ONCE):
            batch = torch.from_numpy(np.ascontiguousarray(points[start : start + ROWS_AT_ONCE]))
            rows = slice(start, start + len(batch))
            if len(batch) < ROWS_AT_ONCE:
                batch = torch.cat([batch, batch.new_zeros(ROWS_AT_ONCE - len(batch), *batch.shape[1:])])
            shown = rows.stop - rows.start
            class_logits, part_logits, features = (found[:shown].float() for found in net(batch))
            yield rows, class_logits, part_logits, features
