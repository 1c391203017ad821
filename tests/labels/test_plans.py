"""Plans of dialogues have the class, the tone and the turns that are asked for, row by row."""

from collections import Counter

import numpy as np
import pytest

from synthgen.errors import UserError
from synthgen.labels.plan_options import PlanConditionOptions
from synthgen.labels.plans import Plan, build_plans
from synthgen.types import Data, Origin, as_objects

CLASSES = ("ask", "greet")


def make_data():
    rows = [(n % 2, ("plain", "polite", "brief")[n % 3], 2 + 2 * (n % 4 == 0), f"Place {n}") for n in range(60)]
    train = {
        "roles": as_objects(("user", "assistant") * (turns // 2) for *_, turns, _ in rows),
        "intents": as_objects((CLASSES[k], "inform") * (turns // 2) for k, _, turns, _ in rows),
        "slots": as_objects(((("place", p),), (("place", p), ("day", "Monday"))) * (t // 2) for *_, t, p in rows),
        "tone": as_objects(tone for _, tone, *_ in rows),
        "label": np.array([k for k, *_ in rows], np.int64),
    }  # fmt: skip
    return Data(train, train, train, CLASSES, Origin("x", "x", "x", "x", "x"))


def build(**options):
    return build_plans(make_data(), PlanConditionOptions(**options), seed=0)


def test_a_row_follows_from_its_index_alone():
    plans = build()
    whole, some = plans.draw(np.arange(50)), plans.draw(np.array([7, 31]))
    for name in whole:
        assert [whole[name][7], whole[name][31]] == some[name].tolist()
    assert whole["contents"][0] == (None,) * len(whole["roles"][0])


def test_values_are_exchanged_alike_in_all_turns_and_from_slots_of_that_name():
    drawn = build().draw(np.arange(60))
    real = set(make_data().train["slots"])
    assert len(set(drawn["slots"])) > 20
    for slots in drawn["slots"]:
        places = {value for turn in slots for name, value in turn if name == "place"}
        assert len(places) == 1 and next(iter(places)).startswith("Place")
    assert set(build(recombine=False).draw(np.arange(60))["slots"]) <= real


def test_balance_tones_and_turns_are_as_asked():
    drawn = build(balance={"ask": 1}, tones={"polite": 3, "brief": 1}, turns=[4, 6]).draw(np.arange(80))
    assert set(drawn["label"]) == {0}
    assert {len(roles) for roles in drawn["roles"]} == {4}
    counts = Counter(drawn["tone"])
    assert set(counts) == {"polite", "brief"} and counts["polite"] > counts["brief"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tones": {"rude": 1}}, "conditions.tones: 'rude' is no tone of the data"),
        ({"turns": [6, 8]}, "conditions.turns: no real dialogue has so many; they have 2 to 4"),
        ({"balance": {"greet": 1}, "turns": [4, 4], "tones": {"polite": 1}}, "the class 'greet'; leave it out"),
        ({"balance": {"gret": 1}}, "did you mean 'greet'?"),
    ],
)
def test_what_no_dialogue_has_is_named(options, words):
    with pytest.raises(UserError, match=words.replace("?", r"\?").replace("(", r"\(")):
        build(**options)


def test_options_that_mean_nothing_are_refused():
    with pytest.raises(ValueError, match="go from more to fewer"):
        PlanConditionOptions(turns=[4, 2])
    with pytest.raises(ValueError, match="every weight of tones is 0"):
        PlanConditionOptions(tones={"plain": 0})


def test_plans_that_are_drawn_keep_their_own_values():
    def draw_plan(draw, tone):
        label = int(draw.integers(2))
        tone = tone or ("plain", "polite")[int(draw.integers(2))]
        place = f"New {int(draw.integers(10**6))}"
        return Plan(("user", "assistant"), (CLASSES[label], "inform"), ((("place", place),), ()), tone, label)

    plans = build_plans(make_data(), PlanConditionOptions(), 0, draw_plan)
    drawn = plans.draw(np.arange(200))
    assert len(set(drawn["slots"])) == 200
    assert all(CLASSES[label] == intents[0] for label, intents in zip(drawn["label"], drawn["intents"], strict=True))
    assert 80 < int(drawn["label"].sum()) < 120 and set(drawn["tone"]) == {"plain", "polite"}
