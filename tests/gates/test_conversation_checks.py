"""Checks of dialogues let real ones pass and name what is wrong with others, row by row."""

from typing import Any

import numpy as np
import pytest

from synthgen.gates.conversation_checks import fit_conversation_checks
from synthgen.sources import ConversationSourceOptions, load_conversations
from synthgen.types import Check, Columns, Data, Origin

ORIGIN = Origin("made up", "CC0-1.0", "none", "by construction", "none")


def objects(values: Any) -> np.ndarray:
    return np.fromiter(values, object)


def rows(*dialogues: tuple[str, ...], roles: Any = None, slots: Any = None) -> Columns:
    who = [("user", "assistant") * 9] * len(dialogues)
    return {
        "roles": objects(roles or [names[: len(d)] for names, d in zip(who, dialogues, strict=True)]),
        "contents": objects(dialogues),
        "slots": objects(slots or [((),) * len(d) for d in dialogues]),
        "label": np.zeros(len(dialogues), np.int64),
    }


def make_data() -> Data:
    train = rows(*((f"what is number {n} of all", f"it is {n} or {n + 1}", "thank you", "sure") for n in range(300)))
    return Data(train, train, train, ("any",), ORIGIN, details={"intents": (), "slots": ()})


def check(name: str, data: Data | None = None) -> Check:
    return next(found for found in fit_conversation_checks(data or make_data()) if found.name == name)


def test_names_and_explanations() -> None:
    names = [found.name for found in fit_conversation_checks(make_data())]
    assert names == ["turns", "slots", "repetition", "distinct"]
    assert all(found.explanation and "\n" not in found.explanation for found in fit_conversation_checks(make_data()))


def test_real_dialogues_pass() -> None:
    data = load_conversations(ConversationSourceOptions(kind="builtin", name="assistant", rows=800), seed=0)
    for found in fit_conversation_checks(data):
        for part in (data.train, data.validation):
            scores, reasons = found.judge(part)
            assert scores.dtype == np.float32 and scores.shape == part["label"].shape
            assert sum(map(bool, reasons)) <= 0.01 * len(reasons), found.name


@pytest.mark.parametrize(
    ("name", "contents", "words"),
    [
        ("turns", ("hello", " "), "turn 1 is empty"),
        ("turns", ("hello", "hi", "well"), "the last turn is of the user"),
        ("repetition", ("same again", "a", "same again", "b"), "1 turns are said again"),
        ("repetition", ("very very very good", "a"), "a word is said 3 times in a row"),
        ("repetition", ("as far as I know as far as I know", "a"), "three words come 2 times in a turn"),
        ("distinct", ("it is it is it is it", "it is it is it is it"), "of the pairs of words are distinct"),
    ],
)
def test_what_is_wrong_is_named(name: str, contents: tuple[str, ...], words: str) -> None:
    scores, reasons = check(name).judge(rows(("hello there", "what a day"), contents))
    assert reasons[0] == "" and words in reasons[1]
    assert scores[0] != scores[1]


def test_repetition_is_allowed_as_far_as_real_rows_do() -> None:
    train = rows(*(("no no no", "yes", "no no no", f"{n}") for n in range(50)))
    found = check("repetition", Data(train, train, train, ("any",), ORIGIN))
    assert found.judge(train)[1] == [""] * 50
    assert found.judge(rows(("no no no no", "yes")))[1] == ["a word is said 4 times in a row"]


def test_roles_alternate_and_the_user_may_have_the_last_word_where_he_often_does() -> None:
    judged = check("turns").judge(rows(("a", "b"), ("a", "b"), roles=[("user", "user"), ("system", "assistant")]))
    assert judged[1] == ["turns 0 and 1 are both of the user", ""]
    assert check("turns").judge(rows(("a", "b"), roles=[("user",)]))[1] == ["1 roles for 2 turns"]
    train = rows(*(("a", "b", "c") for _ in range(20)))
    assert check("turns", Data(train, train, train, ("any",), ORIGIN)).judge(train)[1] == [""] * 20


def test_slots_stand_in_their_turns() -> None:
    slots = [((("place", "Japan"),), ()), ((("place", "Peru"),), ()), (((("day", "")),), ()), ((), (), (("x", "y"),))]
    judged = check("slots").judge(rows(*[("in Japan", "ok")] * 4, slots=slots))
    assert judged[0].tolist() == [1, 0, 0, 0]
    assert judged[1][0] == "" and judged[1][1] == "place 'Peru' is not in turn 0" and all(judged[1][2:])


def test_a_row_is_judged_by_itself() -> None:
    part = make_data().train
    for found in fit_conversation_checks(make_data()):
        whole = found.judge(part)[0]
        single = [found.judge({name: part[name][i : i + 1] for name in part})[0][0] for i in range(20)]
        assert whole[:20].tolist() == single
    empty = {name: part[name][:0] for name in part}
    assert all(len(found.judge(empty)[0]) == 0 for found in fit_conversation_checks(make_data()))
