"""Dialogues as they stand in records: messages in the forms that chat datasets have, with intents and slots if given.

Texts are checked and never changed. Knows records and roles, neither files nor splits.

    read_dialogue({"messages": [{"role": "user", "content": "Hi"}, ...]}, {"messages": "messages"}, 400)
    shorten(dialogue, 12)       # at most 12 turns, cut after one of the assistant's
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from ..rows import BadRow
from .cells import check_text

Slots = tuple[tuple[str, str], ...]  # (name, value); the value stands verbatim in the turn

ROLES = {
    "user": "user", "human": "user", "prompter": "user", "customer": "user",
    "assistant": "assistant", "gpt": "assistant", "bot": "assistant", "model": "assistant", "chatgpt": "assistant",
    "agent": "assistant", "system": "system",
}  # fmt: skip
ROLE_KEYS, TEXT_KEYS = ("role", "from", "speaker"), ("content", "value", "text", "utterance")
NO_INTENT = frozenset({"", "NONE"})  # schema-guided dialogues write NONE where the user wants nothing more


class Unanswered(BadRow):
    """A dialogue in which nothing is asked and answered before it is cut."""


@dataclass(frozen=True)
class Turn:
    role: str  # "user", "assistant" or "system"
    content: str
    intent: str = ""  # "" where unknown
    slots: Slots = ()
    missing: int = 0  # slots that the source has and whose value does not stand in the turn


@dataclass(frozen=True)
class Dialogue:
    turns: tuple[Turn, ...]
    tone: str = ""
    topic: str = ""
    joined: bool = False  # whether neighbouring turns of one role were made one

    @property
    def text(self) -> tuple[tuple[str, str], ...]:
        """What makes two dialogues the same."""
        return tuple((turn.role, turn.content) for turn in self.turns)

    @property
    def first_intent(self) -> str:
        """The intent of the first user turn that has one, else ""."""
        return next((t.intent for t in self.turns if t.role == "user" and t.intent not in NO_INTENT), "")


def read_dialogue(cells: Mapping[str, Any], columns: Mapping[str, str], longest: int) -> Dialogue:
    """The dialogue of one record; `columns`: ours (messages, or prompt and response; ...) -> the record's.

    Neighbouring turns of one role become one turn. A BadRow for what is no dialogue, TooLong for a turn of more than
    `longest` characters.
    """
    if "messages" in columns:
        turns = list(_read_turns(cells.get(columns["messages"]), "", longest))
    else:
        turns = list(_read_turns(cells.get(columns["prompt"]), "user", longest))
        turns += _read_turns(cells.get(columns["response"]), "assistant", longest)
    turns = _name_intents(turns, cells.get(columns.get("intents", "")))
    joined = tuple(_join(list(same)) for _, same in groupby(turns, key=lambda turn: turn.role))
    if not {"user", "assistant"} <= {turn.role for turn in joined}:
        raise BadRow("no turn of the user, or none of the assistant")
    tone, topic = (_word(cells.get(columns.get(name, ""))) for name in ("tone", "topic"))
    return Dialogue(joined, tone, topic, len(joined) < len(turns))


def shorten(dialogue: Dialogue, most: int) -> Dialogue:
    """The dialogue itself, or its first turns up to the last of the assistant among the first `most`.

    Unanswered where these have none of the assistant, or none of the user.
    """
    if len(dialogue.turns) <= most:
        return dialogue
    turns = dialogue.turns[:most]
    while turns and turns[-1].role != "assistant":
        turns = turns[:-1]
    if not any(turn.role == "user" for turn in turns):
        raise Unanswered(f"no question and answer among the first {most} turns")
    return replace(dialogue, turns=turns)


def _read_turns(cell: Any, role: str, longest: int) -> Iterator[Turn]:
    """The turns of a list of messages; or of one text, where `role` says whose it is."""
    messages = _unpack(cell, plain=bool(role))
    if isinstance(messages, str) or (role and messages is None):
        yield Turn(role, check_text(messages, longest, role))
        return
    if not isinstance(messages, list) or not messages:
        raise BadRow("no messages")
    for number, message in enumerate(messages):
        if not isinstance(message, dict):
            raise BadRow(f"message {number} is no record of role and content")
        yield _read_message(message, f"message {number}", longest)


def _unpack(cell: Any, plain: bool) -> Any:
    """Lists as they are, also from JSON text (as CSV stores it) and from a record of lists (as `datasets` may)."""
    if isinstance(cell, str) and not plain:
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            raise BadRow("messages are a text that is not JSON") from None
    if isinstance(cell, dict) and cell and all(isinstance(values, list) for values in cell.values()):
        return [dict(zip(cell, values, strict=False)) for values in zip(*cell.values(), strict=False)]
    return cell


def _read_message(message: Mapping[str, Any], where: str, longest: int) -> Turn:
    named = next((message[key] for key in ROLE_KEYS if message.get(key)), None)
    role = ROLES.get(str(named).casefold(), "")
    if not role:
        raise BadRow(f"{where}: role {named!r:.40} is neither user, assistant nor system")
    content = check_text(_plain_text(message, where), longest, where)
    frames = [frame for frame in message.get("frames") or () if isinstance(frame, dict)]
    intent = _first_word(message.get("intent")) or _first_word(message.get("intents")) or _intent_of(frames, role)
    found = [*_named_values(message.get("slots")), *_spans(frames, content)]
    slots = tuple(dict.fromkeys((name, value) for name, value in found if value and value in content))
    return Turn(role, content, intent, slots, sum(not value or value not in content for _, value in found))


def _plain_text(message: Mapping[str, Any], where: str) -> Any:
    content = next((message[key] for key in TEXT_KEYS if message.get(key) is not None), None)
    if not isinstance(content, list):
        return content
    parts = [part.get("text") if isinstance(part, dict) else part for part in content]
    if not all(isinstance(part, str) for part in parts):
        raise BadRow(f"{where}: not all of it is text")
    return "\n".join(str(part) for part in parts)


def _intent_of(frames: list[dict[str, Any]], role: str) -> str:
    """Of schema-guided dialogues (Rastogi et al. 2020): the user's active intent, the assistant's first act."""
    if role == "user":
        active = [str((frame.get("state") or {}).get("active_intent") or "") for frame in frames]
        return next((name for name in active if name not in NO_INTENT), active[0] if active else "")
    acts = [str(act.get("act") or "") for frame in frames for act in frame.get("actions") or ()]
    return acts[0].lower() if acts else ""


def _spans(frames: list[dict[str, Any]], content: str) -> Iterator[tuple[str, str]]:
    for frame in frames:
        for slot in frame.get("slots") or ():
            start, end = slot.get("start"), slot.get("exclusive_end")
            inside = isinstance(start, int) and isinstance(end, int) and 0 <= start < end <= len(content)
            yield str(slot.get("slot")), content[start:end] if inside else ""


def _named_values(slots: Any) -> Iterator[tuple[str, str]]:
    """Slots as {name: value}, as records of name (or slot) and value, or as pairs."""
    if isinstance(slots, dict):
        yield from ((str(name), str(value)) for name, value in slots.items() if value is not None)
        return
    for slot in slots if isinstance(slots, list) else ():
        if isinstance(slot, dict):
            yield str(slot.get("name") or slot.get("slot") or ""), str(slot.get("value") or "")
        elif isinstance(slot, list | tuple) and len(slot) == 2:
            yield str(slot[0]), str(slot[1])


def _name_intents(turns: list[Turn], cell: Any) -> list[Turn]:
    """Turns with the intents of a column: one a turn, or one word that is the first user turn's."""
    if isinstance(cell, list):
        if len(cell) != len(turns):
            raise BadRow(f"{len(cell)} intents for {len(turns)} turns")
        return [replace(t, intent=_word(name)) if _word(name) else t for t, name in zip(turns, cell, strict=True)]
    first = next((number for number, turn in enumerate(turns) if turn.role == "user"), None)
    if _word(cell) and first is not None:
        turns[first] = replace(turns[first], intent=_word(cell))
    return turns


def _join(turns: list[Turn]) -> Turn:
    if len(turns) == 1:
        return turns[0]
    return Turn(
        turns[0].role,
        "\n".join(turn.content for turn in turns),
        next((turn.intent for turn in turns if turn.intent not in NO_INTENT), turns[0].intent),
        tuple(dict.fromkeys(slot for turn in turns for slot in turn.slots)),
        sum(turn.missing for turn in turns),
    )


def _first_word(cell: Any) -> str:
    return _word(cell[0]) if isinstance(cell, list) and cell else _word(cell)


def _word(cell: Any) -> str:
    """A name of a class, a tone or a topic: a text or a whole number; of a list, the first."""
    if isinstance(cell, list):
        cell = cell[0] if cell else None
    return str(cell).strip() if isinstance(cell, str | int) else ""
