"""The learner of questions: right ones are worth much, those about the wrong territory nothing."""

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.evaluation.question_learners import QuestionLearner, vary
from synthgen.sources.text.facts import list_facts
from synthgen.sources.text.territories import Example, ask, draw_examples
from synthgen.types import Columns, Data, Learner, Origin, take_rows

KINDS = ("currency", "main language", "first weekday")
CLASSES = (*KINDS, "unanswerable")


def stack(rows: list[Example]) -> Columns:
    columns = {
        name: np.array([getattr(row, name) for row in rows] + [None], object)[:-1]
        for name in ("context", "question", "answer")
    }
    labels = [CLASSES.index(row.kind if row.answer else "unanswerable") for row in rows]
    return columns | {"start": np.array([row.start for row in rows]), "label": np.array(labels, np.int64)}


@cache
def draw(count: int, group: str) -> list[Example]:
    return [e for e in draw_examples(count, 0, group) if e.kind in KINDS]


@cache
def learner() -> Learner:
    origin = Origin("made up", "CC0-1.0", "none", "by construction", "none")
    rows = stack(draw(2200, "train"))
    return QuestionLearner(Data(rows, rows, rows, CLASSES, origin))


def test_questions_about_the_wrong_territory_are_worth_far_less():
    train, heldout = stack(draw(2200, "train")), stack(draw(600, "heldout"))
    questions = train["question"].copy()
    changed = 0
    for number, e in enumerate(draw(2200, "train")):
        others = [
            fact
            for fact in list_facts()
            if fact.kind == e.kind
            and fact.territory != e.territory
            and fact.name in e.title
            and fact.value in e.context
        ]
        if e.answer and others:
            questions[number] = ask(others[number % len(others)], number % 8)
            changed += 1
    assert changed > 300
    right, wrong = (
        learner().measure(rows, heldout, steps=100, batch_size=16, seed=0, augment=False)
        for rows in (train, train | {"question": questions})
    )
    assert right.value > 0.65 and wrong.value < 0.5 and right.value > wrong.value + 0.25
    assert right.also["EM"] <= right.value and len(right.per_class) == 4
    assert all(0 <= value <= 1 for value in right.per_class)


def test_a_score_is_the_same_every_time_and_nan_where_a_class_is_missing():
    train, test = (take_rows(stack(draw(2200, "train")), np.arange(a, a + 40)) for a in (0, 40))
    test = take_rows(test, test["label"] != 2)
    one, two = (learner().measure(train, test, steps=3, batch_size=8, seed=1, augment=True) for _ in range(2))
    assert one.value == two.value and one.also == two.also
    assert math.isnan(one.per_class[2]) and not math.isnan(one.per_class[0])


@given(st.integers(0, 2**32), st.sampled_from(draw(300, "train")))
def test_varied_rows_keep_their_answer(seed, example):
    row = (example.question, example.context, example.answer, example.start)
    question, context, answer, start = vary(row, np.random.default_rng(seed))
    assert answer == example.answer and (context.startswith(answer, start) if answer else start == -1)
    assert sorted(context.split()) == sorted(example.context.split())
    assert set(question.split()) <= set(example.question.split()) and question


@pytest.mark.parametrize("context", ["One. Two three. Four.", "No end", " One.  Two! Three? "])
def test_any_span_survives_another_order(context):
    for start in range(len(context)):
        for end in range(start + 1, len(context) + 1):
            answer = context[start:end]
            if answer == answer.strip():
                found = vary(("a b", context, answer, start), np.random.default_rng(end))
                assert found[1].startswith(answer, found[3])
