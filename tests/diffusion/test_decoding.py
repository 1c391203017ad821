"""A look's decisions against diffusers' BlockRefinementScheduler, from states drawn at random."""

import pytest
import torch
from diffusers import BlockRefinementScheduler

from synthgen.diffusion.decoding import POST, Part, choose_tokens, refine_part
from synthgen.diffusion.masked import Blocks
from synthgen.sampling.options import SampleOptions

SIZE, TOKENS, MASK, END = 8, 12, 10, 11
ROWS = 400
PROCESS = Blocks(mask=MASK, end=END, pad=0, size=SIZE)


def draw_states(steps, editing):
    """Rows in which something is known, something written and something hidden, at any of their looks."""
    generator = torch.Generator().manual_seed(3)
    x = torch.randint(1, MASK, (ROWS, SIZE), generator=generator)
    kind = torch.rand(ROWS, SIZE, generator=generator)
    free = kind > 0.3
    x = torch.where(kind > 0.6, MASK, x)
    looks = torch.randint(0, steps, (ROWS, 1), generator=generator)
    logits = 3 * torch.randn(ROWS, SIZE, TOKENS, generator=generator)
    logits[..., MASK] = logits[..., END] = -1e4
    open_ = free if editing else free & (x == MASK)
    place = torch.arange(SIZE).expand(ROWS, SIZE)
    none = torch.zeros_like(looks)
    return Part(place, torch.ones_like(free), x, free, open_, none, looks, none), logits


@pytest.mark.parametrize("steps", [1, 3, 8, 12])
@pytest.mark.parametrize("threshold", [0.3, 0.95])
@pytest.mark.parametrize("editing", [None, 0.5])
def test_a_look_decides_as_the_scheduler_does(steps, threshold, editing):
    part, logits = draw_states(steps, editing)
    options = SampleOptions(
        steps=steps, temperature=0, solver="refine", threshold=threshold, editing_threshold=editing
    )  # fmt: skip
    found = refine_part(part, logits[part.open], torch.zeros(ROWS, SIZE, 2), PROCESS, options)
    scheduler = BlockRefinementScheduler(SIZE)
    scheduler.set_timesteps(steps, block_length=SIZE)
    for row in range(ROWS):
        told = scheduler.step(
            logits[row : row + 1], int(part.looks[row]), part.x[row : row + 1], mask_token_id=MASK, threshold=threshold,
            editing_threshold=editing or 0.0, prompt_mask=~part.free[row],
        )  # fmt: skip
        assert found.x[row].tolist() == told.prev_sample[0].tolist()
    assert torch.equal(found.x[~part.free], part.x[~part.free])
    written = part.free & (part.x != MASK)
    assert torch.equal(found.x[written], part.x[written]) == (editing is None)


def test_a_block_is_written_over_until_it_stays_or_for_seventeen_looks():
    options = SampleOptions(steps=8, temperature=0, solver="refine", editing_threshold=0.5)
    part, logits = draw_states(8, 0.5)
    x = torch.where(part.x == MASK, 1, part.x)
    for look in range(1, POST + 3):
        post = torch.full_like(part.post, look)
        state = Part(part.place, part.there, x, part.free, part.free, part.block, part.looks, post)
        found = refine_part(state, logits[part.free], torch.zeros(ROWS, SIZE, 2), PROCESS, options)
        changed = (found.x != x).any(1)
        assert changed.any() and not changed.all()
        assert torch.equal(found.open.any(1), changed & (look <= POST))
    again = Part(part.place, part.there, found.x, part.free, part.free, part.block, part.looks, part.post + 1)
    assert not refine_part(again, logits[part.free], torch.zeros(ROWS, SIZE, 2), PROCESS, options).open.any()


def test_a_row_ends_where_nothing_hidden_stands_before_its_end():
    row = torch.tensor([[1, MASK, MASK, MASK, MASK, MASK, MASK, MASK]])
    free = row == MASK
    none = torch.zeros(1, 1, dtype=torch.long)
    part = Part(torch.arange(SIZE)[None], free | True, row, free, free, none, none, none)
    options = SampleOptions(steps=8, temperature=0, solver="refine", threshold=0.9)
    logits = torch.zeros(1, SIZE, TOKENS)
    logits[0, 1, END] = logits[0, 4, 3] = 20.0  # the end comes at once, and so does what stands behind it
    found = refine_part(part, logits[free], torch.zeros(1, SIZE, 2), PROCESS, options)
    assert found.x.tolist() == [[1, END, 0, 0, 0, 0, 0, 0]] and not found.open.any()
    logits = logits.roll(1, 1)
    found = refine_part(part, logits[free], torch.zeros(1, SIZE, 2), PROCESS, options)
    assert found.x.tolist() == [[1, MASK, END, MASK, MASK, 3, MASK, MASK]] and found.open.any()


def test_sharp_chances_are_those_at_the_temperature():
    logits = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    u = torch.rand(50, generator=torch.Generator().manual_seed(1))
    token, usual = choose_tokens(logits, u, 0.5)
    same, sharp = choose_tokens(logits, u, 0.5, sharp=True)
    assert torch.equal(token, same)
    torch.testing.assert_close(sharp, (logits / 0.5).softmax(-1).gather(1, token[:, None])[:, 0])
    torch.testing.assert_close(usual, logits.softmax(-1).gather(1, token[:, None])[:, 0])
