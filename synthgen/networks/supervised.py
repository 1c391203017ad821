"""Fits a vision network to labelled images, and runs a fitted one. Knows neither judges nor learners, and no files.

Images are uint8 (N, H, W) or (N, H, W, C); labels are (N,) for classes or (N, H, W) for masks, with IGNORED where
nothing is known.

    net = fit(Classifier(1, 8, 10), images, targets, Schedule(steps=300, batch_size=32), seed=0)
    for rows, logits, features in infer(net, images):
        ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .muon import Muon
from .vision import Classifier, Segmenter, initialise

Augment = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]
Net = TypeVar("Net", bound=nn.Module)
IGNORED = -100


@dataclass(frozen=True)
class Schedule:
    """How long to train, and how hard. The rates climb linearly for a fifth of the steps, then fall to 0.

    From the share `frozen` of the steps on, normalisation keeps the statistics that it has. Where labels follow from
    colours, as in tissue, batches differ in them, and half of the training with fixed statistics gave 2 to 4 points
    of IoU; digits lose 1 point to it.
    """

    steps: int
    batch_size: int
    rate: float = 1e-2  # AdamW: everything but 3x3 convolutions
    muon_rate: float = 0.03  # Muon: 3x3 convolutions; on tissue AdamW alone needs three times as many steps
    decay: float = 0.05
    warm: float = 0.2
    frozen: float = 1.0


def multiplies_bfloat16() -> bool:
    """Whether this CPU has bfloat16 instructions; without them bfloat16 is slower than float32."""
    return bool(torch.cpu._is_avx512_bf16_supported())


def as_pixels(images: np.ndarray) -> Tensor:
    """uint8 (N, H, W) or (N, H, W, C) -> uint8 (N, C, H, W), channels last in memory."""
    pixels = torch.from_numpy(np.ascontiguousarray(images))
    return (pixels[..., None] if pixels.ndim == 3 else pixels).permute(0, 3, 1, 2)


def as_targets(labels: np.ndarray, ignore: int | None = None) -> Tensor:
    """Class numbers of any integer type -> int16 or wider, with `ignore` turned into IGNORED."""
    targets = torch.from_numpy(labels.astype(np.int64 if labels.ndim == 1 else np.int16))
    return targets if ignore is None else targets.masked_fill_(targets == ignore, IGNORED)


def normalise(pixels: Tensor) -> Tensor:
    """uint8 -> float32 in [-1, 1]."""
    return pixels.float().div_(127.5).sub_(1)


def draw(rows: int, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Batches of row numbers without end: every row once, shuffled, before any comes again."""
    waiting = torch.empty(0, dtype=torch.long)
    while True:
        while len(waiting) < batch_size:
            waiting = torch.cat([waiting, torch.randperm(rows, generator=generator)])
        yield waiting[:batch_size]
        waiting = waiting[batch_size:]


def fit(
    net: Net,
    images: np.ndarray,
    targets: Tensor,
    schedule: Schedule,
    *,
    seed: int,
    augment: Augment | None = None,
) -> Net:
    """Draw the weights of `net` from `seed` and train it on cross-entropy; gives it back in eval mode.

    The same arguments and number of threads give the same weights, bit for bit.
    """
    generator = torch.Generator().manual_seed(seed)
    initialise(net, generator)
    net.train()
    optimisers = build_optimisers(net, schedule)
    batches = draw(len(targets), schedule.batch_size, generator)
    pixels, fast = as_pixels(images), multiplies_bfloat16()
    for step, index in zip(range(schedule.steps), batches, strict=False):
        if step == int(schedule.frozen * schedule.steps):
            freeze_statistics(net)
        x, y = normalise(pixels[index]), targets[index].long()
        if augment is not None:
            x, y = augment(x, y, generator)
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            logits = net(x)
        loss = F.cross_entropy(logits.float(), y, ignore_index=IGNORED, reduction="sum")
        net.zero_grad(set_to_none=True)
        (loss / (y != IGNORED).sum().clamp(min=1)).backward()
        for optimiser, rate in optimisers:
            optimiser.param_groups[0]["lr"] = rate * ramp(step, schedule)
            optimiser.step()
    return net.eval()


def build_optimisers(net: nn.Module, schedule: Schedule) -> list[tuple[torch.optim.Optimizer, float]]:
    """Muon for the 3x3 convolutions, AdamW for the rest; each with its peak rate."""
    inner = [p for p in net.parameters() if p.ndim == 4 and p.shape[-1] > 1]
    outer = [p for p in net.parameters() if p.ndim != 4 or p.shape[-1] == 1]
    adamw = torch.optim.AdamW(outer, lr=schedule.rate, weight_decay=schedule.decay, fused=True)
    return [(Muon(inner, schedule.muon_rate, momentum=0.9), schedule.muon_rate), (adamw, schedule.rate)]


def freeze_statistics(net: nn.Module) -> None:
    """Normalise with the running statistics from now on, as after training."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def ramp(step: int, schedule: Schedule) -> float:
    """Share of the peak learning rate at `step`, in (0, 1]."""
    climb = schedule.warm * schedule.steps
    fall = schedule.steps - climb
    return min((step + 1) / max(climb, 1), (schedule.steps - step) / max(fall, 1), 1.0)


def rows_at_once(pixels: Tensor) -> int:
    """How many images (N, C, H, W) go through a network together: about 2**17 pixels, a power of two."""
    size = max(1, pixels.shape[-2] * pixels.shape[-1])
    return max(1, min(256, 1 << max(0, (2**17 // size).bit_length() - 1)))


def infer(net: Classifier | Segmenter, images: np.ndarray) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Rows, logits and features, batch by batch, in float32.

    Every batch has the same size (the last is filled up), so that what is said of a row does not depend, in any bit,
    on the rows beside it. The network is in eval mode.
    """
    pixels, fast = as_pixels(images), multiplies_bfloat16()
    count = rows_at_once(pixels)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=fast):
        for start in range(0, len(pixels), count):
            batch = pixels[start : start + count]
            rows = slice(start, start + len(batch))
            if len(batch) < count:
                batch = torch.cat([batch, batch.new_zeros(count - len(batch), *batch.shape[1:])])
            x = normalise(batch).contiguous(memory_format=torch.channels_last)
            logits, features = net.both(x)
            shown = rows.stop - rows.start
            yield rows, logits[:shown].float(), features[:shown].float()
