"""Dialogues become a plan that is always seen and turns whose slots stand for the plan's values."""

import numpy as np
import pytest
import torch

from synthgen.codecs.turns import SPELLED, fit_turn_codec, lift_turn
from synthgen.types import Data, Origin, as_objects, take_rows
from synthgen.vocabulary import FIRST

PLACES = ("Japan", "Peru", "the Gambia", "Italy")
COINS = ("Yen", "Sol", "Dalasi", "Euro")


def make_rows(count):
    rows = [(PLACES[n % 4], COINS[n % 4]) for n in range(count)]
    return {
        "roles": as_objects([("user", "assistant")] * count),
        "contents": as_objects((f"What do they pay with in {p}?", f"In {p} they pay with {c}.") for p, c in rows),
        "intents": as_objects([("ask", "inform")] * count),
        "slots": as_objects(((("place", p),), (("place", p), ("coin", c))) for p, c in rows),
        "tone": as_objects(["plain"] * count),
        "label": np.zeros(count, np.int64),
    }


@pytest.fixture(scope="module")
def codec():
    rows = make_rows(40)
    return fit_turn_codec(Data(rows, take_rows(rows, slice(8)), rows, ("any",), Origin("x", "x", "x", "x", "x")), 300)


def test_the_plan_says_what_each_turn_is_to_say(codec):
    frame = next(codec.frames(make_rows(1)))
    mark = codec.vocabulary.mark
    assert frame.prefix[0].token == mark("tone plain") and frame.prefix[0].value == 0
    first, second = ([t.token for t in frame.prefix if t.value == turn] for turn in (1, 2))
    assert first[:2] == [mark("user ask"), mark("slot place")] and len(first) <= 2 + SPELLED
    assert second[0] == mark("assistant inform") and mark("slot coin") in second
    assert [segment.value for segment in frame.segments] == [1, 2]
    assert frame.segments[0].tokens.count(FIRST) == 1 and FIRST + 1 in frame.segments[1].tokens


def test_turns_that_are_to_be_written_say_the_values_of_their_slots(codec):
    rows, others = make_rows(2), make_rows(4)
    asked = {**take_rows(others, slice(2, 4)), "contents": as_objects([(None, None)] * 2)}
    known, segment = (codec.condition(asked)[name] for name in ("known", "segment"))
    assert ((known == -1) == (segment >= 0)).all() and int((segment == 0)[0].sum()) == codec.room
    x = torch.zeros_like(known)
    frames = zip(codec.frames(rows), codec.frames(asked), strict=True)
    for row, (had, wanted) in enumerate(frames):
        for segment, span in zip(had.segments, wanted.spans(), strict=True):
            x[row, span.start : span.start + len(segment.tokens)] = torch.tensor(segment.tokens)
    found = codec.decode(x, asked)
    assert found["contents"].tolist() == take_rows(others, slice(2, 4))["contents"].tolist()
    assert set(found) == {"roles", "contents", "intents", "slots", "tone", "label"}


def test_a_turn_that_is_given_is_known(codec):
    rows = make_rows(1)
    asked = {**rows, "contents": as_objects([(rows["contents"][0][0], None)])}
    condition = codec.condition(asked)
    assert (condition["known"][condition["segment"] == 0] >= 0).all()
    assert (condition["known"][condition["segment"] == 1] == -1).all()


def test_names_that_no_training_row_has_get_the_mark_of_their_sort(codec):
    rows = make_rows(1) | {"intents": as_objects([("sing", "inform")]), "tone": as_objects(["rude"])}
    rows["slots"] = as_objects([((("song", "Japan"),), ())])
    tokens = [told.token for told in next(codec.frames(rows)).prefix]
    assert tokens[:3] == [codec.vocabulary.mark(name) for name in ("tone", "user", "slot")]


def test_values_are_lifted_where_they_stand_longer_ones_first():
    assert lift_turn("New York, New", (("a", "New"), ("b", "New York"))) == "⟨1⟩, ⟨0⟩"
    assert lift_turn("newest ⟨x⟩", (("a", "new"),)) == "⟨0⟩est ⟨⟨x⟩⟩"
    assert lift_turn("nothing", (("a", "else"), ("b", ""))) == "nothing"


def test_plans_of_other_values_find_their_place(codec):
    longest = "the Most Serene Republic of San Marino " * 3
    rows = make_rows(1) | {"slots": as_objects([((("place", longest),), (("place", longest), ("coin", longest)))])}
    rows["contents"] = as_objects([(None, None)])
    assert int(codec.widths(rows)[0]) <= codec.longest == codec.shape[0]
    assert set(codec.files()) == {"tokenizer.json", "codec.json"}
