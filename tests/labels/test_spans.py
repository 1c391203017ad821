"""Answers to ask for are spans of the passages, of the kind that was asked for; open questions have no answer there."""

import numpy as np
import pytest

from synthgen.errors import UserError
from synthgen.labels.span_options import SpanConditionOptions
from synthgen.labels.spans import build_spans
from synthgen.passages import KnownNames
from synthgen.types import Data, Origin, as_objects

PLACES = ["Peru", "Chile", "Cuba", "Mali", "Togo", "Fiji", "Iran", "Oman"]
COINS = [f"{place} Coin" for place in PLACES]


def make_data(classes=("money", "year", "unanswerable")):
    rows = []
    for n, (place, other) in enumerate(zip(PLACES, PLACES[1:] + PLACES[:1], strict=True)):
        years = {place: 1900 + n, other: 1900 + (n + 1) % 8}
        text = " ".join(f"{p} pays with the {p} Coin. It has had it since {years[p]}." for p in (place, other))
        rows.append((text, f"What does {place} pay with?", f"{place} Coin", 0))
        rows.append((text, f"Since when has {place} had its money?", str(1900 + n), 1))
        if len(classes) > 2:
            rows.append((text, "What does Samoa pay with?", "", 2))
    contexts = [row[0] for row in rows]
    columns = {
        "context": as_objects(contexts), "title": as_objects(["t"] * len(rows)),
        "question": as_objects([row[1] for row in rows]), "answer": as_objects([row[2] for row in rows]),
        "start": np.array([row[0].index(row[2]) if row[2] else -1 for row in rows]),
        "label": np.array([row[3] for row in rows]),
    }  # fmt: skip
    return Data(columns, columns, columns, classes, Origin("x", "x", "x", "x", "x"), details={"passages": None})


def build(data=None, **options):
    data = data or make_data()
    names = KnownNames.fit(data.train["context"], data.train["question"].tolist())
    return build_spans(data, SpanConditionOptions(**options), 0, names)


def test_spans_are_answers_of_their_kind_that_training_rows_do_not_ask_for():
    drawn = build().draw(np.arange(200))
    asked = set(zip(make_data().train["context"], make_data().train["start"].tolist(), strict=True))
    for label, context, answer, start in zip(*(drawn[n] for n in ("label", "context", "answer", "start")), strict=True):
        if label == 2:
            assert answer == "" and start == -1
            continue
        assert context[start : start + len(answer)] == answer and (context, int(start)) not in asked
        assert answer in COINS if label == 0 else answer.isdigit()
    assert set(drawn["label"].tolist()) == {0, 1, 2} and all(question is None for question in drawn["question"])


def test_an_open_question_is_about_what_its_passage_does_not_tell():
    drawn = build(unanswerable=0.8).draw(np.arange(100))
    assert 0.7 < np.mean(drawn["start"] < 0) < 0.9
    for context, start, (window, _, answer) in zip(drawn["context"], drawn["start"], drawn["about"], strict=True):
        if start < 0:
            assert answer not in context and not any(place in window and place in context for place in PLACES)


def test_position_and_named_kinds_are_kept_to():
    drawn = build(position=(0.5, 1.0), balance={"money": 1}, unanswerable=0.0).draw(np.arange(50))
    shares = [start / len(context) for start, context in zip(drawn["start"], drawn["context"], strict=True)]
    assert min(shares) >= 0.5 and set(drawn["label"].tolist()) == {0}


def test_passages_of_ones_own_are_asked_about():
    data = make_data()
    data.details["passages"] = as_objects([("own", "Oslo pays with the Oslo Coin. Cuba pays with the Cuba Coin.")])
    drawn = build(data, unanswerable=0.0, balance={"money": 1}).draw(np.arange(20))
    assert set(drawn["title"]) == {"own"} and "Cuba Coin" in set(drawn["answer"])


def test_mistakes_are_told():
    with pytest.raises(UserError, match="'mony' is not a class of the data; did you mean 'money'"):
        build(balance={"mony": 1})
    with pytest.raises(UserError, match="no training question is without an answer; set it to 0"):
        build(make_data(classes=("money", "year")), unanswerable=0.2)
    data = make_data()
    data.details["passages"] = as_objects([("t", "nothing to ask here")])
    with pytest.raises(UserError, match="no passage has a span that could be an answer"):
        build(data)
