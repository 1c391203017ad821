"""A small transformer that writes a text token by token: the usual model of texts, and what diffusion is held against.

Part of a row is seen from the start, such as the sentence to translate, and is read in both directions; what follows is
written from left to right (a prefix language model, Raffel et al. 2020, section 3.2.1). It knows token numbers and
codes of values; `vocabulary` and `slots` know texts.

    net = fit_lines(lines, Shape(len(vocabulary), segments=3), steps=500, seed=0)
    generate(net, [line.opening for line in lines], longest=32)         # [[token, …, END], …]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..diffusion.precision import bf16_is_fast
from ..types import group_by_width
from ..vocabulary import END, PAD
from .muon import Muon

HEAD = 32
STEP = 8  # rows are filled up to a multiple of so many tokens
BATCH_TOKENS = 16_384  # of rows that are read together
STAYING = 0.75  # of the rows at most are still being written when the others leave


@dataclass(frozen=True)
class Line:
    """A row: what is seen, then what is written; of every token its segment, and of a slot's token its value."""

    seen: tuple[int, ...]
    values: tuple[int, ...]  # of the seen tokens; 0: no slot
    segments: tuple[int, ...]  # of the seen tokens
    written: tuple[int, ...] = ()  # texts with their ENDs
    label: int = 0

    @property
    def width(self) -> int:
        return -(-(len(self.seen) + len(self.written)) // STEP) * STEP


@dataclass(frozen=True)
class Shape:
    """What a network is built with."""

    vocabulary: int
    segments: int
    length: int = 256  # tokens of a segment
    width: int = 128
    depth: int = 3
    classes: int = 0
    values: int = 0


@dataclass(frozen=True)
class Rows:
    """Lines as tensors (B, L)."""

    x: Tensor
    value: Tensor
    segment: Tensor
    offset: Tensor
    seen: Tensor  # bool
    real: Tensor  # bool: no filling
    label: Tensor  # (B,)

    def to(self, device: torch.device) -> Rows:
        return Rows(*(getattr(self, field.name).to(device) for field in fields(self)))


def pack_lines(lines: Sequence[Line], width: int, first_written: int) -> Rows:
    """The written texts' segments count from `first_written`; each END closes one."""
    shape = (len(lines), width)
    x, value, segment, offset = (np.zeros(shape, np.int64) for _ in range(4))
    seen, real = np.zeros(shape, bool), np.zeros(shape, bool)
    for row, line in enumerate(lines):
        count, end = len(line.seen), len(line.seen) + len(line.written)
        x[row, :end] = (*line.seen, *line.written)
        value[row, :count], seen[row, :count], real[row, :end] = line.values, True, True
        closed = np.cumsum([0, *(token == END for token in line.written[:-1])])[: len(line.written)].tolist()
        segment[row, :end] = (*line.segments, *(first_written + k for k in closed))
        breaks = np.flatnonzero(np.diff(segment[row, :end], prepend=-1))
        offset[row, :end] = np.arange(end) - np.repeat(breaks, np.diff([*breaks, end]))
    label = np.array([line.label for line in lines], np.int64)
    return Rows(*map(torch.from_numpy, (x, value, segment, offset, seen, real, label)))


class AutoregressiveText(nn.Module):
    """Tokens (B, L) -> logits (B, L, vocabulary) of the token that comes next; embedding and last layer are one."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.width
        self.shape = shape
        self.token, self.segment = nn.Embedding(shape.vocabulary, width), nn.Embedding(shape.segments, width)
        self.offset = nn.Embedding(shape.length, width)
        self.value = nn.Embedding(shape.values + 1, width) if shape.values else None
        self.label = nn.Embedding(shape.classes, width) if shape.classes else None
        for embedding in (self.token, self.segment, self.offset, self.value, self.label):
            if embedding is not None:  # small ones learn faster: 0.83 instead of 0.54 of phrases after 200 steps
                nn.init.normal_(embedding.weight, std=width**-0.5 * (2 if embedding is self.token else 1))
        self.blocks = nn.ModuleList([CausalBlock(width) for _ in range(shape.depth)])
        self.bias = nn.Parameter(torch.zeros(shape.vocabulary))

    def embed(self, x: Tensor, value: Tensor, segment: Tensor, offset: Tensor, label: Tensor) -> Tensor:
        h = self.token(x) + self.segment(segment) + self.offset(offset.clamp(max=self.shape.length - 1))
        if self.value is not None:
            h = h + self.value(value)
        if self.label is not None:
            h = h + self.label(label)[:, None]
        h = norm(h)
        return h.bfloat16() if torch.is_autocast_enabled(h.device.type) else h

    def read(self, rows: Rows) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Hidden states (B, L, width), and keys and values of every block, (B, heads, L, 32)."""
        h = self.embed(rows.x, rows.value, rows.segment, rows.offset, rows.label)
        allowed = allow(rows)
        kept = []
        for block in self.each():
            h, keys = block(h, allowed)
            kept.append(keys)
        return norm(h), kept

    def each(self) -> list[CausalBlock]:
        return [block for block in self.blocks if isinstance(block, CausalBlock)]

    def forward(self, rows: Rows) -> Tensor:
        return self.score(self.read(rows)[0])

    def score(self, h: Tensor) -> Tensor:
        return F.linear(h, self.token.weight, self.bias)


def allow(rows: Rows) -> Tensor:
    """bool (B, 1, L, L): what each position may look at. Everything seen, and what was written up to itself."""
    length = rows.x.shape[1]
    before = torch.ones(length, length, dtype=torch.bool, device=rows.x.device).tril()
    return ((rows.seen[:, None, :] | before) & rows.real[:, None, :])[:, None]


def norm(x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:])


