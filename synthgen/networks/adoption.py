"""Weights of one net in another that differs in its classes, channels, size or tokens.

A net tells what the numbers along the axes of its tensors mean (`meanings`): classes by their names, channels, tokens
by what they spell. What means the same in both is copied; what is new keeps the value that it was drawn with.

    adopted = adopt(net, state, net.meanings(mine), base.meanings(theirs))
    adopted.kept, adopted.resized, adopted.new      # names of tensors
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import nn

from .lora import MATRICES

Keys = Sequence[Hashable]
Meanings = Mapping[str, Mapping[int, Keys]]  # tensor -> axis -> what each number along it means
Axes = Mapping[str, Sequence[str]]  # what a task says of its rows: {"classes": …, "channels": …}
CLASSES = "classes"  # the axis of them
WRAPPED = ".base_layer"  # in the names of what peft wraps


@dataclass(frozen=True)
class Stretch:
    """Along such an axis places lie evenly: another number of them is interpolated. Only its end counts as a key."""


STRETCH = Stretch()


@dataclass
class Adopted:
    """Names of the new net's tensors."""

    kept: list[str] = field(default_factory=list)
    resized: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        told = f"{len(self.kept)} tensors kept"
        told += f", {len(self.resized)} resized ({', '.join(self.resized)})" if self.resized else ", none resized"
        return told + (f", {len(self.new)} new ({', '.join(self.new)})" if self.new else ", none new")


def name_axis(axes: Axes, name: str, count: int) -> list[Hashable]:
    """Keys of `count` numbers along what the task calls `name`; several numbers may stand for each name. Numbers that
    nobody named are like no other."""
    names = axes.get(name) or ()
    if not names or count % len(names):
        return [object() for _ in range(count)]
    return [(name, each, turn) for each in names for turn in range(count // len(names))]


def number_axis(name: str, count: int) -> list[Hashable]:
    """Keys of what is known by its number alone."""
    return [(name, number) for number in range(count)]


def plain_state(net: nn.Module) -> dict[str, torch.Tensor]:
    """The weights of a net under the names that they have without LoRA, whose matrices are merged already."""
    return {name.replace(WRAPPED, ""): value for name, value in net.state_dict().items() if MATRICES not in name}


@torch.no_grad()
def adopt(net: nn.Module, state: Mapping[str, torch.Tensor], mine: Meanings, theirs: Meanings) -> Adopted:
    """Copy what `state` has of `net`'s tensors into them, in place."""
    adopted = Adopted()
    for name, value in net.state_dict().items():
        old = state.get(name)
        if old is None or old.ndim != value.ndim:
            adopted.new.append(name)
        elif old.shape == value.shape and _same(mine.get(name, {}), theirs.get(name, {})):
            value.copy_(old)
            adopted.kept.append(name)
        elif _resize(value, old, mine.get(name, {}), theirs.get(name, {})):
            adopted.resized.append(name)
        else:
            adopted.new.append(name)
    return adopted


def _same(mine: Mapping[int, Keys], theirs: Mapping[int, Keys]) -> bool:
    return mine.keys() == theirs.keys() and all(list(mine[axis]) == list(theirs[axis]) for axis in mine)


def _resize(value: torch.Tensor, old: torch.Tensor, mine: Mapping[int, Keys], theirs: Mapping[int, Keys]) -> bool:
    """Fill `value` (in place) from `old` where both mean the same; False where nothing does."""
    for axis in range(value.ndim):
        if axis not in mine and value.shape[axis] != old.shape[axis]:
            return False
    places: list[torch.Tensor] = []
    sources: list[torch.Tensor] = []
    for axis in range(value.ndim):
        if list(mine.get(axis, ())) == [STRETCH]:
            old = _stretch(old, axis, value.shape[axis])
        if axis not in mine or list(mine[axis]) == [STRETCH]:
            pairs = [(number, number) for number in range(value.shape[axis])]
        else:
            pairs = _pair(mine[axis], theirs.get(axis, ()))
        if not pairs:
            return False
        here, there = zip(*pairs, strict=True)
        places.append(_along(here, axis, value.ndim))
        sources.append(_along(there, axis, value.ndim))
    value[tuple(places)] = old[tuple(sources)].to(value.dtype)
    return True


def _pair(mine: Keys, theirs: Keys) -> list[tuple[int, int]]:
    """(new number, old number) of what means the same. New classes begin as old ones that are gone, in turn, while
    there are any."""
    known = {key: number for number, key in enumerate(theirs)}
    pairs = [(number, known[key]) for number, key in enumerate(mine) if key in known]
    there = set(mine)
    gone = [number for number, key in enumerate(theirs) if key not in there and _is_class(key)]
    new = [number for number, key in enumerate(mine) if key not in known and _is_class(key)]
    return pairs + list(zip(new, gone, strict=False))


def _is_class(key: Hashable) -> bool:
    return isinstance(key, tuple) and key[0] == CLASSES


def _along(numbers: Sequence[int], axis: int, axes: int) -> torch.Tensor:
    return torch.tensor(numbers).view([-1 if at == axis else 1 for at in range(axes)])


def _stretch(values: torch.Tensor, axis: int, count: int) -> torch.Tensor:
    moved = values.movedim(axis, -1)
    flat = F.interpolate(moved.reshape(1, -1, moved.shape[-1]).float(), size=count, mode="linear", align_corners=True)
    return flat.reshape(*moved.shape[:-1], count).movedim(-1, axis)
