"""Masked diffusion of tokens: an absorbing kernel, and decoding that writes first what it is surest of.

A token is hidden with probability t, its rate, by a mask that nothing leaves again (Austin et al. 2021,
arXiv:2107.03006, section 3; Sahoo et al. 2024, arXiv:2406.07524). The net gives, for every position, the distribution
of the token that stood there, given all that can be seen.

A row is made of segments, such as a sentence and its translation. They are written one after the other, in any order,
and a net is trained on the states that this goes through: segments before are there, one is written, those after are
hidden. So each part may be the condition of every other. Knows token numbers, not what they spell.

    process = Masking(mask=3)
    loss = process.loss(net, x, condition, keep, process.draw(x, condition, levels, generator))
    x = process.solve(net, process.draw_noise(seed, indices, (L,), steps), condition, steps)

A condition has "segment", int64 (B, L): which segment a position is of, -1: always seen. For `solve` it has "known",
int64 (B, L): the token of a position, -1: to be written; and it may have "round", int64 (B, L): in which round a
position is written (0, 1, …), and "banned", bool (B, V): tokens that a row must not have.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from ..types import Condition, Drawn, Levels, Steps
from .flow import Denoiser
from .guidance import guide
from .noise import PROBED, row_generator

LEAST = 0.05  # the square of the lowest rate: below it hardly anything is hidden, and the weight 1/t has no bound
ALL_AT_ONCE = 0.1  # share of training rows in which all segments are hidden at one rate, for variations of real rows
SURE = 1e-9  # of a probability, so that logarithms are finite


@dataclass(frozen=True)
class Masking:
    """The process for token numbers 0 … V − 1, of which `mask` stands for a hidden one."""

    mask: int
    end: int | None = None  # the token that closes a segment: behind it stands nothing but `pad`
    pad: int = 0
    choice: float = 1.0  # Gumbel noise on the order in which positions are written, at the first step; at the last 0

    def draw(self, x: torch.Tensor, condition: Condition, levels: Levels, generator: torch.Generator) -> Drawn:
        """(hidden, scored), each bool (B, L): the positions that are masked, and those whose loss counts."""
        rows, segment = len(x), condition["segment"]
        count = max(1, int(segment.max()) + 1)
        rate = draw_rates(rows, generator)[:, None]
        scores = torch.rand(rows, count, generator=generator)
        there = torch.stack([(segment == k).any(1) for k in range(count)], 1)
        order = torch.where(there, scores, 2.0).argsort(1).argsort(1)  # the place of each segment in the writing
        turn = (torch.rand(rows, generator=generator) * there.sum(1)).long()[:, None]
        place = order.gather(1, segment.clamp(min=0))
        at_once = torch.rand(rows, 1, generator=generator) < ALL_AT_ONCE
        free = segment >= 0
        current = free & ((place == turn) | at_once)
        hidden = current & hide(torch.rand(x.shape, generator=generator), rate, current)
        return hidden | (free & (place > turn) & ~at_once), hidden

    def probe(self, x: torch.Tensor, condition: Condition, seed: int, indices: Sequence[int]) -> Iterator[Drawn]:
        """All segments hidden at five rates."""
        u = torch.from_numpy(np.stack([row_generator(seed, int(i), "noise").random(x.shape[1]) for i in indices]))
        free = condition["segment"] >= 0
        for rate in PROBED:
            hidden = free & hide(u.to(x.device), torch.full((len(x), 1), rate, device=x.device), free)
            yield hidden, hidden

    def loss(
        self, net: Denoiser, x: torch.Tensor, condition: Condition, keep: torch.Tensor | None, drawn: Drawn
    ) -> torch.Tensor:
        """Mean cross-entropy over a row's scored positions, (B,), in nats.

        The bound on the likelihood weights the sum by 1 / (t · L); the mean has 1 / (number hidden) instead, its value
        on average, which is bounded.
        """
        hidden, scored = drawn
        sigma = hidden.float().mean(1)
        logits = net(torch.where(hidden, self.mask, x), sigma, condition, keep)
        row, place = scored.nonzero(as_tuple=True)
        loss = F.cross_entropy(logits[row, place].float(), x[row, place], reduction="none")
        return loss.new_zeros(len(x)).index_add(0, row, loss) / scored.sum(1).clamp(min=1)

    def draw_noise(
        self, seed: int, indices: Sequence[int] | np.ndarray, shape: tuple[int, ...], steps: Steps
    ) -> torch.Tensor:
        """Uniform numbers, float32 (B, steps, 2, L): for the token of each position, and for when it is written."""
        found = [
            row_generator(seed, int(index), "noise").random((steps.steps, 2, *shape), dtype=np.float32)
            for index in indices
        ]
        return torch.from_numpy(np.stack(found)) if found else torch.zeros(0, steps.steps, 2, *shape)

    def solve(self, net: Denoiser, noise: torch.Tensor, condition: Condition, steps: Steps) -> torch.Tensor:
        """Tokens int64 (B, L), everything written; what is known stays as it is."""
        return write(guide(net, steps.guidance), noise, condition, self, steps.steps, steps.temperature)

    def call(self, net: Denoiser, noise: torch.Tensor, condition: Condition, steps: Steps) -> None:
        guided = guide(net, steps.guidance)
        known = condition["known"]
        x, sigma = torch.where(known < 0, self.mask, known), noise.new_full((len(noise),), 0.5)
        for _ in range(steps.steps):
            guided(x, sigma, condition, None)


def draw_rates(count: int, generator: torch.Generator) -> torch.Tensor:
    """t = √u, u ~ U(0.05, 1), one from each of `count` equal slices, float32 (count,).

    High rates score more tokens a row: with U(0.05, 1) itself a tenth less was learnt in the same time.
    """
    u = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    return (LEAST + (1 - LEAST) * u[torch.randperm(count, generator=generator)]).sqrt()


def hide(u: torch.Tensor, rate: torch.Tensor, free: torch.Tensor) -> torch.Tensor:
    """Which of the free positions (B, L) are hidden at rate (B, 1), by uniform numbers u (B, L): at least one a row."""
    first = torch.where(free, u, 2.0).argmin(1, keepdim=True)
    return ((u < rate) | torch.zeros_like(free).scatter(1, first, True)) & free


def write(
    net: Denoiser, noise: torch.Tensor, condition: Condition, process: Masking, steps: int, temperature: float
) -> torch.Tensor:
    """Confidence-ordered decoding (MaskGIT, Chang et al. 2022, arXiv:2202.04200, section 3.2), round by round.

    A row's rounds share the steps, one each at least; in each step of a round an equal share of its positions is
    written: those whose token, drawn at the temperature, is the likeliest, after Gumbel noise that fades to nothing
    over the round. What becomes of a row does not depend on the other rows.
    """
    known, banned, mask = condition["known"], condition.get("banned"), process.mask
    x = torch.where(known < 0, mask, known)
    turn = condition["round"] if "round" in condition else torch.zeros_like(x)
    rounds = turn.amax(1) + 1
    total = rounds.clamp(min=steps)
    for step in range(int(total.max()) if len(x) else 0):
        k = step * rounds // total
        first, last = -(-k * total // rounds), -(-(k + 1) * total // rounds)  # the steps of this round
        mine = (known < 0) & (turn == k[:, None])
        u, v = noise[:, min(step, noise.shape[1] - 1)].unbind(1)
        open_ = mine & (x == mask)
        logits = net(x, (x == mask).float().mean(1), condition, None).float()
        logits[..., mask] = -torch.inf
        if banned is not None:
            logits = logits.masked_fill(banned[:, None], -torch.inf)
        token, sure = choose_tokens(logits, u, temperature)
        fading = process.choice * (1 - (step + 1 - first) / (last - first))[:, None]
        sure = sure.clamp(min=SURE).log() - fading * (-v.clamp(SURE, 1 - 1e-7).log()).log()
        sure = put_peaks_first(torch.where(open_, sure, -torch.inf))
        place = torch.argsort(sure, dim=1, descending=True, stable=True).argsort(1)
        left = -(-open_.sum(1) // (last - step))  # so many are written now
        x = torch.where(open_ & (place < left[:, None]), token, x)
        if process.end is not None:
            x = torch.where(is_behind(x == process.end, condition["segment"]) & (x == mask) & mine, process.pad, x)
    return x


def put_peaks_first(sure: torch.Tensor) -> torch.Tensor:
    """Positions that are surer than both neighbours come before all others, so that neighbours, which depend on each
    other most, are seldom written at once. sure: float (B, L), -inf where nothing is to be written."""
    beside = F.max_pool1d(F.pad(sure, (1, 1), value=-torch.inf)[:, None], 3, 1)[:, 0]
    span = torch.where(sure.isfinite(), sure, 0).abs().amax(1, keepdim=True) + 1
    return torch.where(sure >= beside, sure, sure - 2 * span)


def is_behind(end: torch.Tensor, segment: torch.Tensor) -> torch.Tensor:
    """bool (B, L): the positions behind the first `end` (bool, B, L) of their segment (B, L)."""
    found = torch.zeros_like(end)
    for k in range(int(segment.max()) + 1):
        inside = segment == k
        count = (end & inside).cumsum(1)
        found |= inside & (count - (end & inside).long() > 0)
    return found


def choose_tokens(logits: torch.Tensor, u: torch.Tensor, temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    """(token int64 (B, L), its probability (B, L)) from logits (B, L, V) and uniform numbers u (B, L).

    The token is drawn from softmax(logits / temperature), by the inverse of its distribution function; at 0 it is the
    likeliest. The probability is that at temperature 1.
    """
    usual = logits.softmax(-1)
    if temperature == 0:
        token = logits.argmax(-1)
    else:
        sharp = usual if temperature == 1 else (logits / temperature).softmax(-1)
        heights = sharp.cumsum(-1)
        token = torch.searchsorted(heights, (u[..., None] * heights[..., -1:]).contiguous(), right=True)[..., 0]
        token = token.clamp(max=logits.shape[-1] - 1)
    return token, usual.gather(-1, token[..., None])[..., 0]


def bound_likelihood(
    net: Denoiser, x: torch.Tensor, condition: Condition, mask: int, hidden: torch.Tensor
) -> torch.Tensor:
    """Σ over hidden positions of −log p(token | what is seen), (B,), times (free positions + 1) / (hidden positions).

    With free positions hidden at a rate t ~ U(0, 1), its mean over t and masks is the bound on −log p(x) in nats
    (Sahoo et al. 2024, eq. 8: the weight 1/t, with t integrated out), and equal to it where the net is exact.
    """
    logits = net(torch.where(hidden, mask, x), hidden.float().mean(1), condition, None)
    loss = (F.cross_entropy(logits.float().mT, x, reduction="none") * hidden).sum(1)
    return loss * ((condition["segment"] >= 0).sum(1) + 1) / hidden.sum(1).clamp(min=1)
