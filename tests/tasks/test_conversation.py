"""Dialogues of the built-in assistant: planned from training facts alone, checked against CLDR, shown turn by turn."""

import numpy as np
import pytest

from synthgen.sources import ConversationSourceOptions
from synthgen.sources.text.assistant import part_of
from synthgen.tasks.conversation import TASK
from synthgen.types import as_objects, take_rows


@pytest.fixture(scope="module")
def data():
    return TASK.load(ConversationSourceOptions(kind="builtin", name="assistant", rows=200), 0)


def test_plans_are_about_what_may_be_asked_in_training(data):
    drawn = TASK.labels(data, TASK.condition_options(), 3, None).draw(np.arange(60))
    kinds = {"currency": "currency", "share": "main share", "weekday": "first weekday", "language": "main language"}
    asked = 0
    for intents, slots in zip(drawn["intents"], drawn["slots"], strict=True):
        kind = kinds.get(intents[0].removeprefix("ask_"))
        if kind:
            asked += 1
            assert part_of(dict(slots[0])["territory"], kind, 0.1, 0.2) == "train"
    assert asked > 10 and len(set(drawn["slots"])) > 50
    assert {data.classes[label] for label in drawn["label"]} == set(data.classes)


def test_real_dialogues_pass_their_checks_and_a_wrong_fact_is_named(data):
    checks = {check.name: check for check in TASK.checks(data)}
    assert list(checks)[-1] == "facts"
    for check in checks.values():
        assert sum(map(bool, check.judge(data.heldout)[1])) <= 0.02 * len(data.heldout["label"]), check.name
    rows = {
        "roles": as_objects([("user", "assistant")] * 2),
        "contents": as_objects(("The currency of Japan, please?", f"It is the {c}.") for c in ("Japanese Yen", "Euro")),
    }  # fmt: skip
    scores, reasons = checks["facts"].judge(rows)
    assert scores.tolist() == [1, 0] and reasons == ["", "turn 1 is wrong, or no answer: It is the Euro."]


def test_a_dialogue_is_shown_turn_by_turn_with_its_slots_marked(data):
    rows = take_rows(data.heldout, slice(0, 5))
    for row, shown in enumerate(TASK.draw(rows, data)):
        assert [text for _, text in shown.lines] == list(rows["contents"][row])
        assert shown.lines[0][0] == f"user · {rows['intents'][row][0]}"
        marked = {(line, text) for line, start, end in shown.marks for text in [shown.lines[line][1][start:end]]}
        wanted = {(turn, value) for turn, named in enumerate(rows["slots"][row]) for _, value in named}
        assert marked == wanted


def test_rows_are_messages(data):
    rows = TASK.encode(take_rows(data.train, slice(0, 3)), data)
    assert [set(message) for message in rows["messages"][0]] == [{"role", "content"}] * len(rows["messages"][0])
    for slots, messages in zip(rows["slots"], rows["messages"], strict=True):
        assert all(slot["value"] in messages[slot["turn"]]["content"] for slot in slots)
