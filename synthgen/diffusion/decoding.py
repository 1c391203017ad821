"""What is written of a block after a look at it: which tokens, at which of its positions.

Two ways. `write_part` decodes in the order of confidence, each token once; `refine_part` is the refinement of
diffusers' BlockRefinementScheduler (LLaDA2), which may also write over what it wrote. Both leave what was known as it
is, and a row does not depend on its company in the batch.

    part = write_part(part, logits, noise, process, steps)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch

from ..types import Steps

SURE = 1e-9  # of a probability, so that logarithms are finite
POST = 16  # looks in which a written block may be written over, and one more to see that it stays


class Process(Protocol):
    """What of block diffusion counts here."""

    @property
    def mask(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def pad(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def choice(self) -> float: ...
    @property
    def sure(self) -> float: ...


@dataclass(frozen=True)
class Part:
    """The block that each row is at."""

    place: torch.Tensor  # int64 (B, R)
    there: torch.Tensor  # bool (B, R)
    x: torch.Tensor  # int64 (B, R)
    free: torch.Tensor  # bool (B, R): nothing was known there
    open: torch.Tensor  # bool (B, R): to be looked at: still to be written, or that may be written over
    block: torch.Tensor  # int64 (B, 1)
    looks: torch.Tensor  # int64 (B, 1): how often it has been looked at
    post: torch.Tensor  # int64 (B, 1): which look after all of it was written this is; 0: none


def write_part(part: Part, logits: torch.Tensor, noise: torch.Tensor, process: Process, steps: Steps) -> Part:
    """A step of confidence-ordered decoding (MaskGIT, Chang et al. 2022, arXiv:2202.04200, section 3.2).

    In each step an equal share of what is open is written, those positions whose token, drawn at the temperature, is
    the likeliest, after Gumbel noise that fades to nothing; and whatever is sure. `noise` (B, R, 2) is this look's.
    """
    open_, total = part.open, min(steps.steps, process.size)
    logits = logits.float()
    logits[:, process.mask] = -torch.inf
    u, v = noise.unbind(2)
    drawn, likely = choose_tokens(logits, u[open_], steps.temperature)
    token = part.x.masked_scatter(open_, drawn)
    chance = torch.zeros_like(u).masked_scatter(open_, likely)
    fading = process.choice * (1 - (part.looks + 1) / total)
    score = chance.clamp(min=SURE).log() - fading * (-v.clamp(SURE, 1 - 1e-7).log()).log()
    rank = torch.argsort(torch.where(open_, score, -torch.inf), dim=1, descending=True, stable=True).argsort(1)
    now = -(-open_.sum(1, keepdim=True) // (total - part.looks).clamp(min=1))  # so many are written
    x = torch.where(open_ & ((rank < now) | (chance >= process.sure)), token, part.x)
    ended = x == process.end
    x = torch.where((ended.cumsum(1) > ended.long()) & part.free, process.pad, x)  # behind an end
    return replace(part, x=x, open=open_ & (x == process.mask))


def refine_part(part: Part, logits: torch.Tensor, noise: torch.Tensor, process: Process, steps: Steps) -> Part:
    """A step of diffusers' BlockRefinementScheduler: hidden positions are written whose token has more than
    `steps.threshold`, or else an equal share of the block; then, with `steps.editing_threshold`, what was written gives
    way to another token of more than that, until nothing changes, for at most 17 looks. Tokens and their
    probabilities are those at the temperature. A row ends with the first end behind which nothing hidden is left.
    """
    hidden = part.free & (part.x == process.mask)
    logits = logits.float()
    logits[:, process.mask] = -torch.inf
    drawn, likely = choose_tokens(logits, noise[..., 0][part.open], steps.temperature, sharp=True)
    token = part.x.masked_scatter(part.open, drawn)
    chance = torch.full(part.x.shape, -1.0, device=likely.device).masked_scatter(part.open, likely)
    owed = process.size // steps.steps + (part.looks < process.size % steps.steps).long()
    sure = hidden & (chance > steps.threshold)
    rank = torch.argsort(torch.where(hidden, chance, -torch.inf), dim=1, descending=True, stable=True).argsort(1)
    new = torch.where(sure.sum(1, keepdim=True) >= owed, sure, hidden & (rank < owed))
    editing = steps.editing_threshold
    if editing is not None:
        new = new | part.free & ~hidden & (chance > editing) & (token != part.x)
    x = torch.where(new, token, part.x)
    filling, left = hidden.any(1, keepdim=True), (part.free & (x == process.mask)).any(1, keepdim=True)
    again, post = left, part.post
    if editing is not None:
        changed = (new & ~hidden).any(1, keepdim=True) & (part.post <= POST)
        again = torch.where(filling, part.looks + 1 < steps.steps, changed)
        post = torch.where(left, 0, part.post + 1)
    ends = (part.there & (x == process.end)).cumsum(1)
    before = (part.there & (x == process.mask) & (ends == 0)).any(1, keepdim=True)
    again = again & ~((new & (token == process.end)).any(1, keepdim=True) & ~before)
    behind = (ends > (x == process.end).long()) & part.free & ~again
    return replace(part, x=torch.where(behind, process.pad, x), open=part.free & again, post=post)


def count_looks(steps: Steps) -> int:
    """How often a block is looked at, at most."""
    return steps.steps + (POST + 1 if is_editing(steps) else 0)


def is_editing(steps: Steps) -> bool:
    return steps.solver == "refine" and steps.editing_threshold is not None


def choose_tokens(
    logits: torch.Tensor, u: torch.Tensor, temperature: float, sharp: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """(token int64 (…), its probability (…)) from logits (…, V) and uniform numbers u (…).

    The token is drawn from softmax(logits / temperature), by the inverse of its distribution function; at 0 it is the
    likeliest. The probability is that at temperature 1 or, with `sharp`, at
    this one if it is not 0.
    """
    usual = logits.softmax(-1)
    if temperature == 0:
        token = logits.argmax(-1)
    else:
        own = usual if temperature == 1 else (logits / temperature).softmax(-1)
        heights = own.cumsum(-1)
        usual = own if sharp else usual
        token = torch.searchsorted(heights, (u[..., None] * heights[..., -1:]).contiguous(), right=True)[..., 0]
        token = token.clamp(max=logits.shape[-1] - 1)
    return token, usual.gather(-1, token[..., None])[..., 0]
