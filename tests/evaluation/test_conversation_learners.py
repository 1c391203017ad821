"""Learners of conversations learn, repeat themselves also in threads, and count as they say."""

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from synthgen.evaluation.conversation_learners import (
    CHOICES,
    IntentLearner,
    NextTurnLearner,
    build_conversation_learner,
    list_questions,
    vary_dialogues,
)
from synthgen.types import Columns, Data, Origin, Score, take_rows

ORIGIN = Origin("made up", "CC0-1.0", "none", "by construction", "none")
PLACES, DAYS = tuple(f"Place{n}" for n in "abcdefghijklm"), ("Monday", "Sunday")


def objects(values: Any) -> np.ndarray:
    return np.fromiter(values, object)


def make_rows(count: int, seed: int, intents: bool = True) -> Columns:
    """Class 0: a question about a place and its answer. Class 1: thanks and an answer."""
    draw, found = np.random.default_rng(seed), []
    for n in range(count):
        place, day = PLACES[draw.integers(len(PLACES))], DAYS[draw.integers(2)]
        asked = [
            (f"when is it in {place}?", "ask", (("place", place),)),
            (f"on {day} in {place}", "inform", (("day", day),)),
        ]
        found.append(asked if n % 2 == 0 else [("many thanks", "thank", ()), ("good bye", "bye", ())])
    return {
        "roles": objects(("user", "assistant") for _ in found),
        "contents": objects(tuple(turn[0] for turn in turns) for turns in found),
        "intents": objects(tuple(turn[1] if intents else "" for turn in turns) for turns in found),
        "slots": objects(tuple(turn[2] for turn in turns) for turns in found),
        "label": np.arange(count) % 2,
    }


def make_data(count: int = 80, intents: bool = True, slots: bool = True) -> Data:
    details = {
        "intents": ("ask", "bye", "inform", "thank") if intents else (),
        "slots": ("day", "place") if slots else (),
    }
    return Data(*(make_rows(count, seed, intents) for seed in range(3)), ("ask", "thank"), ORIGIN, details=details)


def measure(data: Data, seed: int = 0, steps: int = 80, augment: bool = False, **rows: Columns) -> Score:
    learner = build_conversation_learner(data)
    train, test = rows.get("train", data.train), rows.get("test", data.heldout)
    return learner.measure(train, test, steps=steps, batch_size=16, seed=seed, augment=augment)


def test_the_data_choose_the_learner() -> None:
    learner = build_conversation_learner(make_data())
    assert isinstance(learner, IntentLearner) and learner.metric == "intent accuracy"
    assert isinstance(build_conversation_learner(make_data(intents=False)), NextTurnLearner)
    assert "k parameters" in learner.description and learner.default_steps > 100


def test_it_learns_and_wrong_rows_teach_wrong_things() -> None:
    data = make_data()
    score = measure(data)
    assert score.value > 0.95 and score.also["slot F1"] > 0.8 and len(score.per_class) == 2
    shifted = {**data.train, "intents": objects(row[::-1] for row in data.train["intents"])}
    assert measure(data, train=shifted).value < 0.3
    assert measure(data, train={**data.train, "slots": objects(((), ()) for _ in range(80))}).also["slot F1"] == 0


def test_scores_count_turns_that_have_an_intent() -> None:
    data = make_data()
    only = take_rows(data.heldout, data.heldout["label"] == 0)
    score = measure(data, test=only)
    assert math.isnan(score.per_class[1]) and score.per_class[0] == score.value
    first = {**only, "intents": objects(("ask", "") for _ in only["label"])}
    new = {**only, "intents": objects(("never seen", "inform") for _ in only["label"])}
    assert measure(data, test=first).value == 1 and measure(data, test=new).value == pytest.approx(0.5, abs=0.05)
    assert measure(make_data(slots=False)).also == {}


def test_the_next_turn_is_found_among_ten() -> None:
    data = make_data(200, intents=False)
    asked, labels = list_questions(data.heldout)
    assert len(asked) == CHOICES * len(labels) and asked == list_questions(data.heldout)[0]
    for start in range(0, len(asked), CHOICES):
        own = [example.own for example in asked[start : start + CHOICES]]
        assert len(set(own)) == CHOICES and len({example.before for example in asked[start : start + CHOICES]}) == 1
    score = measure(data, steps=150)
    assert score.value > 0.4 and score.also == {} and len(score.per_class) == 2
    few = take_rows(data.heldout, slice(0, 4))
    assert math.isnan(measure(data, steps=2, test=few).value)


@pytest.mark.parametrize("intents", [True, False])
def test_the_same_seed_gives_the_same_score_also_in_threads(intents: bool) -> None:
    data = make_data(60, intents)
    learner = build_conversation_learner(data)

    def run(seed: int) -> Score:
        return learner.measure(data.train, data.heldout, steps=12, batch_size=8, seed=seed, augment=True)

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(run, (0, 0, 1)))
    assert found[0] == found[1] == run(0)


def test_variation_keeps_slots_in_their_turns() -> None:
    rows = make_rows(200, 0)
    varied = vary_dialogues(rows, seed=0)
    again = vary_dialogues(rows, seed=0)
    assert varied["contents"].tolist() == again["contents"].tolist() != rows["contents"].tolist()
    exchanged = 0
    for before, contents, slots in zip(rows["slots"], varied["contents"], varied["slots"], strict=True):
        assert len(contents) == len(slots) == len(before) and all(text.strip() for text in contents)
        for old, text, named in zip(before, contents, slots, strict=True):
            assert [name for name, _ in named] == [name for name, _ in old]
            assert all(value in text for _, value in named)
            exchanged += named != old
    assert 30 < exchanged < 150
    assert varied["intents"] is rows["intents"]
    pair = take_rows(rows, [5, 8])
    assert vary_dialogues({**pair, "slots": objects(((), ()) for _ in range(2))}, 1)["slots"].tolist() == [((), ())] * 2


def test_learning_with_variation() -> None:
    assert measure(make_data(), augment=True).value > 0.9
