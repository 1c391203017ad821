"""Real conversations, ready to train on: read, tidied, freed of copies and divided into parts.

Knows no models. The held-out dialogues are settled before anything that depends on the recipe's seed.

    data = load_conversations(ConversationSourceOptions(kind="builtin", name="assistant"), seed=0)
    data.train["contents"][0]       # ("What is the currency of Japan?", "It is the Japanese Yen.")
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b

import numpy as np

from ...errors import UserError
from ...types import Columns, Data, Origin, as_objects
from ..builtins import check_builtin
from ..rows import PARTS, BadRow, Faults
from ..splits import HELDOUT_SEED, VALIDATION_SEED, split_rows
from ..tables import check_columns
from .assistant import build_world, draw_dialogue, draw_dialogues, part_of
from .cells import TooLong
from .conversation_options import ConversationSourceOptions
from .dialogues import Dialogue, Unanswered, read_dialogue, shorten
from .records import Records, describe_records, open_records

BUILTINS = {"assistant": "questions to an assistant about 250 territories, and phrases in other languages, from CLDR"}
ROWS = 4_000  # training dialogues of a built-in source, where the recipe names no number
LEAST, MOST = 10, 1_000  # of its validation dialogues, and of its held-out ones
OWN_SEEDS = {"validation": VALIDATION_SEED, "heldout": HELDOUT_SEED}
RARE = 5  # a class with fewer training dialogues is part of "other"
NO_CLASS, OTHER = "any", "other"
USUAL = {
    "messages": ("messages", "conversations", "conversation", "dialogue", "dialog", "turns"),
    "prompt": ("prompt", "instruction", "question", "query", "input", "user"),
    "response": ("response", "completion", "answer", "output", "assistant"),
    "intents": ("intents", "intent"),
    "topic": ("topic", "service", "services", "domain", "category"),
    "tone": ("tone", "persona"),
}


@dataclass(frozen=True)
class Classes:
    """The class of a dialogue: what its user wants first, or its topic where no one says what users want."""

    names: tuple[str, ...]
    by_intent: bool

    def number(self, dialogue: Dialogue) -> int:
        name = name_class(dialogue, self.by_intent)
        return self.names.index(name if name in self.names else self.names[-1])


@dataclass(frozen=True)
class Loaded:
    """Dialogues by part, with all there is to say about them."""

    parts: dict[str, list[Dialogue]]
    classes: Classes
    origin: Origin
    draw: Callable[..., Dialogue] | None = None  # (generator, tone=...)


def load_conversations(options: ConversationSourceOptions, seed: int) -> Data:
    """Dialogues of at least one user and one assistant turn; errors in the source are UserErrors.

    Object columns with one tuple a dialogue, one entry a turn: roles ("user", "assistant", "system"), contents,
    intents ("" where unknown), slots (tuples of (name, value), each value verbatim in its turn); neighbouring turns
    have different roles. tone: str, "" where unknown. label int64: the class. details: language, intents, slots and
    tones of the training rows, whether each row's facts can be checked (only those of "assistant"), and `draw`: where
    dialogues are drawn, (generator, tone) -> a Dialogue about what may be asked in training, else None.
    """
    loaded = _load_assistant(options, seed) if options.kind == "builtin" else _load_records(options, seed)
    train, validation, heldout = (_stack(loaded.parts[part], loaded.classes) for part in PARTS)
    details = {**_list_names(loaded.parts["train"]), "language": "en", "checked": options.kind == "builtin"}
    details["draw"] = loaded.draw
    return Data(train, validation, heldout, loaded.classes.names, loaded.origin, details=details)


def describe_conversations(options: ConversationSourceOptions) -> str:
    """One line about the source, from names and headers alone. A UserError if there is none."""
    if options.kind == "builtin":
        check_builtin(options.name or "", BUILTINS, module="babel", extra="text")
        return f"{options.name}: built in; {BUILTINS[options.name or '']}"
    return describe_records(options)


def _load_assistant(options: ConversationSourceOptions, seed: int) -> Loaded:
    """Drawn dialogues. What is asked in one part, at whatever place in a dialogue, is not asked in another."""
    check_builtin(options.name or "", BUILTINS, module="babel", extra="text")
    rows = options.rows or ROWS
    whole = rows / (1 - options.heldout) / (1 - options.validation)
    shares = {"heldout": options.heldout, "validation": (1 - options.heldout) * options.validation}
    counts = {part: min(max(round(share * whole), LEAST), MOST) for part, share in shares.items()} | {"train": rows}
    parts = {}
    for part in PARTS:
        allowed = partial(_is_of, part, options)
        parts[part] = draw_dialogues(counts[part], OWN_SEEDS.get(part, seed), allowed)
    origin = Origin(
        "assistant",
        "Unicode-3.0",
        "Unicode CLDR, through Babel",
        "by construction: intents and slots were drawn first, and the turns were written to them",
        "by what is asked: each pair of territory and kind of fact, and each phrase, belongs to one part alone, "
        "by a digest; validation and held-out dialogues were drawn with fixed numbers",
        ("facts and shares of speakers are CLDR's own",),
    )
    classes = Classes(tuple(sorted({dialogue.first_intent for dialogue in parts["train"]})), by_intent=True)
    return Loaded(parts, classes, origin, partial(draw_dialogue, world=build_world(partial(_is_of, "train", options))))


def _is_of(part: str, options: ConversationSourceOptions, subject: str, kind: str) -> bool:
    return part_of(subject, kind, options.validation, options.heldout) == part


def _load_records(options: ConversationSourceOptions, seed: int) -> Loaded:
    records = open_records(options)
    columns = find_columns(options, records)
    dialogues, part, notes = read_dialogues(records, columns, options)
    by_intent = any(dialogue.first_intent for dialogue in dialogues)
    names = [name_class(dialogue, by_intent) for dialogue in dialogues]
    strata = np.unique(np.array(names), return_inverse=True)[1]
    split = split_rows(part, strata, [_digest(dialogue) for dialogue in dialogues], options, seed, rows=options.rows)
    parts = {name: [dialogues[row] for row in np.flatnonzero(split.part == name).tolist()] for name in PARTS}
    classes, more = choose_classes(parts, by_intent)
    unread = [name for name in records.columns if name not in columns.values()]
    if unread:
        more += (f"columns that were not read: {', '.join(unread[:10])}{' and more' if len(unread) > 10 else ''}",)
    origin = Origin(
        records.title,
        records.license,
        records.citation,
        "as they stand in the source; who made them is not stated",
        split.sentence,
        (*records.notes, *notes, *split.notes, *more),
    )
    return Loaded(parts, classes, origin)


def find_columns(options: ConversationSourceOptions, records: Records) -> dict[str, str]:
    """Ours -> the source's: what the recipe names, else the usual names. A UserError if there are no dialogues."""
    given: dict[str, str] = {str(ours): theirs for ours, theirs in options.columns.items()}
    check_columns(records.columns, given, records.title)
    found = dict(given)
    for ours, names in USUAL.items():
        usual = next((name for name in names if name in records.columns and name not in found.values()), None)
        if ours not in found and usual is not None:
            found[ours] = usual
    pair = {"prompt", "response"}
    if pair & set(given) or "messages" not in found:
        found.pop("messages", None)
    else:
        found = {ours: theirs for ours, theirs in found.items() if ours not in pair}
    if "messages" not in found and not pair <= set(found):
        has = ", ".join(records.columns[:20]) or "none"
        raise UserError(
            f"source.columns: {records.title} has no column of messages, nor of prompt and response, that is known by "
            f"its name; set source.columns.messages, or prompt and response, to its columns: {has}"
        )
    return found


