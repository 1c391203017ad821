"""Rows of texts as token numbers: what every task of texts shares.

A row is a prefix that is always seen, then segments that are written one after the other, each in a room of its own
that END and PAD fill up. Rows of about the same width go through the net together. Knows tokens, not what they say.

    frames = [Frame((Told(slot, value),), (Segment(8, (21, 35, END)), Segment(8)), label=0)]
    packed = pack(frames)
    packed.x, packed.condition["known"]         # int64 (B, L)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.feature_extraction.text import HashingVectorizer

from ..diffusion.masked import Blocks, round_up
from ..slots import Value
from ..types import Columns, Condition, Data, Process, as_objects
from ..vocabulary import END, MASK, PAD, Vocabulary

BLOCK = Blocks.size  # rooms are so many tokens, or twice as many, …
LONGEST = 511  # tokens of a text
FRAME = "frame"  # the column of what `lay_out` found
DESCRIPTOR_SIZE = 256


@dataclass(frozen=True)
class Told:
    """A token of the prefix, and the number it stands for as `code_value` gives it."""

    token: int
    value: int = 0


@dataclass(frozen=True)
class Segment:
    """A text in its room, which is more than enough where it is to be written. A token of None is to be written; no
    tokens at all: everything is."""

    room: int
    tokens: tuple[int | None, ...] = ()  # with END
    value: int = 0  # of all its tokens: what ties them to the part of the prefix that has it too

    @property
    def is_written(self) -> bool:
        return not self.tokens or None in self.tokens


@dataclass(frozen=True)
class Frame:
    """A row as the net sees it."""

    prefix: tuple[Told, ...]
    segments: tuple[Segment, ...]
    label: int
    values: tuple[Value, ...] = ()  # what the slots stand for

    @property
    def width(self) -> int:
        total = len(self.prefix) + sum(segment.room for segment in self.segments)
        return round_up(total)

    def spans(self) -> list[slice]:
        """Where each segment stands."""
        found, start = [], len(self.prefix)
        for segment in self.segments:
            found.append(slice(start, start + segment.room))
            start += segment.room
        return found


class TokenCodec(ABC):
    """What codecs of texts share: they say how each row looks as a frame, and the rest follows."""

    vocabulary: Vocabulary
    longest: int  # tokens of a row
    block: int  # tokens that are written together

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.longest,)

    @property
    def process(self) -> Process:
        return Blocks(mask=MASK, end=END, pad=PAD, size=self.block)

    @abstractmethod
    def build_frames(self, columns: Columns) -> Iterator[Frame]:
        """Every row as the net sees it."""

    def frames(self, columns: Columns) -> Iterator[Frame]:
        """The same, once it is laid out at no cost."""
        return iter(columns[FRAME]) if FRAME in columns else self.build_frames(columns)

    def lay_out(self, columns: Columns) -> Columns:
        """`columns` with the frames: slots are found and texts are cut into tokens once."""
        return {**columns, FRAME: as_objects(list(self.build_frames(columns)))}

    def components(self) -> Mapping[str, Any]:
        return {}

    def views(self, columns: Columns) -> Columns:
        """What is learnt of rows: each as it is."""
        return columns

    def widths(self, columns: Columns) -> np.ndarray:
        return np.array([frame.width for frame in self.frames(columns)], np.int64)

    def encode(self, columns: Columns) -> torch.Tensor:
        """int64 (B, the widest of these rows)."""
        return pack(list(self.frames(columns))).x

    def condition(self, columns: Columns) -> Condition:
        return pack(list(self.frames(columns))).condition


def name_axes(data: Data, codec: TokenCodec) -> dict[str, list[str]]:
    """The classes, and the tokens that are no pieces."""
    return {"classes": list(data.classes), "tokens": codec.vocabulary.names}


@dataclass(frozen=True)
class Packed:
    x: torch.Tensor  # int64 (B, L); PAD where a token is to be written
    condition: Condition


def pack(frames: Sequence[Frame], width: int | None = None) -> Packed:
    """The rows' tokens, int64 (B, L), and the condition: segment, offset, value and known (B, L), label (B,)."""
    length = width or max((frame.width for frame in frames), default=0)
    shape = (len(frames), length)
    x, value, offset = (np.zeros(shape, np.int64) for _ in range(3))
    segment, known = np.full(shape, -1, np.int64), np.full(shape, PAD, np.int64)
    for row, frame in enumerate(frames):
        count = len(frame.prefix)
        x[row, :count] = known[row, :count] = [told.token for told in frame.prefix]
        value[row, :count] = [told.value for told in frame.prefix]
        offset[row, :count] = np.arange(count)
        for number, (part, span) in enumerate(zip(frame.segments, frame.spans(), strict=True)):
            segment[row, span], offset[row, span], value[row, span] = number, np.arange(part.room), part.value
            told = [-1 if token is None else token for token in part.tokens]
            known[row, span] = -1 if not told else PAD
            known[row, span.start : span.start + len(told)] = told
            x[row, span] = np.where(known[row, span] < 0, PAD, known[row, span])
    arrays = {"segment": segment, "offset": offset, "value": value, "known": known}
    condition = {name: torch.from_numpy(values) for name, values in arrays.items()}
    condition["label"] = torch.tensor([frame.label for frame in frames], dtype=torch.int64)
    return Packed(torch.from_numpy(x), condition)


def find_room(tokens: int) -> int:
    """The room of a text of so many tokens and END, in whole blocks. A ValueError beyond 511 tokens."""
    if tokens > LONGEST:
        raise ValueError(f"{tokens} tokens are more than the {LONGEST} that a text may have")
    return -(-(tokens + 1) // BLOCK) * BLOCK


def close(tokens: Sequence[int]) -> tuple[int, ...]:
    return (*tokens, END)


def describe_texts(texts: Sequence[str]) -> np.ndarray:
    """float32 (N, 256): hashed counts of one to four characters, of unit length; equal texts are exactly equal."""
    hashing = HashingVectorizer(
        analyzer="char", ngram_range=(1, 4), n_features=DESCRIPTOR_SIZE, lowercase=False, dtype=np.float32
    )
    found: np.ndarray = hashing.transform(texts).toarray()
    return found
