"""Real pairs pass; pairs that are broken on purpose are refused by the check that is there for it."""

from __future__ import annotations

import pickle
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.gates.pair_checks import count_repeats, fit_pair_checks, read_numbers
from synthgen.gates.pair_language import fit_odds, weigh_texts
from synthgen.sources.text.phrases import FAMILIES, draw_pairs, part_of
from synthgen.types import Check, Columns, Data, Origin, take_rows

NOWHERE = Origin("test", "CC0-1.0", "none", "none", "none")
NAMES = ("numbers", "length", "language", "copied")


def rows_of(pairs: list[tuple[str, str]], label: Any = 0) -> Columns:
    columns = {"source": np.empty(len(pairs), object), "target": np.empty(len(pairs), object)}
    columns["source"][:], columns["target"][:] = [one for one, _ in pairs], [other for _, other in pairs]
    return {**columns, "label": np.broadcast_to(np.asarray(label, np.int64), len(pairs)).copy()}


def data_of(train: Columns, validation: Columns, classes: tuple[str, ...] = ("any",)) -> Data:
    return Data(train, validation, validation, classes, NOWHERE)


def phrases(one: str, other: str) -> Data:
    names, found = list(FAMILIES), draw_pairs(one, other, 9_000, seed=5)
    parts = np.array([part_of(pair, 0.15, 0.1) for pair in found])
    labels = [names.index(pair.family) for pair in found]
    rows = rows_of([(pair.source, pair.target) for pair in found], labels)
    return data_of(take_rows(rows, parts == "train"), take_rows(rows, parts == "validation"), tuple(names))