def read_dialogues(
    records: Records, columns: dict[str, str], options: ConversationSourceOptions
) -> tuple[list[Dialogue], np.ndarray, tuple[str, ...]]:
    """The dialogues that can be used, the source's own part of each, object (N,), and notes on the others."""
    faults, counts = Faults(), Counter[str]()
    found: dict[tuple[str, bytes], Dialogue] = {}
    for part, rows in records.parts.items():
        for record in rows:
            try:
                if record.fault:
                    raise BadRow(record.fault)
                whole = read_dialogue(record.cells, columns, options.longest)
                dialogue = shorten(whole, options.turns)
            except TooLong:
                counts["long"] += 1
            except Unanswered:
                counts["unanswered"] += 1
            except BadRow as bad:
                faults.add(record.where, str(bad))
            else:
                key = part, _digest(dialogue)
                counts["copies" if key in found else "kept"] += 1
                counts["cut"] += len(whole.turns) > len(dialogue.turns)
                counts["led"] += next(t.role for t in dialogue.turns if t.role != "system") == "assistant"
                counts["joined"] += whole.joined
                counts["missing"] += sum(turn.missing for turn in dialogue.turns)
                found.setdefault(key, dialogue)
    notes = (*faults.settle(records.total), *_tell(counts, options))
    if not found:
        why = f" ({'; '.join(notes)})" if notes else ""
        raise UserError(f"source: {records.title} has no dialogue that can be used{why}; raise source.longest or turns")
    return list(found.values()), np.array([part for part, _ in found], object), notes


