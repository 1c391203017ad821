"""Dialogues of a user with an assistant that knows CLDR: facts about territories, and phrases in other languages.

What is meant comes first (who asks what of which place, and what is left out because it was said before), then the
turns are written to it, so intents and slots are right by construction. Knows neither files nor splits.

    dialogue = draw_dialogues(1, seed=0)[0]
    [(turn.role, turn.content, turn.intent, turn.slots) for turn in dialogue.turns]
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TypeVar

import numpy as np

from .assistant_facts import PHRASES, check_facts, known_facts, tongues
from .assistant_wordings import (
    BRIEF,
    CLAIMS,
    CLOSINGS,
    DIRECT,
    FRAMES,
    FULL_SHARES,
    KINDS,
    LEADS,
    NAMES,
    OTHER_TOPICS,
    REPLIES,
    SHORT_CLAIMS,
    SHORT_NAMES,
    TONES,
    VALUES,
    WORDS,
)
from .dialogues import Dialogue, Turn
from .facts import Fact, place_name
from .phrases import FAMILIES

__all__ = ["TONES", "build_world", "check_facts", "draw_dialogue", "draw_dialogues", "part_of"]

Allowed = Callable[[str, str], bool]  # (subject, kind): a territory's name and a kind of fact; or a phrase
Item = TypeVar("Item")
STREAM = 7  # of the seed
MOST_TRIES = 20  # for each dialogue that is wanted: those that were drawn before do not count
EXCHANGES, EXCHANGE_SHARES = (1, 2, 3, 4), (0.15, 0.3, 0.3, 0.25)
GREETING, CLOSING = 0.12, 0.5  # shares of the dialogues of more than one exchange that begin and end so
SLOT = re.compile(r"\{(\w+)\}")

# What the user does next, by what the dialogue is about, and how often.
OPENINGS = {"ask": 0.6, "phrase": 0.18, "confirm": 0.13, "other": 0.09}
NEXT: Mapping[str, Mapping[str, float]] = {
    "": OPENINGS,
    "fact": {"territory": 0.34, "kind": 0.28, "correct": 0.14, "confirm": 0.12, "ask": 0.05, "phrase": 0.07},
    "phrase": {"tongue": 0.5, "correct": 0.2, "phrase": 0.1, "ask": 0.2},
    "other": {"kind": 0.5, "ask": 0.4, "other": 0.1},
}


@dataclass(frozen=True)
class World:
    """What may be asked: facts by kind and territory, kinds by territory, territories of which nothing is known."""

    facts: Mapping[str, Mapping[str, Fact]]
    kinds: Mapping[str, tuple[str, ...]]
    rich: tuple[str, ...]  # territories of which several facts may be asked
    unknown: tuple[str, ...]
    allowed: Allowed


@dataclass
class Scene:
    """A dialogue while it is drawn: who speaks how, and what has been said."""

    draw: np.random.Generator
    world: World
    tone: str
    about: str = ""  # "fact", "phrase", "other", or "" before any of them
    place: str = ""
    kind: str = ""
    topic: str = ""
    phrase: tuple[str, tuple[str, ...]] = ("", ())  # family and facts
    tongue: str = ""
    told: set[tuple[str, str]] = field(default_factory=set)
    turns: list[Turn] = field(default_factory=list)

    def pick(self, items: Sequence[Item]) -> Item:
        return items[int(self.draw.integers(len(items)))]

    def chance(self, share: float) -> bool:
        return bool(self.draw.random() < share)

    def choose(self, shares: Mapping[str, float]) -> str:
        return str(self.draw.choice(list(shares), p=np.array(list(shares.values())) / sum(shares.values())))


def draw_dialogues(count: int, seed: int, allowed: Allowed = lambda subject, kind: True) -> list[Dialogue]:
    """`count` distinct dialogues of 2 to 8 turns, alternating, the user first and the assistant last.

    The same seed gives the same dialogues; a longer list begins with a shorter one. Only what is `allowed` is asked;
    where that is very little, there are fewer dialogues.
    """
    world = build_world(allowed)
    found: dict[tuple[tuple[str, str], ...], Dialogue] = {}
    for index in range(MOST_TRIES * count if any(world.kinds.values()) else 0):
        key, counter = np.array([seed % 2**64, STREAM], np.uint64), np.array([0, index, 0, 0], np.uint64)
        dialogue = draw_dialogue(np.random.Generator(np.random.Philox(key=key, counter=counter)), world)
        found.setdefault(dialogue.text, dialogue)
        if len(found) == count:
            break
    return list(found.values())


def part_of(subject: str, kind: str, validation: float, heldout: float) -> str:
    """train, validation or heldout: by the subject and the kind alone."""
    digest = blake2b(f"{subject}\n{kind}".encode(), digest_size=8).digest()
    share = int.from_bytes(digest, "little") / 2**64
    return "heldout" if share < heldout else "validation" if share < heldout + (1 - heldout) * validation else "train"


def build_world(allowed: Allowed) -> World:
    facts = {
        kind: {name: fact for name, fact in of_kind.items() if allowed(name, kind)}
        for kind, of_kind in known_facts().items()
    }
    names = sorted({name for of_kind in known_facts().values() for name in of_kind})
    kinds = {name: tuple(kind for kind in KINDS if name in facts[kind]) for name in names}
    rich = tuple(name for name in names if len(kinds[name]) > 1)
    return World(facts, kinds, rich, tuple(name for name in names if allowed(name, "other")), allowed)


def draw_dialogue(draw: np.random.Generator, world: World, tone: str | None = None) -> Dialogue:
    scene = Scene(draw, world, tone or TONES[int(draw.integers(len(TONES)))])
    exchanges = int(draw.choice(EXCHANGES, p=EXCHANGE_SHARES))
    if exchanges > 1 and scene.chance(GREETING):
        say(scene, "greet", FRAMES["greet", scene.tone])
        reply(scene, "greet_back", REPLIES["greet_back", scene.tone])
    closes = exchanges - len(scene.turns) // 2 > 1 and scene.chance(CLOSING)
    while len(scene.turns) < 2 * (exchanges - closes):
        ACTS[scene.choose(NEXT[scene.about])](scene)
    if closes:
        act, answer = scene.pick((("thank", "welcome"), ("goodbye", "farewell")))
        say(scene, act, FRAMES[act, scene.tone])
        reply(scene, answer, REPLIES[answer, scene.tone])
    return Dialogue(tuple(scene.turns), scene.tone)


def ask(scene: Scene) -> None:
    """A question that leaves nothing out."""
    open_kinds = [kind for kind in KINDS if scene.world.facts[kind]]
    place = scene.pick(scene.world.rich) if scene.world.rich and scene.chance(0.7) else ""
    scene.kind = scene.pick(scene.world.kinds[place] if place else open_kinds)
    scene.place = place or scene.pick(list(scene.world.facts[scene.kind]))
    say(scene, f"ask_{WORDS[scene.kind]}", _question(scene), place=scene.place)
    inform(scene)


def _question(scene: Scene) -> tuple[str, ...]:
    if scene.chance(0.4):
        whole = BRIEF if scene.tone == "brief" else DIRECT
        return (_lead(scene, scene.pick(whole[scene.kind])),)
    frame = scene.pick(FRAMES["ask", scene.tone]).replace("{np}", scene.pick(NAMES[scene.kind]))
    return (_lead(scene, frame),)


def ask_territory(scene: Scene) -> None:
    """The same question about another place: its kind is left out."""
    if not _move(scene):
        return ask(scene)
    say(scene, "follow_up_territory", FRAMES["follow_up", scene.tone], place=scene.place)
    inform(scene)


def ask_kind(scene: Scene) -> None:
    """Another question about the same place, which is left out."""
    kinds = [kind for kind in scene.world.kinds[scene.place] if (scene.place, kind) not in scene.told]
    if not kinds:
        return ask(scene)
    scene.kind = scene.pick(kinds)
    frame = scene.pick(FRAMES["follow_up_kind", scene.tone])
    say(scene, "follow_up_kind", (frame.replace("{np}", scene.pick(SHORT_NAMES[scene.kind])),))
    inform(scene)


def correct(scene: Scene) -> None:
    """Not this place, or not this language, but another; what was asked of it is left out."""
    if scene.about == "phrase":
        return _change_tongue(scene, "correct", FRAMES["correct", scene.tone])
    if not _move(scene):
        return ask(scene)
    say(scene, "correct", FRAMES["correct", scene.tone], place=scene.place)
    inform(scene)


def confirm(scene: Scene) -> None:
    """A statement, right or wrong, of which the user wants to know whether it is so."""
    scene.kind = scene.pick([kind for kind in KINDS if scene.world.facts[kind]])
    scene.place = scene.pick(list(scene.world.facts[scene.kind]))
    right = scene.world.facts[scene.kind][scene.place].value
    others = sorted({fact.value for fact in known_facts()[scene.kind].values()} - {right})
    value = right if scene.chance(0.5) else scene.pick(others)
    frame = scene.pick(FRAMES["confirm", scene.tone]).replace("{s}", scene.pick(CLAIMS[scene.kind]))
    say(scene, "confirm", (frame,), place=scene.place, value=value)
    inform(scene, "affirm" if value == right else "deny")


def ask_other(scene: Scene) -> None:
    """Something that no knowledge base of this kind says."""
    if not scene.world.unknown:
        return ask(scene)
    scene.about, scene.place, scene.topic = "other", scene.pick(scene.world.unknown), scene.pick(OTHER_TOPICS)
    frame = _lead(scene, scene.pick(FRAMES["ask", scene.tone]).replace("{np}", scene.topic))
    say(scene, "ask_other", (frame,), place=scene.place)
    answer = scene.pick(REPLIES["cannot_know", scene.tone]).replace("{np}", scene.topic)
    reply(scene, "cannot_know", (answer,), place=scene.place)


def ask_phrase(scene: Scene) -> None:
    for _ in range(MOST_TRIES):
        family = scene.pick(PHRASES)
        scene.phrase, scene.tongue = (family, FAMILIES[family].draw(scene.draw)), scene.pick(list(tongues()))
        english = _write(scene, "en")
        if scene.world.allowed(english, "phrase") and english != _write(scene, tongues()[scene.tongue]):
            break
    else:
        return ask(scene)
    scene.about = "phrase"
    frame = _lead(scene, scene.pick(FRAMES["phrase", scene.tone]))
    say(scene, "ask_phrase", (frame,), phrase=english, language=scene.tongue)
    _write_phrase(scene)


def ask_tongue(scene: Scene) -> None:
    """The same phrase in another language: the phrase is left out."""
    _change_tongue(scene, "follow_up_language", FRAMES["follow_up", scene.tone])


def _change_tongue(scene: Scene, intent: str, frames: Sequence[str]) -> None:
    scene.tongue = scene.pick([name for name in tongues() if name != scene.tongue])
    say(scene, intent, (scene.pick(frames).replace("{place}", "{language}"),), language=scene.tongue)
    _write_phrase(scene)


def _write(scene: Scene, language: str) -> str:
    family, facts = scene.phrase
    return FAMILIES[family].write(facts, language)


def _write_phrase(scene: Scene) -> None:
    written = _write(scene, tongues()[scene.tongue])
    reply(scene, "inform_phrase", REPLIES["phrase", scene.tone], phrase=written, language=scene.tongue)


def inform(scene: Scene, act: str = "inform") -> None:
    """The answer to what is asked: the fact of the place and kind that the scene is about."""
    place, kind = scene.place, scene.kind
    statements = CLAIMS[kind]
    spoken = scene.world.facts["main language"].get(place)
    if kind == "main share" and spoken is not None:
        statements = FULL_SHARES
    if scene.chance(0.7 if scene.tone == "brief" else 0.35):
        statements = SHORT_CLAIMS[kind]
    frame = scene.pick(REPLIES[act, scene.tone])
    frame = frame.replace("{s}", scene.pick(statements)).replace("{v}", VALUES[kind])
    intent = f"inform_{WORDS[kind]}" if act == "inform" else act
    value, language = scene.world.facts[kind][place].value, spoken.value if spoken is not None else ""
    reply(scene, intent, (frame,), place=place, value=value, language=language)
    scene.about = "fact"
    scene.told.add((place, kind))


def _move(scene: Scene) -> bool:
    """To another place of which the same can be asked; False if there is none."""
    places = [name for name in scene.world.facts[scene.kind] if (name, scene.kind) not in scene.told]
    if places:
        scene.place = scene.pick(places)
    return bool(places)


def _lead(scene: Scene, frame: str) -> str:
    lead = scene.pick(LEADS[scene.tone])
    return lead + (frame[0].lower() + frame[1:] if lead.endswith(", ") and not frame.startswith("I ") else frame)


def say(scene: Scene, intent: str, frames: Sequence[str], **values: str) -> None:
    scene.turns.append(fill(scene, "user", intent, scene.pick(frames), values))


def reply(scene: Scene, intent: str, frames: Sequence[str], **values: str) -> None:
    frame = scene.pick(frames)
    closing = scene.pick(CLOSINGS[scene.tone]) if intent.startswith("inform") else ""
    scene.turns.append(fill(scene, "assistant", intent, frame + closing, values))


def fill(scene: Scene, role: str, intent: str, frame: str, values: Mapping[str, str]) -> Turn:
    """The turn that a frame becomes, and its slots in the order of the text."""
    slots: dict[tuple[str, str], None] = {}

    def put(match: re.Match[str]) -> str:
        value = values[match[1]]
        name = {"place": "territory", "value": KINDS.get(scene.kind, "")}.get(match[1], match[1])
        slots[name, value] = None
        return place_name(value) if match[1] == "place" else value

    text = SLOT.sub(put, frame)
    if scene.tone != "brief":
        text = text[0].upper() + text[1:]
    return Turn(role, text, intent, tuple(slots))


ACTS: Mapping[str, Callable[[Scene], None]] = {
    "ask": ask,
    "territory": ask_territory,
    "kind": ask_kind,
    "correct": correct,
    "confirm": confirm,
    "other": ask_other,
    "phrase": ask_phrase,
    "tongue": ask_tongue,
}
