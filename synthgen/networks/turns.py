"""Turns of dialogues as tokens: the turn before and the turn itself, with a tag for every token of a slot's value.

Tags tell beginning, inside and outside of a slot (Ramshaw & Marcus 1995). Knows texts and offsets, no network.

    tokenizer = train_pieces(texts, PIECES)
    encoded = encode(tokenizer, [Example("", "Hello!", "user")], slots=("day",))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from ..slots import stands_alone
from .supervised import IGNORED

PIECES = 1_500
MOST_BEFORE, MOST_OWN = 32, 96  # tokens: the last of the turn before, the first of the turn itself
ROLES = ("user", "assistant", "system")
UNSEEN = -1  # the number of an intent that no training turn has

Slots = Sequence[tuple[str, str]]
Span = tuple[int, int, int]  # first character, one past the last, number of the slot
Place = tuple[int, int, bool]  # first character of a token, one past the last, whether it goes on with a word


@dataclass(frozen=True)
class Example:
    """A turn and the one before it."""

    before: str
    own: str
    role: str
    slots: Slots = ()


@dataclass(frozen=True)
class Encoded:
    """Turns as tokens, one entry a turn."""

    tokens: list[np.ndarray]  # int64 (L,): the turn before, then the turn itself
    segments: list[np.ndarray]  # int64 (L,): 0 for the turn before, else 1 + the role's number
    tags: list[np.ndarray]  # int64 (L,): 0 outside, 2k + 1 where slot k begins, 2k + 2 inside; IGNORED before
    places: list[list[Place]]  # of the turn's own tokens
    unreachable: list[int]  # slots of which no token is left
    texts: list[tuple[str, str]]  # the turn's role and what it says

    def __len__(self) -> int:
        return len(self.tokens)

    def spans(self, row: int, tags: np.ndarray) -> set[Span]:
        """What `tags` (L,) of a row mark in its text."""
        own = self.places[row]
        return decode_tags(tags[len(tags) - len(own) :], own)


def list_turns(roles: np.ndarray, contents: np.ndarray, slots: np.ndarray) -> tuple[list[Example], np.ndarray]:
    """All turns of dialogues (object arrays (N,) of tuples), in order, and the dialogue of each, int64 (M,)."""
    examples, owners = [], []
    for row, (who, said, named) in enumerate(zip(roles, contents, slots, strict=True)):
        for place, (role, content) in enumerate(zip(who, said, strict=True)):
            examples.append(Example(said[place - 1] if place else "", content, role, named[place]))
            owners.append(row)
    return examples, np.array(owners, np.int64)


def number_intents(intents: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """The number of each turn's intent, int64 (M,): IGNORED where none is stated, UNSEEN where it has no number."""
    numbers = {name: number for number, name in enumerate(names)} | {"": IGNORED}
    return np.array([numbers.get(name, UNSEEN) for named in intents for name in named], np.int64)


def find_followers(owners: np.ndarray) -> np.ndarray:
    """bool (M,): whether a turn has one before it in its dialogue; `owners` (M,) are in order."""
    return np.concatenate([np.zeros(min(len(owners), 1), bool), owners[1:] == owners[:-1]])


def find_spans(content: str, slots: Slots, names: Sequence[str]) -> list[Span]:
    """Where the values of known slots stand, in the slots' order: as a word of its own if it can be, never twice."""
    found: list[Span] = []
    for name, value in slots:
        if name not in names or not value:
            continue
        starts = [at for at in range(len(content) - len(value) + 1) if content.startswith(value, at)]
        free = [at for at in starts if all(at >= end or at + len(value) <= start for start, end, _ in found)]
        words = [at for at in free if stands_alone(content, at, at + len(value))]
        for at in (words or free)[:1]:
            found.append((at, at + len(value), names.index(name)))
    return found


def encode(tokenizer: Tokenizer, examples: Sequence[Example], slots: Sequence[str]) -> Encoded:
    before = tokenizer.encode_batch([example.before for example in examples])
    own = tokenizer.encode_batch([example.own for example in examples])
    made = Encoded([], [], [], [], [], [])
    for example, first, second in zip(examples, before, own, strict=True):
        earlier, later = first.ids[-MOST_BEFORE:], second.ids[:MOST_OWN]
        places = [_place(example.own, *pair) for pair in second.offsets[:MOST_OWN]]
        tags, missed = tag_tokens(find_spans(example.own, example.slots, slots), places)
        role = 1 + ROLES.index(example.role)
        made.tokens.append(np.array(earlier + later, np.int64))
        made.segments.append(np.array([0] * len(earlier) + [role] * len(later), np.int64))
        made.tags.append(np.array([IGNORED] * len(earlier) + tags, np.int64))
        made.places.append(places)
        made.unreachable.append(missed)
        made.texts.append((example.role, example.own))
    return made


def _place(text: str, start: int, end: int) -> Place:
    """A token's place without the space that it begins with."""
    while start < end - 1 and text[start].isspace():
        start += 1
    return start, end, start > 0 and text[start - 1].isalnum() and text[start].isalnum()


def tag_tokens(spans: Sequence[Span], places: Sequence[Place]) -> tuple[list[int], int]:
    """The tag of each token, and how many spans have none."""
    tags, missed = [0] * len(places), 0
    for start, end, slot in spans:
        inside = [number for number, (first, last, _) in enumerate(places) if first < end and last > start]
        for rank, number in enumerate(inside):
            tags[number] = 2 * slot + (1 if rank == 0 else 2)
        missed += not inside
    return tags, missed


def decode_tags(tags: np.ndarray, places: Sequence[Place]) -> set[Span]:
    """The spans that tags mark: a word is what its first token is, and an inside without its beginning begins."""
    found: list[Span] = []
    last = 0
    for tag, (start, end, joins) in zip(tags.tolist(), places, strict=True):
        if joins:
            tag = last + last % 2  # beginning or inside: inside of the same slot
        if tag > 0:
            goes_on = tag % 2 == 0 and last in (tag, tag - 1)
            found.append((found.pop()[0] if goes_on else start, end, (tag - 1) // 2))
        last = tag
    return set(found)
