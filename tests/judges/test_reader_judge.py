"""The judge of questions refuses those about the wrong thing, minds no company, and comes back only unaltered."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from synthgen.errors import UserError
from synthgen.judges.reader import ReaderJudge, Swaps, fingerprint, fit_reader_judge, split_contexts
from synthgen.sources.text.facts import list_facts
from synthgen.sources.text.territories import Example, ask, draw_examples
from synthgen.types import Columns, Data, Origin, take_rows

KINDS = ("currency", "main language")
CLASSES = (*KINDS, "unanswerable")
ORIGIN = Origin("made up", "CC0-1.0", "none", "by construction", "none")


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
def data() -> Data:
    return Data(
        stack(draw(3000, "train")), stack(draw(300, "validation")), stack(draw(500, "heldout")), CLASSES, ORIGIN
    )


@cache
def judge() -> ReaderJudge:
    return fit_reader_judge(data(), 0, None, steps=90)


def small() -> Data:
    return replace(data(), train=take_rows(data().train, slice(0, 30)))


def test_questions_about_the_wrong_territory_agree_less():
    rows, wrong = [], []
    for number, example in enumerate(draw(500, "heldout")):
        rivals = [
            f for f in list_facts() if f.kind == example.kind and f.name in example.title and f.value in example.context
        ]
        others = [f for f in rivals if f.territory != example.territory and f.value != example.answer]
        if example.answer and others:
            rows.append(number)
            wrong.append(ask(others[0], number % 6))
    right = take_rows(data().heldout, np.array(rows))
    agreed = judge().examine(right).agreement
    swapped = judge().examine(right | {"question": np.array(wrong, object)}).agreement
    bar = np.quantile(judge().reference, 0.2)
    assert (agreed >= bar).mean() > 0.6 and (swapped >= bar).mean() < 0.15
    assert agreed.mean() > swapped.mean() + 0.4


def test_a_row_called_unanswerable_agrees_where_nothing_is_found():
    rows = data().heldout
    nothing = judge().examine(take_rows(rows, rows["start"] == -1)).agreement
    answered = take_rows(rows, rows["start"] >= 0)
    blank = np.full(len(answered["label"]), "", object)
    denied = judge().examine(answered | {"answer": blank, "start": np.full(len(blank), -1)}).agreement
    assert nothing.mean() > denied.mean() + 0.3


def test_an_opinion_does_not_depend_on_the_other_rows():
    whole = judge().examine(take_rows(data().heldout, slice(0, 40)))
    assert whole.features.dtype == whole.agreement.dtype == np.float32 and len(whole.features) == 40
    assert ((whole.agreement >= 0) & (whole.agreement <= 1)).all() and np.isfinite(whole.features).all()
    alone = judge().examine(take_rows(data().heldout, slice(7, 9)))
    assert np.array_equal(alone.features, whole.features[7:9])
    assert np.array_equal(alone.agreement, whole.agreement[7:9])
    assert judge().reference.shape == data().train["label"].shape and judge().reference.dtype == np.float32


def test_no_rows_are_judged():
    assert judge().examine(take_rows(data().heldout, slice(0, 0))).agreement.shape == (0,)


def test_swapped_contexts_lack_the_names_of_the_question():
    swaps = Swaps(data().train, 0)
    rows = take_rows(data().heldout, slice(0, 60))
    found = []
    for example, label in zip(draw(500, "heldout")[:60], rows["label"].tolist(), strict=True):
        other = swaps.find(example.question, example.context, example.answer, label)
        assert other != example.context and other in set(data().train["context"])
        name = next(f.name for f in list_facts() if f.territory == example.territory)
        found.append(name not in other)
        assert other == swaps.find(example.question, example.context, example.answer, label)
    assert np.mean(found) > 0.95


def test_the_only_context_is_no_swap():
    one = take_rows(data().train, slice(0, 1))
    assert Swaps(one, 0).find("Who?", one["context"][0], "x", 0) == one["context"][0]


def test_questions_about_one_context_are_in_one_fold():
    rows = take_rows(data().train, np.repeat(np.arange(20), 3))
    folds = split_contexts(rows, 0).reshape(20, 3)
    assert (folds == folds[:, :1]).all() and 8 <= folds[:, 0].sum() <= 12


def test_the_judge_comes_back_from_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = fit_reader_judge(small(), 0, tmp_path, steps=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["judge.json", "judge.safetensors"]
    monkeypatch.setattr("synthgen.judges.reader.fit_reader", None)
    again = fit_reader_judge(small(), 0, tmp_path, steps=2)
    assert np.array_equal(again.reference, made.reference)
    rows = take_rows(data().heldout, slice(0, 5))
    assert np.array_equal(again.examine(rows).agreement, made.examine(rows).agreement)


def test_altered_judges_and_those_of_other_data_are_fitted_anew(tmp_path: Path):
    made = fit_reader_judge(small(), 0, tmp_path, steps=2)
    path = tmp_path / "judge.safetensors"
    sound = path.read_bytes()
    path.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    assert np.array_equal(fit_reader_judge(small(), 0, tmp_path, steps=2).reference, made.reference)
    assert path.read_bytes() == sound
    described = json.loads((tmp_path / "judge.json").read_text())
    fit_reader_judge(small(), 1, tmp_path, steps=2)
    assert json.loads((tmp_path / "judge.json").read_text())["fingerprint"] != described["fingerprint"]


def test_the_fingerprint_is_of_texts_labels_classes_and_seed():
    one = small()
    other = replace(one, train=one.train | {"question": one.train["question"][::-1]})
    moved = replace(one, train=one.train | {"start": one.train["start"] + 1})
    named = replace(one, classes=("a", "b", "c"))
    marks = [fingerprint(d, seed, 2) for d, seed in ((one, 0), (other, 0), (moved, 0), (named, 0), (one, 1))]
    assert len(set(marks)) == 5 and fingerprint(small(), 0, 2) == marks[0]


def test_one_row_is_too_few():
    with pytest.raises(UserError, match="too few"):
        fit_reader_judge(replace(data(), train=take_rows(data().train, slice(0, 1))), 0, None)