def _tell(counts: Counter[str], options: ConversationSourceOptions) -> tuple[str, ...]:
    """What was done to how many dialogues."""
    sentences = {
        "long": f"were left out: a turn has more than {options.longest:,} characters (source.longest)",
        "unanswered": f"were left out: nothing is asked and answered within {options.turns} turns (source.turns)",
        "cut": f"were cut to at most {options.turns} turns, at the end of one of the assistant's (source.turns)",
        "copies": "were left out: the same dialogue stands earlier in that part",
        "led": "begin with the assistant and are kept as they are",
        "joined": "have neighbouring turns of one role, which were joined by a line break",
    }
    notes = [f"{counts[name]} dialogues {words}" for name, words in sentences.items() if counts[name]]
    if counts["missing"]:
        notes.append(f"{counts['missing']} slots were left out: their values do not stand in the turn")
    return tuple(notes)


def name_class(dialogue: Dialogue, by_intent: bool) -> str:
    return (dialogue.first_intent or OTHER) if by_intent else (dialogue.topic or NO_CLASS)


def choose_classes(parts: Mapping[str, Sequence[Dialogue]], by_intent: bool) -> tuple[Classes, tuple[str, ...]]:
    """The classes of at least five training dialogues, sorted, and "other" for what else there is; a note on these."""
    counts = Counter(name_class(dialogue, by_intent) for dialogue in parts["train"])
    common = sorted(name for name, count in counts.items() if count >= RARE and name != OTHER)
    if not common:
        return Classes((NO_CLASS,), by_intent), ("no class has five training dialogues: all are one class",)
    rare = {name_class(dialogue, by_intent) for part in PARTS for dialogue in parts[part]} - set(common)
    named = sorted(rare - {OTHER})
    more = f", and {len(named) - 10} more" if len(named) > 10 else ""
    note = f"classes of fewer than {RARE} training dialogues are {OTHER!r}: {', '.join(named[:10])}{more}"
    return Classes((*common, OTHER) if rare else tuple(common), by_intent), (note,) if named else ()


def _stack(dialogues: Sequence[Dialogue], classes: Classes) -> Columns:
    turns = [dialogue.turns for dialogue in dialogues]
    return {
        "roles": as_objects(tuple(turn.role for turn in row) for row in turns),
        "contents": as_objects(tuple(turn.content for turn in row) for row in turns),
        "intents": as_objects(tuple(turn.intent for turn in row) for row in turns),
        "slots": as_objects(tuple(turn.slots for turn in row) for row in turns),
        "tone": as_objects(dialogue.tone for dialogue in dialogues),
        "label": np.array([classes.number(dialogue) for dialogue in dialogues], np.int64),
    }


def _list_names(train: Sequence[Dialogue]) -> dict[str, tuple[str, ...]]:
    turns = [turn for dialogue in train for turn in dialogue.turns]
    return {
        "intents": tuple(sorted({turn.intent for turn in turns} - {""})),
        "slots": tuple(sorted({name for turn in turns for name, _ in turn.slots})),
        "tones": tuple(sorted({dialogue.tone for dialogue in train} - {""})),
    }


def _digest(dialogue: Dialogue) -> bytes:
    return blake2b(json.dumps(dialogue.text).encode(), digest_size=16).digest()
