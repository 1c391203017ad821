"""What is measured of dialogues: facts, novelty, variety, and how likely real ones are to a model that read them."""

import math

import numpy as np
import pytest

from synthgen.evaluation import conversation_measures as measures
from synthgen.evaluation.conversation_measures import MEANINGS
from synthgen.types import Data, Origin, as_objects


def make_rows(*dialogues):
    return {
        "roles": as_objects([("user", "assistant")] * len(dialogues)),
        "contents": as_objects(dialogues),
        "slots": as_objects([((("place", turns[0][:3]),), ()) for turns in dialogues]),
        "label": np.zeros(len(dialogues), np.int64),
    }


REAL = make_rows(*((f"Ask {n % 9} things of {n % 7}", f"It is {n % 5} and {n % 4}") for n in range(60)))
DATA = Data(REAL, REAL, REAL, ("any",), Origin("x", "x", "x", "x", "x"))


def judge(rows):
    return [None if "no idea" in said[1] else "It is" in said[1] for said in rows["contents"]]


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    monkeypatch.setattr(measures, "STEPS", 30)


def test_shares_are_of_what_could_be_judged():
    made = make_rows(REAL["contents"][0], ("New one", "It is 4 and 4"), ("New one", "no idea"), ("x y", "Wrong"))
    found = measures.compare_conversations(REAL, made, DATA, judge, seed=0)
    assert found["facts"] == pytest.approx(2 / 3) and found["new"] == found["distinct"] - 0.25 == 0.75
    assert found["new_turns"] == pytest.approx(6 / 8)
    assert set(found) <= set(MEANINGS)
    assert "facts" not in measures.compare_conversations(REAL, made, DATA, None, seed=0)


def test_real_dialogues_are_likelier_to_a_model_that_read_such_ones():
    other = make_rows(*((f"completely other words {n}", "nothing of it") for n in range(60)))
    found = measures.compare_conversations(REAL, other, DATA, None, seed=0)
    assert 1 < found["perplexity_real"] < 0.5 * found["perplexity"]
    assert math.isfinite(found["perplexity"])


def test_turns_that_leave_out_a_value_are_counted_before_the_gates():
    class Labels:
        def draw(self, indices):
            return {"place": indices}

    def sample(conditions, indices):
        rows = make_rows(*((f"Ask {n}", "It is 1" if n % 4 else "Wrong") for n in indices))
        return rows | {"slots": as_objects([((("place", "Ask" if n % 2 else "Tell"),), ()) for n in indices])}

    found = measures.probe_conversations(sample, Labels(), judge)
    assert found == {"facts_before_gates": 0.75, "slots_before_gates": 0.75}


def test_pairs_of_words_are_counted_in_groups_of_one_size():
    assert measures.distinct_pairs([("a b c",)]) == 1 and measures.distinct_pairs([("a b a b",)]) == pytest.approx(
        2 / 3
    )
    many = [("a b c",)] * 250
    assert measures.distinct_pairs(many) == pytest.approx(2 / 200) and measures.distinct_pairs([("a",)]) == 0
    assert math.isnan(measures.share_right([None]))
