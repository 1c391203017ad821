"""Rows as they are read while they are written, to be held against how they are learnt."""

from __future__ import annotations

from typing import Any

import torch

from synthgen.diffusion.masked import Blocks, number_blocks, show_twice


def learn_and_read(
    net: Any, x: torch.Tensor, condition: dict[str, torch.Tensor], hidden: torch.Tensor, process: Blocks
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (N, V) of the hidden positions: those of the training, and those of a reader, block after block."""
    block, order = number_blocks(condition, process.size), torch.arange(x.shape[1])
    with torch.inference_mode():
        shown, told = show_twice(x, hidden, condition, process)
        assert shown.shape[1] <= 2 * x.shape[1]
        learnt = net(shown, torch.zeros(len(x)), told)
        reader, read = net.start(condition), torch.zeros(*x.shape, learnt.shape[1])
        reader.keep(order.expand_as(x), x, (block < 0) & (x != process.pad), block)
        for number in range(int(block.max()) + 1):
            inside = block == number
            place = (inside.long().argmax(1)[:, None] + order[: process.size]).clamp(max=x.shape[1] - 1)
            there = order[: process.size] < inside.sum(1, keepdim=True)
            asked = hidden.gather(1, place) & there
            row, column = asked.nonzero(as_tuple=True)
            shown_part = torch.where(hidden, process.mask, x).gather(1, place)
            read[row, place[row, column]] = reader.look(place, shown_part, there, asked)
            reader.keep(place, x.gather(1, place), there, block.gather(1, place))
    return learnt, read[hidden]
