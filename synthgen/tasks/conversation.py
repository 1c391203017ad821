"""Conversation: turns of a user and an assistant, with the intent and the slots of every turn.

What each turn is to say is chosen first, and the turns are written to it one after the other, so that intents and slots
are right by construction; what an assistant states of territories is held against CLDR.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from ..codecs.tokens import name_axes
from ..codecs.turns import TurnCodec, fit_turn_codec
from ..evaluation.conversation_learners import build_conversation_learner
from ..evaluation.conversation_measures import MEANINGS, Right, compare_conversations, probe_conversations
from ..evaluation.text_rows import TextRow
from ..gates.conversation_checks import fit_conversation_checks
from ..judges.intents import fit_intent_judge
from ..labels.class_mix import label_classes
from ..labels.plan_options import PlanConditionOptions
from ..labels.plans import Plan, Plans, build_plans
from ..networks.fine_tuning import examine_language
from ..networks.language import TextOptions, build_text_network, choose_block, choose_pieces
from ..networks.turns import find_spans
from ..sources import ConversationSourceOptions, describe_conversations, load_conversations
from ..sources.text.assistant_facts import check_facts
from ..task import Task
from ..types import Check, Columns, Data, LabelGenerator, as_objects

PLANNED = ("role", "intent", "slots")  # of a turn


def build_codec(data: Data, options: TextOptions, folder: Path | None) -> TurnCodec:
    return replace(fit_turn_codec(data, choose_pieces(options, folder)), block=choose_block(options, folder))


def build_network(data: Data, codec: TurnCodec, options: TextOptions) -> Any:
    turns = codec.turns
    return build_text_network(options, codec.vocabulary, segments=turns, length=codec.longest, values=turns)


def build_labels(data: Data, options: PlanConditionOptions, seed: int, folder: Path | None) -> Plans:
    draw = data.details["draw"]
    if draw is None:
        return build_plans(data, options, seed)

    def draw_plan(generator: np.random.Generator, tone: str | None) -> Plan:
        dialogue = draw(generator, tone=tone)
        roles, intents, slots = (tuple(getattr(turn, name) for turn in dialogue.turns) for name in PLANNED)
        return Plan(roles, intents, slots, dialogue.tone, data.classes.index(dialogue.first_intent))

    return build_plans(data, options, seed, draw_plan)


def find_right(data: Data) -> Right | None:
    """Whether what the assistant states is so, where CLDR's facts can say it."""
    if not data.details["checked"]:
        return None
    return lambda rows: [check_facts(*turns) for turns in zip(rows["roles"], rows["contents"], strict=True)]


def fit_checks(data: Data) -> tuple[Check, ...]:
    checks = fit_conversation_checks(data)
    if not data.details["checked"]:
        return checks
    return (
        *checks,
        Check("facts", "the assistant says what CLDR does not, or not what it was asked", judge_facts),
    )


def judge_facts(columns: Columns) -> tuple[np.ndarray, list[str]]:
    """Score 1, or 0 where the assistant says something wrong; a dialogue without facts has 1."""
    reasons = []
    for roles, contents in zip(columns["roles"], columns["contents"], strict=True):
        if check_facts(roles, contents) is not False:
            reasons.append("")
            continue
        place = next(k for k in range(len(roles)) if check_facts(roles[: k + 1], contents[: k + 1]) is False)
        reasons.append(f"turn {place} is wrong, or no answer: {contents[place]:.80}")
    return np.array([not reason for reason in reasons], np.float32), reasons


def compare_rows(heldout: Columns, synthetic: Columns, data: Data, seed: int) -> dict[str, Any]:
    return compare_conversations(heldout, synthetic, data, find_right(data), seed)


def probe_rows(sample: Callable[[Columns, np.ndarray], Columns], labels: LabelGenerator, data: Data) -> dict[str, Any]:
    return probe_conversations(sample, labels, find_right(data))


def describe_features(data: Data) -> datasets.Features:
    """`messages` as chat models take them; `intents` one a turn, "" where none is known; `slots` with their turns."""
    text = datasets.Value("string")
    return datasets.Features({
        "messages": datasets.List({"role": text, "content": text}),
        "intents": datasets.List(text),
        "slots": datasets.List({"turn": datasets.Value("int32"), "name": text, "value": text}),
        "tone": text,
        "label": datasets.ClassLabel(names=list(data.classes)),
    })  # fmt: skip


def encode_rows(columns: Columns, data: Data) -> dict[str, Any]:
    rows = zip(columns["roles"], columns["contents"], columns["slots"], strict=True)
    messages, slots = [], []
    for roles, contents, named in rows:
        messages.append([{"role": r, "content": c} for r, c in zip(roles, contents, strict=True)])
        slots.append([{"turn": turn, "name": n, "value": v} for turn, one in enumerate(named) for n, v in one])
    intents = [list(row) for row in columns["intents"]]
    return {
        "messages": messages, "intents": intents, "slots": slots, "tone": columns["tone"].tolist(),
        "label": columns["label"].tolist(),
    }  # fmt: skip


def decode_rows(rows: dict[str, list[Any]], data: Data) -> Columns:
    def slots_of(turns: int, slots: list[dict[str, Any]]) -> tuple[tuple[tuple[str, str], ...], ...]:
        return tuple(tuple((s["name"], s["value"]) for s in slots if s["turn"] == turn) for turn in range(turns))

    return {
        "roles": as_objects(tuple(m["role"] for m in row) for row in rows["messages"]),
        "contents": as_objects(tuple(m["content"] for m in row) for row in rows["messages"]),
        "intents": as_objects(tuple(row) for row in rows["intents"]),
        "slots": as_objects(slots_of(len(m), s) for m, s in zip(rows["messages"], rows["slots"], strict=True)),
        "tone": as_objects(rows["tone"]),
        "label": np.array(rows["label"], np.int64),
    }


def draw_rows(columns: Columns, data: Data) -> list[Any]:
    """A line a turn, named by speaker and intent, its slots marked."""
    found = []
    for roles, contents, intents, slots in zip(
        *(columns[n] for n in ("roles", "contents", "intents", "slots")), strict=True
    ):
        names = [f"{role} · {intent}" if intent else role for role, intent in zip(roles, intents, strict=True)]
        marks = [
            (turn, start, end)
            for turn, (content, named) in enumerate(zip(contents, slots, strict=True))
            for start, end, _ in find_spans(content, named, [name for name, _ in named])
        ]
        found.append(TextRow(tuple(zip(names, contents, strict=True)), tuple(marks)))
    return found


TASK = Task(
    name="conversation",
    summary="turns of a user and an assistant, with intents and slots",
    extra="text",
    requires=("transformers", "tokenizers", "babel", "sklearn"),
    builtins={"assistant": "questions to an assistant about 250 territories, and phrases in other languages (Babel)"},
    source_options=ConversationSourceOptions,
    model_options=TextOptions,
    condition_options=PlanConditionOptions,
    hub_tags={"task_categories": ["text-generation", "text-classification"], "task_ids": ["dialogue-modeling"]},
    describe=describe_conversations,
    load=load_conversations,
    codec=build_codec,
    network=build_network,
    examine=examine_language,
    axes=name_axes,
    labels=build_labels,
    fit_judge=fit_intent_judge,
    learner=build_conversation_learner,
    features=describe_features,
    encode=encode_rows,
    decode=decode_rows,
    draw=draw_rows,
    classes_of=label_classes,
    checks=fit_checks,
    texts=lambda rows: ["\n".join(turns) for turns in rows["contents"]],
    compare=compare_rows,
    probe=probe_rows,
    meanings=MEANINGS,
)
