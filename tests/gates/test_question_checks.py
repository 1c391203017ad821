"""Checks of questions let real rows through and refuse what is out of form, tells its answer, or points elsewhere."""

import numpy as np
import pytest

from synthgen.gates.question_checks import fit_question_checks, tells
from synthgen.sources.text.territories import draw_examples
from synthgen.types import Check, Columns, Data, Origin

ORIGIN = Origin("made up", "CC0-1.0", "none", "by construction", "none")


def make_rows(rows: list[tuple[str, str, str, int, int]]) -> Columns:
    """(question, context, answer, start, label)"""
    names = ("question", "context", "answer")
    columns: Columns = {name: np.array([row[k] for row in rows] + [None], object)[:-1] for k, name in enumerate(names)}
    return columns | {"start": np.array([row[3] for row in rows]), "label": np.array([row[4] for row in rows])}


def territories(count: int, group: str) -> Columns:
    examples = draw_examples(count, 0, group)
    return make_rows([(e.question, e.context, e.answer, e.start, int(not e.answer)) for e in examples])


def fit(train: Columns, validation: Columns) -> dict[str, Check]:
    return {check.name: check for check in fit_question_checks(Data(train, validation, validation, ("a", "b"), ORIGIN))}


@pytest.fixture(scope="module")
def checks() -> dict[str, Check]:
    return fit(territories(600, "train"), territories(300, "validation"))


def test_real_rows_pass(checks):
    assert list(checks) == ["form", "leak", "span"]
    for group in ("validation", "heldout", "unseen"):
        rows = territories(200, group)
        for check in checks.values():
            scores, reasons = check.judge(rows)
            assert scores.shape == (200,) and scores.dtype == np.float32 and len(reasons) == 200
            assert sum(bool(reason) for reason in reasons) <= 2, (group, check.name)


@pytest.mark.parametrize(
    ("question", "why"),
    [
        ("What is the currency of Japan", "question mark"),
        ("Currency?", "1 words"),
        ("What is " + "the currency of Japan " * 9 + "?", "real questions have"),
        ("Banana is the currency of Japan?", "begins with 'banana'"),
        ("What is is the currency of Japan?", "twice in a row"),
        ("", "question mark"),
        ("¿?", "real questions have"),
    ],
)
def test_questions_out_of_form_are_refused(checks, question, why):
    scores, reasons = checks["form"].judge(make_rows([(question, "c", "", -1, 1)]))
    assert why in reasons[0] and scores[0] < 1


def test_a_rule_that_real_rows_break_is_left_out():
    rows = make_rows([(text, "c c", "c", 0, 0) for text in ("wie heisst das", "was ist ist das", "sag es mir")] * 40)
    form = fit(rows, rows)["form"]
    assert form.judge(make_rows([("was das das?", "c", "c", 0, 0)]))[1] == [""]
    assert "begins with" in form.judge(make_rows([("nie heisst das", "c", "c", 0, 0)]))[1][0]


def test_a_question_may_tell_its_answer_only_where_real_ones_do(checks):
    row = ("Is the Yen the currency of Japan?", "The Yen.", "Yen", 4, 0)
    assert checks["leak"].judge(make_rows([row]))[1] == ["the question holds its answer"]
    telling = make_rows([(f"Is it {k} or {k + 1}?", f"{k}", f"{k}", 0, k % 2) for k in range(100)])
    telling["question"][1::2] = "What is it?"
    leak = fit(telling, telling)["leak"]
    asked = make_rows([("Is it 7?", "7", "7", 0, 0), ("Is it 7?", "7", "7", 0, 1)])
    scores, reasons = leak.judge(asked)
    assert reasons == ["", "the question holds its answer"] and scores.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("question", "answer", "told"),
    [
        ("Is it the YEN?", "yen", True),
        ("Is it a yenta?", "yen", False),
        ("What is it?", "", False),
        ("What costs 5% (or so)?", "5%", True),
        ("Is it a.c?", "abc", False),
    ],
)
def test_answers_are_sought_as_whole_words(question, answer, told):
    assert tells(question, answer) == told


@pytest.mark.parametrize(
    ("answer", "start", "right"),
    [("yen", 4, True), ("yen", 5, False), ("yen", -1, False), ("", -1, True), ("", 0, False), ("yen", 99, False)],
)
def test_spans_must_be_true(checks, answer, start, right):
    scores, reasons = checks["span"].judge(make_rows([("What is used there?", "The yen.", answer, start, 0)]))
    assert scores[0] == right and bool(reasons[0]) != right


def test_no_rows_are_judged(checks):
    for check in checks.values():
        assert check.judge(make_rows([]))[0].shape == (0,)
