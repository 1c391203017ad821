"""Questions are written to a marked answer; the names of its sentences are slots, seen before or not."""

import numpy as np
import pytest

from synthgen.codecs.questions import MOST_WINDOW, fit_question_codec
from synthgen.passages import KnownNames
from synthgen.slots import NAME
from synthgen.types import Data, Origin, as_objects, count_rows
from synthgen.vocabulary import FIRST

PLACES = [(f"{a}{b}", f"{a}{b}ian Sol") for a in ("Per", "Bol", "Cub", "Mal") for b in ("u", "ia", "as", "ora")]


def make_rows(places):
    contexts = [f"In {place}, people pay with the {coin}. They like it." for place, coin in places]
    answers = [coin for _, coin in places]
    return {
        "context": as_objects(contexts), "answer": as_objects(answers),
        "question": as_objects([f"What do people in {place} pay with?" for place, _ in places]),
        "start": np.array([c.index(a) for c, a in zip(contexts, answers, strict=True)]),
        "label": np.zeros(len(places), np.int64),
    }  # fmt: skip


@pytest.fixture(scope="module")
def codec():
    rows = make_rows(PLACES)
    data = Data(rows, rows, rows, ("any",), Origin("x", "x", "x", "x", "x"))
    return fit_question_codec(data, KnownNames.fit(rows["context"], rows["question"].tolist()), 300, 8)


def test_the_answer_is_marked_and_the_name_is_a_slot_with_its_value(codec):
    frame = next(codec.frames(make_rows(PLACES)))
    tokens = [told.token for told in frame.prefix]
    first, last = tokens.index(codec.vocabulary.mark("answer")), tokens.index(codec.vocabulary.mark("/answer"))
    assert codec.vocabulary.decode(tokens[first + 1 : last]) == PLACES[0][1]
    assert FIRST in tokens[:first] and FIRST in frame.segments[0].tokens
    assert [told.value for told in frame.prefix if told.token == FIRST] == [NAME]
    assert frame.values == (("Peru", "Peru"),)


def test_a_question_names_a_place_that_was_never_seen(codec):
    known, unseen = make_rows(PLACES[:1]), make_rows([("Zanquebar", "Zanquebari Sol")])
    written = codec.encode(known)
    width = int(codec.widths(unseen)[0])
    asked = {**unseen, "question": np.full(1, None, object)}
    span, old = next(codec.frames(asked)).spans()[0], next(codec.frames(known)).spans()[0]
    x = np.zeros((1, width), np.int64)
    x[:, span] = written[:, old]
    found = codec.decode(codec.encode(known).new_tensor(x), asked)
    assert found["question"].tolist() == ["What do people in Zanquebar pay with?"]


def test_rows_without_an_answer_are_not_learnt_from(codec):
    rows = make_rows(PLACES[:3])
    rows["start"][1], rows["answer"][1] = -1, ""
    assert count_rows(codec.views(rows)) == 2
    assert codec.vocabulary.mark("none") in codec.encode(rows)[1].tolist()


def test_a_question_may_be_about_other_sentences_than_its_context_has(codec):
    rows = {**make_rows(PLACES[:1]), "about": as_objects([("Mali likes gold.", 11, "gold")])}
    frame = next(codec.frames(rows))
    assert frame.values == (("Mali", "Mali"),)


def test_long_windows_are_cut_around_the_answer(codec):
    rows = make_rows(PLACES[:1])
    long = "word " * 500 + "gold" + " word" * 500
    rows |= {"context": as_objects([long]), "answer": as_objects(["gold"]), "start": np.array([2500])}
    frame = next(codec.frames(rows))
    assert len(frame.prefix) <= MOST_WINDOW and codec.vocabulary.mark("answer") in [told.token for told in frame.prefix]
    assert frame.width <= codec.shape[0]