class CausalBlock(nn.Module):
    """Self-attention over what is allowed, and a feed-forward layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // HEAD
        self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.up, self.down = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)
        for layer in (self.out, self.down):
            nn.init.zeros_(layer.weight)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        rows, tokens, width = x.shape
        q, k, v = self.qkv(norm(x)).reshape(rows, tokens, 3, self.heads, HEAD).permute(2, 0, 3, 1, 4)
        return norm(q), norm(k), v

    def forward(self, x: Tensor, allowed: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        q, k, v = self.split(x)
        return self.mix(x, q, k, v, allowed), (k, v)

    def mix(self, x: Tensor, q: Tensor, k: Tensor, v: Tensor, allowed: Tensor) -> Tensor:
        weights = (q @ k.mT * HEAD**-0.5).masked_fill(~allowed, -1e4).softmax(-1).to(v.dtype)
        x = x + self.out((weights @ v).transpose(1, 2).reshape(x.shape))
        return x + self.down(F.silu(self.up(norm(x))))


def loss_of(net: AutoregressiveText, rows: Rows) -> Tensor:
    """Mean cross-entropy of the written tokens, in nats."""
    h, _ = net.read(rows)
    row, place = (rows.real & ~rows.seen).nonzero(as_tuple=True)
    place = place - 1  # what is written at a place is said by the one before it
    kept = place >= 0
    row, place = row[kept], place[kept]
    return F.cross_entropy(net.score(h[row, place]).float(), rows.x[row, place + 1])


def fit_lines(
    lines: Sequence[Line], shape: Shape, *, first_written: int, steps: int, batch_size: int = 64, rate: float = 8e-3,
    seed: int = 0,
) -> AutoregressiveText:  # fmt: skip
    """A net trained from scratch, in eval mode. The same arguments and threads give the same weights, bit for bit."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = AutoregressiveText(shape)
    trainer = Trainer(net, rate)
    for step, rows in zip(range(steps), batches_of(lines, batch_size, first_written, seed), strict=False):
        trainer.step(rows, step / steps)
    return net.eval()


class Trainer:
    """Muon for the blocks' matrices, AdamW for the rest; the rate climbs for a tenth and falls for half of the time."""

    def __init__(self, net: AutoregressiveText, rate: float) -> None:
        matrices = [p for p in net.blocks.parameters() if p.ndim == 2]
        inside = {id(p) for p in matrices}
        rest = [p for p in net.parameters() if id(p) not in inside]
        self.net, self.rate = net, rate
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.98), weight_decay=0.01),
            Muon(matrices, lr=rate, scale="adamw"),
        ]

    def step(self, rows: Rows, share: float) -> Tensor:
        """One step at `share` of the training; the loss."""
        device = next(self.net.parameters()).device
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16_is_fast()):
            loss = loss_of(self.net, rows.to(device))
        self.net.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.param_groups[0]["lr"] = self.rate * min(share / 0.1 + 1e-3, (1 - share) / 0.5, 1.0)
            optimizer.step()
        return loss.detach()


