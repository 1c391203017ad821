"""From (conditions, row indices) to rows, on one device, without Ray or threads of its own.

The local engine and a Serve replica wrap this same class.

    sampler = Sampler(net, codec, options, seed=0)
    rows = sampler.sample({"label": labels}, indices)
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from ..diffusion.precision import bf16_is_fast
from ..types import Codec, Columns, Condition, count_rows, join_rows, take_rows
from .options import SampleOptions


class Sampler:
    """Owns the net from here on: it is moved to the sampling precision and put in evaluation mode."""

    def __init__(self, net: nn.Module, codec: Codec, options: SampleOptions, seed: int) -> None:
        self.codec, self.options, self.seed = codec, options, seed
        fast = options.precision == "bf16" or (options.precision == "auto" and bf16_is_fast())
        self.dtype = torch.bfloat16 if fast else torch.float32
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.net = nn.Module.to(net.eval(), self.device, self.dtype)  # diffusers' own `to` warns of float32 modules

    @torch.inference_mode()
    def sample(self, conditions: Columns, indices: np.ndarray) -> Columns:
        """`conditions` with the generated column. Row i's noise follows from (seed, indices[i]) alone."""
        parts, order, conditions = [], [], self.codec.lay_out(conditions)
        for part in self._batches(conditions):
            rows = take_rows(conditions, part)
            noise, condition = self._prepare(rows, indices[part])
            x = self.codec.process.solve(self.net, noise, condition, self.options)
            parts.append(self.codec.decode(x.cpu(), rows))
            order.append(part)
        return take_rows(join_rows(*parts), np.argsort(np.concatenate(order), kind="stable"))

    def _batches(self, conditions: Columns) -> Iterator[np.ndarray]:
        """Rows in their order; where widths differ, those of about the same width together."""
        size, widths = self.options.batch_size, self.codec.widths(conditions)
        order = np.arange(count_rows(conditions)) if widths is None else np.argsort(widths, kind="stable")
        for start in range(0, len(order), size):
            yield order[start : start + size]

    @torch.inference_mode()
    def time_bare(self, conditions: Columns, seconds: float) -> tuple[int, float]:
        """(rows, seconds) of a loop over the denoiser alone, with the same weights, batch, steps and precision."""
        conditions = self.codec.lay_out(conditions)
        batches = [self._prepare(take_rows(conditions, part), part) for part in self._batches(conditions)]
        done, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            for noise, condition in batches:
                self.codec.process.call(self.net, noise, condition, self.options)
                if self.device.type == "cuda":
                    torch.cuda.synchronize()
                done += len(noise)
        return done, time.perf_counter() - began

    def _prepare(self, rows: Columns, indices: np.ndarray) -> tuple[torch.Tensor, Condition]:
        condition, widths = self.codec.condition(rows), self.codec.widths(rows)
        shape = self.codec.shape if widths is None else (int(widths.max()), *self.codec.shape[1:])
        noise = self.codec.process.draw_noise(self.seed, indices, shape, self.options).to(self.device)
        return noise, {name: value.to(self.device) for name, value in condition.items()}
