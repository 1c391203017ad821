"""From (conditions, row indices) to rows, on one device, without Ray or threads of its own.

The local engine and a Serve replica wrap this same class.

    sampler = Sampler(net, codec, options, seed=0)
    rows = sampler.sample({"label": labels}, indices)
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from copy import copy

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

    def with_options(self, options: SampleOptions) -> Sampler:
        """The same net on other terms."""
        other = copy(self)
        other.options = options
        return other

    @torch.inference_mode()
    def sample(
        self, conditions: Columns, indices: np.ndarray, *, seeds: np.ndarray | None = None, lanes: int = 1
    ) -> Columns:
        """`conditions` with the generated column. Row i's noise follows from (seed, indices[i]) alone; `seeds`, int64
        (N,), gives each row a seed of its own.

        Batches are filled up to a multiple of `lanes` rows with copies that are thrown away: hardware may round
        otherwise in a batch of another size.
        """
        parts, order, conditions = [], [], self.codec.lay_out(conditions)
        own = np.full(len(indices), self.seed, np.int64) if seeds is None else seeds
        for part in self._batches(conditions):
            full = np.resize(part, -(-len(part) // lanes) * lanes)
            noise, condition = self._prepare(take_rows(conditions, full), indices[full], own[full])
            x = self.codec.process.solve(self.net, noise, condition, self.options)[: len(part)]
            parts.append(self.codec.decode(x.cpu(), take_rows(conditions, part)))
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
        batches = [
            self._prepare(take_rows(conditions, part), part, np.full(len(part), self.seed, np.int64))
            for part in self._batches(conditions)
        ]
        done, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            for noise, condition in batches:
                self.codec.process.call(self.net, noise, condition, self.options)
                if self.device.type == "cuda":
                    torch.cuda.synchronize()
                done += len(noise)
        return done, time.perf_counter() - began

    def _prepare(self, rows: Columns, indices: np.ndarray, seeds: np.ndarray) -> tuple[torch.Tensor, Condition]:
        condition, widths = self.codec.condition(rows), self.codec.widths(rows)
        shape = self.codec.shape if widths is None else (int(widths.max()), *self.codec.shape[1:])
        noise = self.codec.process.draw_noise(seeds, indices, shape, self.options).to(self.device)
        return noise, {name: value.to(self.device) for name, value in condition.items()}
