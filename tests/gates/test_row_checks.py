"""What a row must pass by itself: chosen by name, asked before the judge, kept among the scores."""

import numpy as np
import pytest

from synthgen.errors import UserError
from synthgen.gates.gates import Gates, choose_checks
from synthgen.gates.options import GateOptions
from synthgen.gates.selection import Selection
from synthgen.types import Check, Opinion, Verdict


def judge_length(rows):
    lengths = np.array([len(text) for text in rows["text"]], np.float32) / 3
    return lengths, ["" if len(text) < 6 else f"{len(text)} characters are too many" for text in rows["text"]]


def judge_digits(rows):
    found = [sum(character.isdigit() for character in text) for text in rows["text"]]
    return np.array(found, np.float32), ["it has a digit" if count else "" for count in found]


LENGTH, DIGITS = Check("length", "too long", judge_length), Check("digits", "has a digit", judge_digits)


def texts(*values):
    column = np.empty(len(values), object)
    column[:] = values
    return {"text": column}


def make_gates(checks=(LENGTH, DIGITS), **options):
    rows = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    chosen = GateOptions.model_validate(options)
    return Gates.fit(rows[:200], rows[200:], np.linspace(0.5, 1, 200), None, (), chosen, checks)


def test_null_means_all_checks_and_an_empty_list_none():
    assert choose_checks((LENGTH, DIGITS), GateOptions()) == (LENGTH, DIGITS)
    assert choose_checks((LENGTH, DIGITS), GateOptions(checks=[])) == ()
    assert choose_checks((LENGTH, DIGITS), GateOptions(checks=["digits", "length"])) == (LENGTH, DIGITS)
    assert choose_checks((LENGTH, DIGITS), GateOptions(checks=["digits"])) == (DIGITS,)
    assert choose_checks((), GateOptions()) == ()


def test_a_name_that_the_task_lacks_is_told_with_the_fix():
    with pytest.raises(
        UserError, match=r"^gates\.checks: 'lenght' is not a check of these rows; did you mean 'length'\?$"
    ):
        choose_checks((LENGTH, DIGITS), GateOptions(checks=["lenght"]))
    with pytest.raises(UserError, match="'length' is not a check of these rows; remove it"):
        choose_checks((), GateOptions(checks=["length"]))


def test_a_check_cannot_take_the_name_of_a_gate_or_of_another():
    for name in ("copies", "quota", "copy_ratio", "digits"):
        with pytest.raises(AssertionError):
            choose_checks((Check(name, "", judge_length), DIGITS), GateOptions())


def test_checks_come_first_and_each_score_is_kept_in_six_digits():
    gates = make_gates()
    assert gates.on == ("length", "digits", "agreement", "copies")
    assert gates.score_names == ("length", "digits", "agreement", "copy_distance", "copy_ratio")
    checked = gates.check_rows(texts("abc", "abcdefg", "1", "abcdef2"))
    assert checked.rejected_by.tolist() == ["", "length", "digits", "length"]
    assert checked.reasons.tolist() == ["", "7 characters are too many", "it has a digit", "7 characters are too many"]
    assert checked.scores["length"].dtype == np.float32 and checked.scores["length"][1] == np.float32(2.33333)
    assert set(checked.seconds) == {"length", "digits"}
    agreement = np.array([0.1, np.nan, np.nan, 0.9], np.float32)
    opinion = Opinion(np.zeros((4, 0), np.float32), agreement)
    far = np.full((4, 4), 9, np.float32) * np.arange(1, 5)[:, None]
    verdict = gates.judge_rows(opinion, far.astype(np.float32), None, checked)
    assert verdict.rejected_by.tolist() == ["agreement", "length", "digits", "length"]
    assert tuple(verdict.scores) == gates.score_names
    assert tuple(verdict.seconds) == ("length", "digits", "agreement", "copies")
    assert (
        checked.rejected_by.tolist()[0] == "" and "agreement" not in checked.scores
    )  # the first verdict is left alone


def test_without_checks_the_verdict_is_the_same_as_without_asking():
    gates = make_gates(())
    rows = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
    opinion = Opinion(rows, np.linspace(0.4, 1, 5).astype(np.float32))
    plain = gates.judge_rows(opinion, rows, None)
    asked = gates.judge_rows(opinion, rows, None, gates.check_rows(texts(*"abcde")))
    assert plain.rejected_by.tolist() == asked.rejected_by.tolist() and plain.scores.keys() == asked.scores.keys()
    for name, values in plain.scores.items():
        np.testing.assert_array_equal(values, asked.scores[name])


def test_a_check_must_judge_every_row():
    gates = make_gates((Check("short", "", lambda rows: (np.zeros(1), [""])),))
    with pytest.raises(AssertionError, match="'short' did not judge every row"):
        gates.check_rows(texts("a", "b"))


def test_the_selection_counts_what_checks_refused():
    options = GateOptions.model_validate({"duplicates": False, "quota": False})
    selection = Selection.fit(2, np.zeros((3, 1), np.float32), np.ones(1), ("a",), options, ("length", "digits"))
    by = np.array(["digits", "", "length", "", "length"], object)
    verdict = Verdict({}, by, by.copy(), {"length": 0.5})
    choice = selection.admit(verdict, np.zeros((5, 1), np.float32), np.ones((5, 1), bool), np.arange(5))
    assert choice.kept.tolist() == [False, True, False, True, False]
    assert tuple(selection.rejected) == ("length", "digits", "agreement", "copies", "duplicates", "quota")
    assert (selection.rejected["length"], selection.rejected["digits"], selection.candidates) == (1, 1, 4)
    assert selection.seconds["length"] == 0.5
