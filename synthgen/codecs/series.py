"""Time series <-> float tensors of about unit variance; class, events and history are the condition.

codec = fit_series_codec(data.train, kinds=1)
x = codec.encode(rows)              # float32 (B, T, C)
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F

from ..diffusion.process import FLOW
from ..types import Columns, Condition, Process, WholeRows, count_rows

DESCRIPTOR_SIZE = 256  # values a row; enough to tell a copy
CONSTANT = 1e-9  # of a channel's largest value: such a spread is rounding

SHORTEST, SCALING = 0.8, 0.1  # of training rows that are varied
HISTORY, GAP, UNTOLD = 0.25, 0.15, 0.1  # shares of training rows that are given a history, a gap, no word of events


@dataclass(frozen=True)
class SeriesCodec(WholeRows):
    """x = (value − mean of the channel) / sd of the channel; a constant channel comes back as its mean.

    `elements` of a step are, in this order: whether the events are told (1), for each kind of event whether it is on
    and how severe it is (2 × kinds), the known value of each channel (C), whether it is known (1). Without kinds of
    events the first two are left out.
    """

    process: ClassVar[Process] = FLOW
    shape: tuple[int, int]  # (T, C)
    kinds: int
    mean: tuple[float, ...]  # by channel
    sd: tuple[float, ...]  # by channel; 0: constant

    @property
    def elements(self) -> int:
        """Channels of the condition `elements`."""
        return self.told + self.shape[1] + 1

    @property
    def told(self) -> int:
        """Channels that are about events."""
        return 1 + 2 * self.kinds if self.kinds else 0

    def encode(self, columns: Columns) -> torch.Tensor:
        """float32 (B, T, C)."""
        return torch.from_numpy(self._scale(columns["series"]))

    def condition(self, columns: Columns) -> Condition:
        """{"label": int64 (B,), "elements": float32 (B, T, E)}.

        `known` (N, T, C) with nan where nothing is known, where rows have it; `severity` (N, T) in [0, 1].
        """
        label = columns["label"]
        elements = np.zeros((len(label), self.shape[0], self.elements), np.float32)
        if self.kinds:
            elements[..., 0] = 1
            on = columns["events"][..., None] == np.arange(1, self.kinds + 1)
            elements[..., 1 : 1 + self.kinds] = on
            elements[..., 1 + self.kinds : self.told] = on * (2 * columns["severity"][..., None] - 1)
        if "known" in columns:
            known = ~np.isnan(columns["known"]).any(-1, keepdims=True)
            elements[..., self.told : -1] = np.where(known, self._scale(np.nan_to_num(columns["known"])), 0)
            elements[..., -1:] = known
        return {"label": torch.from_numpy(label).long(), "elements": torch.from_numpy(elements)}

    def decode(self, x: torch.Tensor, columns: Columns) -> Columns:
        """`columns` with "series", float32 (B, T, C); known values are passed on as they are."""
        mean, sd = np.array(self.mean), np.array(self.sd)
        series = (x.numpy().astype(np.float64) * sd + mean).astype(np.float32)
        if "known" in columns:
            series = np.where(np.isnan(columns["known"]), series, columns["known"])
        return {**columns, "series": series}

    def describe(self, columns: Columns) -> np.ndarray:
        """float32 (N, D ≤ 256, or C if that is more): the scaled series, averaged over stretches of time."""
        steps = max(1, min(self.shape[0], DESCRIPTOR_SIZE // self.shape[1]))
        x = torch.from_numpy(self._scale(columns["series"])).mT
        coarse = x if steps == self.shape[0] else F.adaptive_avg_pool1d(x, steps)
        found: np.ndarray = coarse.reshape(count_rows(columns), -1).numpy()
        return found

    def _scale(self, values: np.ndarray) -> np.ndarray:
        sd = np.array(self.sd)
        scaled = (values.astype(np.float64) - np.array(self.mean)) / np.where(sd > 0, sd, 1)
        return np.where(sd > 0, scaled, 0).astype(np.float32)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1))


def load_series_codec(path: Path) -> SeriesCodec:
    state = json.loads(path.read_text())
    return SeriesCodec(tuple(state["shape"]), state["kinds"], tuple(state["mean"]), tuple(state["sd"]))


def fit_series_codec(train: Columns, kinds: int) -> SeriesCodec:
    """Mean and standard deviation of each channel over all training rows."""
    series = train["series"].astype(np.float64)
    mean, sd = series.mean((0, 1)), series.std((0, 1))
    sd[sd <= CONSTANT * np.abs(series).max((0, 1))] = 0
    return SeriesCodec(series.shape[1:], kinds, tuple(mean.tolist()), tuple(sd.tolist()))


def vary_time(
    x: torch.Tensor, condition: Condition, names: tuple[str, ...], generator: torch.Generator
) -> tuple[torch.Tensor, Condition]:
    """Training rows seen a little longer (`warp`: a stretch of 80 % or more of each, read at its pace) or stronger
    (`scale`: each channel about its mean, by about 10 %). Events go along.

    The net is not told: what it draws is as varied. On the 32 training rows of motions the least validation loss was
    0.997 instead of 1.127 (one seed), but the judge refused most of the running that was drawn.
    """
    rows, length, channels = x.shape
    elements = condition["elements"]
    if "scale" in names:
        middle = x.mean(1, keepdim=True)
        x = middle + (x - middle) * torch.exp(SCALING * torch.randn(rows, 1, channels, generator=generator))
    if "warp" in names:
        share = 1 - (1 - SHORTEST) * torch.rand(rows, 1, generator=generator)
        start = (1 - share) * torch.rand(rows, 1, generator=generator)
        places = (start + share * torch.linspace(0, 1, length)) * (length - 1)
        before = places.long().clamp(max=length - 2)
        part = (places - before)[..., None]
        index = before[..., None].expand(-1, -1, channels)
        x = torch.lerp(x.gather(1, index), x.gather(1, index + 1), part)
        nearest = places.round().long()[..., None].expand(-1, -1, elements.shape[2])
        elements = elements.gather(1, nearest)
    return x, {**condition, "elements": elements}


def reveal_series(
    x: torch.Tensor, condition: Condition, kinds: int, generator: torch.Generator
) -> tuple[torch.Tensor, Condition]:
    """Training rows told at random what a sampler may be asked to keep to: nothing, a history, or all but a gap.

    One net then draws by class, places events, continues a history and fills gaps (the masks of CSDI, Tashiro et al.
    2021, §4.3, as channels). A share of the rows is told nothing of its events.
    """
    rows, length, channels = x.shape
    told = 1 + 2 * kinds if kinds else 0
    elements = condition["elements"].clone()
    if kinds:
        elements[..., :told] *= (torch.rand(rows, 1, 1, generator=generator) >= UNTOLD).float()
    u, ends = torch.rand(rows, 1, generator=generator), torch.rand(rows, 2, generator=generator).sort(1).values * length
    steps = torch.arange(length)[None]
    history, gap = u < HISTORY, u > 1 - GAP
    known = (history & (steps < ends[:, :1])) | (gap & ((steps < ends[:, :1]) | (steps >= ends[:, 1:])))
    elements[..., told:-1] = x * known[..., None]
    elements[..., -1] = known.float()
    return x, {**condition, "elements": elements}
