"""Dialogues <-> tokens. What each turn is to say comes first (who speaks, intent, slots), then turn after turn.

The plan of the whole dialogue is always seen; the turns are written one after the other, each given those before it.
The values of a turn's slots are slots of its text, numbered in the turn's own order, so that it says them to the
letter; the plan shows how they begin, so that what stands around them fits. What belongs to one turn, in the plan and
in the text, has the turn's number as its value.

    codec = fit_turn_codec(data, pieces=2000)
    x = codec.encode(rows)      # int64 (B, L)
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from tokenizers import Tokenizer

from ..diffusion.masked import round_up
from ..slots import lift_known
from ..types import Columns, Data, as_objects, count_rows
from ..vocabulary import Vocabulary
from .tokens import BLOCK, Frame, Segment, TokenCodec, Told, close, describe_texts, find_room

SLOTS = 8  # of a turn; further values are spelled out by the net
SPELLED = 3  # pieces of a slot's value that the plan shows

Slots = Sequence[tuple[str, str]]
Texts = tuple[str, ...]


@dataclass(frozen=True)
class TurnCodec(TokenCodec):
    """Columns roles, contents, intents, slots (objects: a tuple a dialogue, an entry a turn), tone, label.

    Conditions have None in the place of a turn that is to be written.
    """

    vocabulary: Vocabulary
    room: int  # of a turn that is to be written
    turns: int  # of a dialogue, at most
    longest: int  # tokens of a row
    block: int = BLOCK

    def decode(self, x: torch.Tensor, columns: Columns) -> Columns:
        """`columns` with all turns; what only conditions have is left out."""
        contents = []
        for row, (tokens, frame) in enumerate(zip(x.tolist(), self.frames(columns), strict=True)):
            turns = list(columns["contents"][row])
            for place, (segment, span) in enumerate(zip(frame.segments, frame.spans(), strict=True)):
                if segment.is_written:
                    values = list(list_values(columns["slots"][row][place]))
                    turns[place] = self.vocabulary.decode(tokens[span], values).strip()
            contents.append(tuple(turns))
        kept = {name: columns[name] for name in ("roles", "intents", "slots", "tone", "label")}
        return {**kept, "contents": as_objects(contents)}

    def files(self) -> Mapping[str, str]:
        told = {"slots": self.vocabulary.slots, "marks": self.vocabulary.marks, "room": self.room}
        return {"tokenizer.json": self.vocabulary.tokenizer.to_str(), "codec.json": json.dumps(told, indent=1)}

    def describe(self, columns: Columns) -> np.ndarray:
        """float32 (N, 256): which groups of characters the dialogue has."""
        return describe_texts(["\n".join(turns) for turns in columns["contents"]])

    def build_frames(self, columns: Columns) -> Iterator[Frame]:
        for row in range(count_rows(columns)):
            roles, contents, intents, slots = (columns[name][row] for name in ("roles", "contents", "intents", "slots"))
            tone = columns["tone"][row]
            segments = [self._segment(*turn) for turn in zip(contents, slots, range(1, len(roles) + 1), strict=True)]
            yield Frame(self._plan(roles, intents, slots, tone), tuple(segments), 0)

    def _segment(self, content: str | None, slots: Slots, turn: int) -> Segment:
        if content is None:
            return Segment(self.room, (), turn)
        tokens = close(self.vocabulary.encode(lift_turn(content, slots)))
        return Segment(find_room(len(tokens) - 1), tokens, turn)

    def _plan(
        self, roles: Sequence[str], intents: Sequence[str], slots: Sequence[Slots], tone: str
    ) -> tuple[Told, ...]:
        plan = [Told(self._mark("tone", tone))] if tone else []
        for turn, (role, intent, named) in enumerate(zip(roles, intents, slots, strict=True), 1):
            plan.append(Told(self._mark(role, intent), turn))
            for name, value in named:
                tokens = [self._mark("slot", name), *self.vocabulary.encode(lift_known(value, {}))[:SPELLED]]
                plan += [Told(token, turn) for token in tokens]
        return tuple(plan)

    def _mark(self, sort: str, name: str) -> int:
        """That of the sort alone for a name that no training row has."""
        full = mark_of(sort, name)
        return self.vocabulary.mark(full if full in self.vocabulary.marks else mark_of(sort))


def mark_of(sort: str, name: str = "") -> str:
    """`sort`: "tone", "slot" or a role."""
    return f"{sort} {name}".strip()


def list_values(slots: Slots) -> dict[str, int]:
    """The distinct values of a turn, in order, and the slot of each."""
    distinct = dict.fromkeys(value for _, value in slots)
    return {value: place for place, value in enumerate(list(distinct)[:SLOTS])}


def lift_turn(content: str, slots: Slots) -> str:
    """The text with its own slots; values of other turns' slots stay as they are."""
    return lift_known(content, list_values(slots))


def fit_turn_codec(data: Data, pieces: int | Tokenizer) -> TurnCodec:
    """Pieces and rooms from the training rows."""
    train = data.train
    texts, marks = [], {mark_of(sort): None for sort in ("tone", "slot", "user", "assistant", "system")}
    for roles, contents, intents, slots, tone in _rows(train):
        texts += [lift_turn(content, named) for content, named in zip(contents, slots, strict=True)]
        texts += [lift_known(value, {}) for named in slots for _, value in named]
        marks |= dict.fromkeys([mark_of("tone", tone), *map(mark_of, roles, intents)])
        marks |= dict.fromkeys(mark_of("slot", name) for named in slots for name, _ in named)
    vocabulary = Vocabulary.fit(texts, pieces, SLOTS, tuple(marks))
    room = find_room(max(len(vocabulary.encode(text)) for text in texts))
    parts = (train, data.validation, data.heldout)
    codec = TurnCodec(vocabulary, room, max(len(roles) for part in parts for roles in part["roles"]), 0)
    longest = max(int(codec.widths(part).max()) for part in parts)
    return replace(codec, longest=max(longest, _widest(codec, train)))


def _rows(
    columns: Columns,
) -> Iterator[tuple[Texts, Texts, Texts, tuple[Slots, ...], str]]:
    return zip(*(columns[name] for name in ("roles", "contents", "intents", "slots", "tone")), strict=True)


def _widest(codec: TurnCodec, train: Columns) -> int:
    """Tokens of a row with the plan of any training row, whatever its slots hold and however long its turns are."""
    plans = ((len(slots), sum(1 + len(named) * (1 + SPELLED) for named in slots)) for slots in train["slots"])
    widest = max(1 + plan + turns * codec.room for turns, plan in plans)
    return round_up(widest)