def sentences(count: int) -> list[tuple[str, str]]:
    days = ("Monday", "Montag"), ("Thursday", "Donnerstag"), ("Saturday", "Samstag")
    who = ("the teacher", "die Lehrerin"), ("my neighbour", "mein Nachbar"), ("the doctor", "der Arzt")
    found = []
    for row in range(count):
        (day, tag), (one, other) = days[row % 3], who[row // 3 % 3]
        found.append((f"On {day} {one} bought {row} apples", f"Am {tag} kaufte {other} {row} Äpfel"))
    return found


def judge(checks: tuple[Check, ...], rows: Columns) -> dict[str, np.ndarray]:
    """Which rows each check refuses."""
    return {check.name: np.array([reason != "" for reason in check.judge(rows)[1]]) for check in checks}


def with_target(rows: Columns, targets: list[str]) -> Columns:
    return {**rows, "target": rows_of([("", target) for target in targets])["target"]}


def have_words(rows: Columns) -> np.ndarray:
    """Rows that have a word on both sides, and not the same text."""
    pairs = zip(rows["source"], rows["target"], strict=True)
    return np.array([a != b and all(any(map(str.isalpha, side)) for side in (a, b)) for a, b in pairs])


def change_number(text: str) -> str:
    """The first digit is another one."""
    at = next((at for at, character in enumerate(text) if character.isdecimal()), None)
    return text if at is None else f"{text[:at]}{int(text[at]) % 9 + 1}{text[at + 1 :]}"


@pytest.fixture(scope="module", params=["de", "ar", "ja"])
def real(request: pytest.FixtureRequest) -> tuple[Data, tuple[Check, ...]]:
    data = phrases("en", request.param)
    return data, fit_pair_checks(data)


def test_nearly_all_unseen_real_pairs_pass(real: Any) -> None:
    data, checks = real
    assert tuple(check.name for check in checks) == NAMES and all(check.explanation for check in checks)
    refused = judge(checks, data.validation)
    assert len(data.validation["label"]) > 800
    assert np.any(list(refused.values()), axis=0).mean() < 0.01
    assert refused["language"].mean() < 0.005


def test_changed_numbers_are_refused(real: Any) -> None:
    data, checks = real
    rows = data.validation
    wrong = [change_number(target) for target in rows["target"]]
    refused = judge(checks, with_target(rows, wrong))["numbers"]
    equal = {label: [] for label in range(len(data.classes))}
    for source, target, label in zip(*(data.train[name] for name in ("source", "target", "label")), strict=True):
        equal[label].append(sorted(read_numbers(source)) == sorted(read_numbers(target)))
    demanded = np.array([np.mean(equal[label]) >= 0.98 for label in range(len(data.classes))])[rows["label"]]
    changed = np.array([a != b for a, b in zip(wrong, rows["target"], strict=True)])
    assert (changed & demanded).sum() > 200
    assert refused[changed & demanded].mean() > 0.95 and not refused[~demanded].any()
    reasons = [reason for reason in checks[0].judge(with_target(rows, wrong))[1] if reason]
    assert reasons[0].startswith("source has ") and ", target " in reasons[0]


def test_swapped_sides_are_refused(real: Any) -> None:
    data, checks = real
    swapped = {**data.validation, "source": data.validation["target"], "target": data.validation["source"]}
    assert judge(checks, swapped)["language"][have_words(data.validation)].mean() > 0.95
    reason = next(reason for reason in checks[2].judge(swapped)[1] if reason)
    assert "like the other language (log odds -" in reason


def test_cut_targets_are_refused(real: Any) -> None:
    data, checks = real
    rows = take_rows(data.validation, np.array([len(target) >= 16 for target in data.validation["target"]]))
    cut = [target[: len(target) // 6] for target in rows["target"]]
    refused = judge(checks, with_target(rows, cut))["length"]
    assert len(rows["label"]) > 300 and refused.mean() > 0.95
    reason = next(reason for reason in checks[1].judge(with_target(rows, cut))[1] if reason)
    assert " characters, target " in reason and "real pairs have" in reason


def test_copied_sources_are_refused_where_copies_are_not_usual(real: Any) -> None:
    data, checks = real
    rows = data.validation
    refused = judge(checks, with_target(rows, rows["source"].tolist()))["copied"]
    pairs = zip(data.train["source"], data.train["target"], strict=True)
    copied = np.array([source.casefold() == target.casefold() for source, target in pairs])
    usual = [k for k in range(len(data.classes)) if copied[data.train["label"] == k].mean() >= 0.02]
    assert data.classes.index("number") in usual and len(usual) < 8
    np.testing.assert_array_equal(refused, ~np.isin(rows["label"], usual))


def test_what_a_row_gets_does_not_depend_on_the_others(real: Any) -> None:
    data, checks = real
    again = pickle.loads(pickle.dumps(fit_pair_checks(data)))
    order = np.random.Generator(np.random.Philox(key=1)).permutation(len(data.validation["label"]))
    for check, other in zip(checks, again, strict=True):
        scores, reasons = check.judge(data.validation)
        assert scores.dtype == np.float32 and np.isfinite(scores).all()
        shuffled, told = other.judge(take_rows(data.validation, order))
        np.testing.assert_array_equal(shuffled, scores[order])
        assert told == [reasons[row] for row in order]
        alone, reason = check.judge(take_rows(data.validation, np.array([7])))
        assert alone[0] == scores[7] and reason == [reasons[7]]


def test_a_thousand_pairs_are_judged_in_a_moment(real: Any) -> None:
    data, checks = real
    rows = take_rows(data.train, slice(0, 1000))
    start = perf_counter()
    judge(checks, rows)
    assert perf_counter() - start < 1


def test_what_has_no_letters_has_no_evidence(real: Any) -> None:
    data, checks = real
    rows = rows_of([("12:30", "12.30"), ("", ""), ("3 - 4", "👍"), ("٣٤", "34")], data.classes.index("time"))
    scores, reasons = checks[2].judge(rows)
    assert scores.tolist() == [0, 0, 0, 0] and reasons == ["", "", "", ""]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("€1,234.50", ["1", "234", "50"]),
        ("٠٥:٣٠ and 007", ["5", "30", "7"]),
        ("２０２４年3月", ["2024", "3"]),
        ("000 x² ½ Ⅷ", ["0"]),
        ("none", []),
        ("9" * 100_000, ["9" * 100_000]),
    ],
)
def test_numbers_of_every_script_by_value(text: str, numbers: list[str]) -> None:
    assert read_numbers(text) == numbers


@pytest.mark.parametrize(
    ("text", "repeats"),
    [
        ("", 1),
        ("to be or not to be", 1),
        ("no no no no", 4),
        ("No, no. NO", 3),
        ("a b c a b c a b c", 3),
        ("well, x y x y x y z", 3),
        ("ははは", 3),
        ("東京 東京", 2),
        ("1,000,000,000,000", 1),
        ("one two three four five six seven eight nine " * 2, 1),
        ("again " * 20_000, 20_000),
    ],
)
def test_repeats_are_counted(text: str, repeats: int) -> None:
    assert count_repeats(text) == repeats


def test_targets_that_say_the_same_over_and_over_are_refused() -> None:
    checks = fit_pair_checks(data_of(rows_of(sentences(300)), rows_of([])))
    source = "On Monday the doctor bought 3 apples"
    rows = rows_of([(source, "Am Montag kaufte " + "der Arzt " * n + "3 Äpfel") for n in (1, 3, 4)])
    scores, reasons = checks[3].judge(rows)
    np.testing.assert_allclose(scores, [1, 1 / 3, 1 / 4], rtol=1e-5)
    assert reasons == ["", "", "the target says the same 4 times in a row; real pairs at most 3 times"]
    chatty = [(a, b + " ha ha ha ha ha") for a, b in sentences(300)]
    assert judge(fit_pair_checks(data_of(rows_of(chatty), rows_of([]))), rows_of(chatty))["copied"].sum() == 0


def test_a_side_that_was_not_translated_is_refused() -> None:
    pairs = sentences(600)
    language = fit_pair_checks(data_of(rows_of(pairs[:400]), rows_of(pairs[400:])))[2]
    left = rows_of([(source, f"{source}!") for source, _ in pairs[400:]])
    scores, reasons = language.judge(left)
    assert (scores < 0).all() and all("the target reads like the other language" in reason for reason in reasons)


@pytest.mark.parametrize("share", [0.005, 0.015])
def test_swapped_pairs_among_the_real_ones_do_not_open_the_gate(share: float) -> None:
    pairs = sentences(1200)
    every = round(1 / share)
    train = [(b, a) if row % every == 3 else (a, b) for row, (a, b) in enumerate(pairs[:1000])]
    checks = fit_pair_checks(data_of(rows_of(train), rows_of([])))
    assert not judge(checks, rows_of(pairs[1000:]))["language"].any()
    assert judge(checks, rows_of([(b, a) for a, b in pairs[1000:]]))["language"].all()


def test_two_sides_in_one_language_are_no_reason_to_refuse() -> None:
    pairs = [(a, a.replace("bought", "was given")) for a, _ in sentences(600)]
    checks = fit_pair_checks(data_of(rows_of(pairs[:400]), rows_of([])))
    assert np.any(list(judge(checks, rows_of(pairs[400:])).values()), axis=0).mean() < 0.01


def test_a_class_asks_only_what_its_real_rows_do() -> None:
    times = [(f"{1 + row % 11} PM, {row}", f"{13 + row % 11} Uhr, {row}") for row in range(300)]
    rare = [(f"house {row}", f"Haus {row + 1}") for row in range(5)]
    pairs, labels = sentences(300) + times + rare, [0] * 300 + [1] * 300 + [2] * 5
    checks = fit_pair_checks(data_of(rows_of(pairs, labels), rows_of([]), ("sentence", "time", "rare", "never seen")))
    wrong = [("On Monday the doctor bought 3 apples", "Am Montag kaufte der Arzt 4 Äpfel")]
    assert [judge(checks, rows_of(wrong, label))["numbers"].tolist() for label in range(4)] == [
        [True],
        [False],
        [False],
        [False],
    ]
    score, reasons = checks[0].judge(rows_of([("7 and 7 and 12", "7 und 13 und 7")], 0))
    assert score[0] == np.float32(0.5) and reasons == ["source has 12, target 13"]
    many = ("1 2 3 4 5 6", f"no {'8' * 30}")
    assert checks[0].judge(rows_of([many]))[1] == [f"source has 1 and 2 and 3 and 4 and more, target {'8' * 17}..."]


def test_the_odds_are_of_letters_not_of_digits_or_case() -> None:
    odds = fit_odds(["good day", "good night"] * 9, ["guten Tag", "gute Nacht"] * 9)
    (evidence, grams), (other, _) = (
        weigh_texts(odds, texts) for texts in (["Good 12 Day", "GUTE NACHT"], ["good day"])
    )
    assert evidence[0] == other[0] > 0 > evidence[1] and (grams > 0).all()
    assert weigh_texts(odds, [])[0].shape == (0,)
    long = weigh_texts(odds, ["good day " * 300_000, "x", "gute"])[0]
    assert long[0] > 1000 * evidence[0] and long[2] == weigh_texts(odds, ["gute"])[0][0]


@pytest.fixture(scope="module")
def fitted() -> tuple[Check, ...]:
    return fit_pair_checks(data_of(rows_of(sentences(300)), rows_of([])))


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=())), st.text())
def test_any_text_is_judged(fitted: tuple[Check, ...], one: str, other: str) -> None:
    rows = rows_of([(one, other), (other, one), (one, one)])
    for check in fitted:
        scores, reasons = check.judge(rows)
        assert scores.dtype == np.float32 and np.isfinite(scores).all() and len(reasons) == 3
        assert all(isinstance(reason, str) and "\n" not in reason for reason in reasons)


def test_no_rows_and_few_rows_are_judged() -> None:
    checks = fit_pair_checks(data_of(rows_of(sentences(1)), rows_of([])))
    assert all(len(check.judge(rows_of([]))[1]) == 0 and len(check.judge(rows_of([]))[0]) == 0 for check in checks)
    assert not any(refused.any() for refused in judge(checks, rows_of(sentences(1))).values())
