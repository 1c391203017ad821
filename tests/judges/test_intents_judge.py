"""The judge of dialogues tells wrong intents, slots and answers, minds no company, and comes back only unaltered."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthgen.judges import intents as module
from synthgen.judges.intents import fingerprint, fit_intent_judge
from synthgen.judges.keeping import recall
from synthgen.types import Columns, Data, Origin, take_rows

ORIGIN = Origin("made up", "CC0-1.0", "none", "by construction", "none")
PLACES, DAYS = ("Peru", "Chad", "Japan", "Italy"), ("Monday", "Sunday")
INTENTS = ("ask", "bye", "inform", "thank")


def objects(values: Any) -> np.ndarray:
    return np.fromiter(values, object)


def make_rows(count: int, seed: int, intents: bool = True) -> Columns:
    """Questions about a place, answers with a day, and thanks after every second one."""
    draw, found = np.random.default_rng(seed), []
    for n in range(count):
        place, day = PLACES[draw.integers(4)], DAYS[draw.integers(2)]
        turns = [
            (f"when is it in {place}?", "ask", (("place", place),)),
            (f"on {day} in {place}", "inform", (("day", day),)),
        ]
        turns += [("many thanks", "thank", ()), ("good bye", "bye", ())] if n % 2 else []
        found.append(turns)
    return {
        "roles": objects(("user", "assistant") * (len(turns) // 2) for turns in found),
        "contents": objects(tuple(turn[0] for turn in turns) for turns in found),
        "intents": objects(tuple(turn[1] if intents else "" for turn in turns) for turns in found),
        "slots": objects(tuple(turn[2] for turn in turns) for turns in found),
        "label": np.arange(count) % 2,
    }


def make_data(count: int = 80, intents: bool = True) -> Data:
    details = {"intents": INTENTS if intents else (), "slots": ("day", "place")}
    return Data(*(make_rows(count, seed, intents) for seed in range(3)), ("short", "long"), ORIGIN, details=details)


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAST_STEPS", 80)
    monkeypatch.setattr(module, "MOST_STEPS", 80)


def test_wrong_intents_and_slots_agree_less() -> None:
    data = make_data()
    judge = fit_intent_judge(data, 0, None)
    right = judge.examine(data.heldout)
    swap = {"ask": "thank", "thank": "ask", "inform": "bye", "bye": "inform"}
    wrong = {**data.heldout, "intents": objects(tuple(swap[n] for n in row) for row in data.heldout["intents"])}
    misplaced = objects(tuple(tuple(("day", v) for _, v in turn) for turn in row) for row in data.heldout["slots"])
    assert right.agreement.mean() > 0.8 and judge.examine(wrong).agreement.mean() < 0.2
    less = judge.examine({**data.heldout, "slots": misplaced}).agreement
    assert (less < right.agreement).all()
    assert right.agreement.dtype == right.features.dtype == np.float32 and right.features.shape[0] == 80
    assert judge.reference.shape == (80,) and judge.reference.dtype == np.float32
    assert np.median(judge.reference) == pytest.approx(np.median(right.agreement), abs=0.1)
    assert right.features.var(0).sum() == pytest.approx(1, abs=0.2)


def test_turns_without_or_with_new_intents() -> None:
    data = make_data()
    judge = fit_intent_judge(data, 0, None)
    some = take_rows(data.heldout, slice(0, 6))
    blank = judge.examine({**some, "intents": objects(("",) * len(row) for row in some["intents"])}).agreement
    new = judge.examine({**some, "intents": objects(("new",) * len(row) for row in some["intents"])}).agreement
    assert (blank >= judge.examine(some).agreement).all() and (new < 0.01).all()


def test_without_intents_turns_that_do_not_follow_agree_less() -> None:
    data = make_data(120, intents=False)
    judge = fit_intent_judge(data, 0, None)
    right = judge.examine(data.heldout).agreement
    other = objects((row[0], *reversed(row[1:])) if len(row) > 2 else row for row in data.heldout["contents"])
    long = data.heldout["label"] == 1
    wrong = judge.examine({**data.heldout, "contents": other}).agreement
    assert right[long].mean() > 2 * wrong[long].mean()
    assert np.array_equal(right[~long], wrong[~long])
    assert ((right >= 0) & (right <= 1)).all()


@pytest.mark.parametrize("intents", [True, False])
def test_an_opinion_does_not_depend_on_the_other_rows(intents: bool) -> None:
    data = make_data(40, intents)
    judge = fit_intent_judge(data, 0, None)
    whole = judge.examine(data.heldout)
    part = judge.examine(take_rows(data.heldout, [7, 3]))
    assert np.array_equal(part.agreement, whole.agreement[[7, 3]])
    assert np.array_equal(part.features, whole.features[[7, 3]])
    assert judge.examine(take_rows(data.heldout, slice(0, 0))).agreement.shape == (0,)


def test_the_judge_comes_back_from_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_data(40)
    judge = fit_intent_judge(data, 0, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["judge.json", "judge.safetensors"]
    monkeypatch.setattr(module, "fit_turns", None)
    again = fit_intent_judge(data, 0, tmp_path)
    assert np.array_equal(again.reference, judge.reference) and again.record == judge.record
    assert np.array_equal(again.examine(data.heldout).agreement, judge.examine(data.heldout).agreement)


def test_altered_judges_and_those_of_other_data_are_not_read(tmp_path: Path) -> None:
    data = make_data(40)
    fit_intent_judge(data, 0, tmp_path)
    mark = fingerprint(data, 0)
    assert recall(tmp_path, mark, module._restore) is not None and recall(tmp_path, "other", module._restore) is None
    assert recall(tmp_path / "nowhere", mark, module._restore) is None
    weights = (tmp_path / "judge.safetensors").read_bytes()
    (tmp_path / "judge.safetensors").write_bytes(weights[:-4] + b"\0\0\1\0")
    assert recall(tmp_path, mark, module._restore) is None
    (tmp_path / "judge.safetensors").write_bytes(weights)
    described = json.loads((tmp_path / "judge.json").read_text())
    (tmp_path / "judge.json").write_text(json.dumps({**described, "slots": ["day"]}))
    assert recall(tmp_path, mark, module._restore) is None


def test_the_fingerprint_is_of_rows_names_and_seed() -> None:
    data = make_data(20)
    marks = {fingerprint(data, 0), fingerprint(data, 1), fingerprint(replace(data, classes=("a", "b")), 0)}
    for name in ("contents", "intents", "slots", "label"):
        marks.add(fingerprint(replace(data, train={**data.train, name: data.train[name][::-1]}), 0))
    marks.add(fingerprint(replace(data, details={**data.details, "intents": INTENTS[:2]}), 0))
    assert len(marks) == 8 and fingerprint(make_data(20), 0) in marks