def batches_of(lines: Sequence[Line], batch_size: int, first_written: int, seed: int) -> Iterator[Rows]:
    """Batches of lines of one width without end; in an epoch every line comes once, a few twice to fill a batch."""
    draw = np.random.Generator(np.random.Philox(key=np.array([seed, 1], np.uint64)))
    widths = np.array([line.width for line in lines])
    while True:
        chosen: list[np.ndarray] = []
        for group in group_by_width(widths, len(lines)):
            order = draw.permutation(group)
            filled = np.resize(order, -(-len(order) // batch_size) * batch_size)
            chosen += np.split(filled, len(filled) // batch_size)
        for place in draw.permutation(len(chosen)):
            index = chosen[place]
            yield pack_lines([lines[i] for i in index], int(widths[index[0]]), first_written)


@torch.inference_mode()
def generate(
    net: AutoregressiveText, lines: Sequence[Line], *, first_written: int, longest: int, texts: int = 1,
    temperature: float = 0.0, u: np.ndarray | None = None, batch_size: int | None = None,
) -> list[list[int]]:  # fmt: skip
    """What follows the seen tokens of each line, until `texts` ENDs or `longest` tokens.

    At temperature 0 always the likeliest token; else drawn by uniform numbers u (N, longest). `batch_size` lines go
    through the net together; None: as many as are quick.
    """
    found: list[list[int]] = [[] for _ in lines]
    device = next(net.parameters()).device
    widths = np.array([-(-len(line.seen) // STEP) * STEP for line in lines])
    for group in group_by_width(widths, len(lines)):
        size = batch_size or max(1, BATCH_TOKENS // (int(widths[group[0]]) + longest))
        for start in range(0, len(group), size):
            index = group[start : start + size]
            rows = pack_lines([_opening(lines[i]) for i in index], int(widths[index[0]]), first_written).to(device)
            numbers = None if u is None else torch.from_numpy(u[index]).to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16_is_fast()):
                written = _continue(net, rows, first_written, longest, texts, temperature, numbers)
            for place, tokens in zip(index.tolist(), written.tolist(), strict=True):
                found[place] = _cut(tokens, texts)
    return found


def _opening(line: Line) -> Line:
    return Line(line.seen, line.values, line.segments, (), line.label)


def _cut(tokens: list[int], texts: int) -> list[int]:
    ends = [place for place, token in enumerate(tokens) if token == END]
    return tokens[: ends[texts - 1] + 1] if len(ends) >= texts else tokens


def _continue(
    net: AutoregressiveText, rows: Rows, first: int, longest: int, texts: int, temperature: float, u: Tensor | None
) -> Tensor:
    """int64 (B, up to `longest`); PAD after the last END. Keys and values of what is there are kept; rows that are done
    leave, once a quarter is."""
    h, kept = net.read(rows)
    allowed, label, index = rows.real[:, None, None, :], rows.label, torch.arange(len(rows.x), device=rows.x.device)
    logits = net.score(h[index, rows.real.sum(1) - 1])
    closed, offset = torch.zeros_like(index), torch.zeros_like(index)
    written = torch.full((len(index), longest), PAD, device=index.device)
    for place in range(longest):
        token = _choose(logits.float(), temperature, None if u is None else u[index, place])
        token = torch.where(closed >= texts, PAD, token)
        written[index, place] = token
        ended = token == END
        segment = (first + closed).clamp(max=net.shape.segments - 1)
        going = closed + ended < texts
        closed, now = closed + ended, offset
        offset = torch.where(ended, 0, offset + 1)
        if not bool(going.any()):
            return written[:, : place + 1]
        if int(going.sum()) <= STAYING * len(going):
            index, token, segment, now = index[going], token[going], segment[going], now[going]
            closed, offset, allowed, label = closed[going], offset[going], allowed[going], label[going]
            kept = [(keys[going], values[going]) for keys, values in kept]
        h = net.embed(token[:, None], torch.zeros_like(token)[:, None], segment[:, None], now[:, None], label)
        allowed = F.pad(allowed, (0, 1), value=True)
        for number, block in enumerate(net.each()):
            q, k, v = block.split(h)
            kept[number] = torch.cat([kept[number][0], k], 2), torch.cat([kept[number][1], v], 2)
            h = block.mix(h, q, *kept[number], allowed)
        logits = net.score(norm(h)[:, 0])
    return written


def _choose(logits: Tensor, temperature: float, u: Tensor | None) -> Tensor:
    if temperature == 0 or u is None:
        return logits.argmax(-1)
    heights = (logits / temperature).softmax(-1).cumsum(-1)
    found = torch.searchsorted(heights, (u[:, None].float() * heights[:, -1:]).contiguous(), right=True)[:, 0]
    return found.clamp(max=logits.shape[-1] - 1)
