"""Masked diffusion of tokens, block by block: a few tokens at a time, each block given those before it.

A token is hidden with probability t, its rate, by a mask that nothing leaves again (Austin et al. 2021,
arXiv:2107.03006, section 3; Sahoo et al. 2024, arXiv:2406.07524). The net gives the distribution of the token that
stood there, given all that can be seen: what is always seen, the blocks before, and the block itself (block diffusion,
between a model that writes token by token and one that writes a row at once; Arriola et al. 2025, arXiv:2503.09573).
So what is written is read once and kept, and in training every block of a row is learnt from in the same pass: the row
is shown twice, whole and with hidden tokens, and hidden tokens look at the whole blocks before their own.

    process = Blocks(mask=1, end=2, pad=0, size=4)
    loss = process.loss(net, x, condition, keep, process.draw(x, condition, levels, generator))
    x = process.solve(net, process.draw_noise(seed, indices, (L,), steps), condition, steps)

A condition has "segment", int64 (B, L): which text a position is of, in the order of the writing; −1: always seen,
before all texts, or, where the token is `pad`, empty and never looked at. "offset" (B, L) counts the positions of a
text from 0; blocks are cut from there. "value" (B, L) is the net's. For `solve` it has "known", int64 (B, L): the token
of a position, −1: to be written. The net is not told how much is hidden: it can see it (Ou et al. 2024,
arXiv:2406.03736, section 3.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F

from ..types import Condition, Drawn, Levels, Steps
from .decoding import Part, count_looks, is_editing, refine_part, write_part
from .noise import PROBED, Seed, row_generator, row_generators
from .stopping import go_on

LEAST = 0.05  # the square of the lowest rate: below it hardly anything is hidden
NEVER = 1 << 40  # behind every block
STAYING = 0.75  # of the rows at most are still being written when the others leave


class Reader(Protocol):
    """Keeps what a net has read of rows."""

    def keep(self, place: torch.Tensor, x: torch.Tensor, there: torch.Tensor, block: torch.Tensor) -> None:
        """Reads tokens x at places of the rows (int64 (B, R)); those that are not `there` (bool) do not count, and each
        looks at those of no higher `block` (B, R)."""

    def look(self, place: torch.Tensor, x: torch.Tensor, there: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
        """Logits (N, V) of the `asked` positions (bool (B, R)), given what was kept; nothing more is kept."""

    def select(self, rows: torch.Tensor) -> None:
        """Goes on with these of the rows (int64 (B',)), as its first, second and so on."""


class BlockNet(Protocol):
    """What block diffusion asks of a denoiser."""

    def __call__(
        self, x: torch.Tensor, sigma: torch.Tensor, condition: Condition, keep: torch.Tensor | None
    ) -> torch.Tensor:
        """Logits (N, V) of the positions condition["asked"] (bool (B, L)), where each position looks at those of
        condition["allowed"] (bool (B, L, L)); condition["place"] (B, L) is where each stands in its row."""

    def start(self, condition: Condition, keep: torch.Tensor | None) -> Reader:
        """A reader of rows of that condition."""


@dataclass(frozen=True)
class Blocks:
    """The process for token numbers 0 … V − 1, of which `mask` stands for a hidden one."""

    mask: int
    end: int  # the token that closes a segment: behind it stands nothing but `pad`
    pad: int = 0
    size: int = 4  # positions of a block
    choice: float = 1.0  # Gumbel noise on the order in which positions are written, at the first step; at the last 0
    sure: float = 0.9  # a token of at least that probability is written at once (Wu et al. 2025, arXiv:2505.22618)

    def draw(self, x: torch.Tensor, condition: Condition, levels: Levels, generator: torch.Generator) -> Drawn:
        """(hidden, hidden), bool (B, L): each block has a rate of its own."""
        block = number_blocks(condition, self.size)
        count = max(1, int(block.max()) + 1)
        rate = draw_rates(len(x) * count, generator).reshape(len(x), count)
        hidden = hide_blocks(torch.rand(x.shape, generator=generator), rate, block)
        return hidden, hidden

    def probe(self, x: torch.Tensor, condition: Condition, seed: int, indices: Sequence[int]) -> Iterator[Drawn]:
        """Once, each block hidden at another of five rates: they take turns from block to block, row to row."""
        u = torch.from_numpy(np.stack([row_generator(seed, int(i), "noise").random(x.shape[1]) for i in indices]))
        block = number_blocks(condition, self.size)
        turn = np.add.outer(np.asarray(indices, np.int64), np.arange(max(1, int(block.max()) + 1))) % len(PROBED)
        rates = torch.tensor(PROBED, device=x.device)[torch.from_numpy(turn).to(x.device)]
        hidden = hide_blocks(u.to(x.device), rates, block)
        yield hidden, hidden

    def loss(
        self, net: BlockNet, x: torch.Tensor, condition: Condition, keep: torch.Tensor | None, drawn: Drawn
    ) -> torch.Tensor:
        """Mean cross-entropy over a row's hidden positions, (B,), in nats.

        The bound on the likelihood weights the sum of a block by 1 / (t · size); the mean has 1 / (number hidden)
        instead, its value on average, which is bounded.
        """
        hidden, _ = drawn
        shown, told = show_twice(x, hidden, condition, self)
        logits = net(shown, x.new_zeros(len(x), dtype=torch.float32), told, keep)
        row = hidden.nonzero(as_tuple=True)[0]
        loss = F.cross_entropy(logits.float(), x[hidden], reduction="none")
        return loss.new_zeros(len(x)).index_add(0, row, loss) / hidden.sum(1).clamp(min=1)

    def draw_noise(
        self, seed: Seed, indices: Sequence[int] | np.ndarray, shape: tuple[int, ...], steps: Steps
    ) -> torch.Tensor:
        """Uniform numbers, float32 (B, L, looks, 2): for the token of each position, and for when it is written. Those
        of a shorter row are the first ones of a longer one's."""
        size = (*shape, count_looks(steps), 2)
        found = [one.random(size, dtype=np.float32) for one in row_generators(seed, indices, "noise")]
        return torch.from_numpy(np.stack(found)) if found else torch.zeros(0, *size)

    def solve(self, net: BlockNet, noise: torch.Tensor, condition: Condition, steps: Steps) -> torch.Tensor:
        """Tokens int64 (B, L), everything written; what is known stays as it is."""
        return write_blocks(open_reader(net, condition, steps.guidance), noise, condition, self, steps)

    def call(self, net: BlockNet, noise: torch.Tensor, condition: Condition, steps: Steps) -> None:
        """The decoding itself: how often the net is asked depends on what it writes."""
        self.solve(net, noise, condition, steps)


def draw_rates(count: int, generator: torch.Generator) -> torch.Tensor:
    """t = √u, u ~ U(0.05, 1), one from each of `count` equal slices, float32 (count,).

    High rates score more tokens a row: with U(0.05, 1) itself a tenth less was learnt in the same time.
    """
    u = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    return (LEAST + (1 - LEAST) * u[torch.randperm(count, generator=generator)]).sqrt()


def number_blocks(condition: Condition, size: int) -> torch.Tensor:
    """int64 (B, L): the number of each position's block in its row, in the order of the writing; −1: always seen."""
    segment, offset = condition["segment"], condition["offset"]
    mark = torch.where(segment >= 0, segment * (1 << 20) + offset // size, -1)
    new = torch.cat([mark[:, :1] >= 0, (mark[:, 1:] != mark[:, :-1]) & (mark[:, 1:] >= 0)], 1)
    return torch.where(mark >= 0, new.long().cumsum(1) - 1, -1)


def hide_blocks(u: torch.Tensor, rate: torch.Tensor, block: torch.Tensor) -> torch.Tensor:
    """Which positions are hidden at their block's rate (B, K), by uniform numbers u (B, L): one a block at least."""
    free, index = block >= 0, block.clamp(min=0)
    least = torch.full(rate.shape, 2.0, dtype=u.dtype, device=u.device)
    least = least.scatter_reduce(1, index, torch.where(free, u, 2.0), "amin")
    return free & ((u < rate.gather(1, index)) | (u <= least.gather(1, index)))


def show_twice(
    x: torch.Tensor, hidden: torch.Tensor, condition: Condition, process: Blocks
) -> tuple[torch.Tensor, Condition]:
    """Rows whole, up to their last block, and then their texts with hidden tokens: (B, L'), and the condition for that,
    with "place" (B, L'), "allowed" (B, L', L') and "asked" (B, L')."""
    segment, block = condition["segment"], number_blocks(condition, process.size)
    place = torch.arange(segment.shape[1], device=x.device)
    empty, free = (segment < 0) & (x == process.pad), block >= 0
    last = block.max(1, keepdim=True).values
    end = min(round_up(int(torch.where((block == last) & free, place, len(place)).amin(1).max())), len(place))
    count = free.sum(1)
    index = torch.argsort(~free, dim=1, stable=True)[:, : round_up(int(count.max()))]  # where texts are, without gaps
    there = place[: index.shape[1]] < count[:, None]

    def twice(values: torch.Tensor) -> torch.Tensor:
        return torch.cat([values[:, :end], values.gather(1, index)], 1)

    number, noisy = twice(block), torch.arange(end + index.shape[1], device=x.device) >= end
    key, query = number[:, None, :], number[:, :, None]
    own = key == query
    allowed = torch.where(noisy[:, None], torch.where(noisy, own & (key >= 0), key < query), ~noisy & (key <= query))
    nothing = torch.cat([empty[:, :end], ~there], 1)
    allowed = allowed & ~nothing[:, None, :] | torch.eye(number.shape[1], dtype=torch.bool, device=x.device)
    told: Condition = {name: twice(condition[name]) for name in ("segment", "offset", "value") if name in condition}
    told["place"] = twice(place.expand_as(x))
    asked = torch.cat([torch.zeros_like(hidden[:, :end]), hidden.gather(1, index) & there], 1)
    rest = {name: values for name, values in condition.items() if name != "known"}
    shown = torch.cat([x[:, :end], torch.where(hidden, process.mask, x).gather(1, index)], 1)
    return shown, {**rest, **told, "allowed": allowed, "asked": asked}


def round_up(length: int) -> int:
    """To a multiple of 8, or of 16 beyond 64: each new shape costs the libraries below milliseconds."""
    step = 8 if length <= 64 else 16
    return -(-length // step) * step


def open_reader(net: BlockNet, condition: Condition, scale: float) -> Reader:
    """A reader; at a scale other than 1 a guided one (Ho & Salimans 2022, eq. 6, on logits), at twice the price."""
    if scale == 1.0:
        return net.start(condition, None)
    untold = torch.zeros(len(condition["known"]), dtype=torch.bool, device=condition["known"].device)
    return Guided(net.start(condition, None), net.start(condition, untold), scale)


@dataclass(frozen=True)
class Guided:
    told: Reader
    untold: Reader
    scale: float

    def keep(self, *read: torch.Tensor) -> None:
        self.told.keep(*read)
        self.untold.keep(*read)

    def look(self, *asked: torch.Tensor) -> torch.Tensor:
        without = self.untold.look(*asked)
        return without + self.scale * (self.told.look(*asked) - without)

    def select(self, rows: torch.Tensor) -> None:
        self.told.select(rows)
        self.untold.select(rows)


def write_blocks(
    reader: Reader, noise: torch.Tensor, condition: Condition, process: Blocks, steps: Steps
) -> torch.Tensor:
    """Block after block: each is written in at most so many steps, then read and kept; what is closed is left.

    Rows do not wait for one another: one goes on to its next block while another looks again at its last, and those
    that are done leave.
    """
    known, segment = condition["known"], condition["segment"]
    found = torch.where(known < 0, process.mask, known)
    if not known.numel():
        return found
    block, order = number_blocks(condition, process.size), torch.arange(segment.shape[1], device=known.device)
    opened = torch.where(known < 0, block, NEVER).amin(1, keepdim=True)
    begun = (segment < 0) & (known != process.pad) | (block >= 0) & (block < opened)
    width = int((begun * (order + 1)).max())
    if width:
        reader.keep(order[:width].expand(len(known), width), found[:, :width], begun[:, :width], block[:, :width])
    everyone = torch.arange(len(known), device=known.device)
    rows = Writing(everyone, found, known < 0, segment, block, (block >= 0) & ~begun)
    rows = rows.drop_done(reader, found)
    while len(rows.index):
        go_on()
        part = rows.turn(process.size, process.mask, is_editing(steps))
        if bool(part.open.any()):
            logits = reader.look(part.place, part.x, part.there & part.open.any(1, keepdim=True), part.open)
            write = refine_part if steps.solver == "refine" else write_part
            part = write(part, logits, noise[rows.index[:, None], part.place, part.looks], process, steps)
        going = rows.go_on(part, process)
        reader.keep(part.place, part.x, part.there & going[:, None], part.block.expand_as(part.x))
        rows = rows.drop_done(reader, found)
    return found


class Writing:
    """Rows that are being written; it changes as they are."""

    def __init__(
        self, index: torch.Tensor, x: torch.Tensor, free: torch.Tensor, segment: torch.Tensor, block: torch.Tensor,
        left: torch.Tensor, looks: torch.Tensor | None = None, post: torch.Tensor | None = None,
    ) -> None:  # fmt: skip
        self.index, self.x, self.free, self.segment, self.block = index, x, free, segment, block
        self.left = left  # bool (B, L): positions of blocks that are not done
        self.looks = torch.zeros_like(index)[:, None] if looks is None else looks
        self.post = torch.zeros_like(index)[:, None] if post is None else post

    def turn(self, size: int, mask: int, editing: bool) -> Part:
        """The first block of each row that is not done; nothing is there of a row that is. With `editing` it is open as
        a whole until it is done."""
        block = torch.where(self.left, self.block, NEVER).amin(1, keepdim=True)
        inside, order = self.block == block, torch.arange(size, device=self.x.device)
        place = (inside.long().argmax(1)[:, None] + order).clamp(max=self.x.shape[1] - 1)
        there = order < inside.sum(1, keepdim=True)
        x, free = self.x.gather(1, place), self.free.gather(1, place) & there
        open_ = free & (x == mask)
        if editing:
            open_ = free & (open_.any(1, keepdim=True) | (self.post > 0))
        return Part(place, there, x, free, open_, block, self.looks, self.post)

    def go_on(self, part: Part, process: Blocks) -> torch.Tensor:
        """Takes over what was written; bool (B,): rows whose block is done now and that have another."""
        row, column = part.there.nonzero(as_tuple=True)
        self.x = self.x.clone()
        self.x[row, part.place[row, column]] = part.x[row, column]
        done = ~part.open.any(1, keepdim=True)
        ended = ((part.x == process.end) & part.there).any(1, keepdim=True)
        own = self.segment.gather(1, part.place[:, :1])
        closed = done & ended & (self.segment == own) & (self.block > part.block)
        self.x = torch.where(closed, process.pad, self.x)
        self.left = self.left & ~closed & ~(done & (self.block <= part.block))
        self.looks, self.post = torch.where(done, 0, part.looks + 1), torch.where(done, 0, part.post)
        going: torch.Tensor = done[:, 0] & self.left.any(1)
        return going

    def drop_done(self, reader: Reader, found: torch.Tensor) -> Writing:
        """Without the rows that are done, where they are many or all; `found` then has them."""
        going = self.left.any(1)
        count = int(going.sum())
        if count > STAYING * len(going):
            return self
        found[self.index[~going]] = self.x[~going]
        stay = going.nonzero()[:, 0]
        if count:
            reader.select(stay)
        state = (self.index, self.x, self.free, self.segment, self.block, self.left, self.looks, self.post)
        return Writing(*(values[stay] for values in state))
