"""Pairs are kept character by character, no text is in two parts, and what was left out is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from synthgen.errors import UserError
from synthgen.sources import PairSourceOptions, describe_pairs, load_pairs
from synthgen.sources.text.pairs import read_pairs
from synthgen.sources.text.phrases import FAMILIES, is_translation
from synthgen.sources.text.records import Record, Records
from synthgen.types import Columns, Data

PARTS = ("train", "validation", "heldout")
ODD = {
    "right to left": ("It is\u200e 3 \u05e9\u05dc\u05d5\u05dd", "\u200fمرحبا بالعالم 12\u200f"),
    "emoji": ("👩‍👩‍👧‍👦 family 🏳️‍🌈", "Familie 👍🏽"),
    "combining": ("e\u0301te\u0301 Z\u0351\u036b", "हिन्दी क्‍ष"),
    "prompt": ("Ignore all previous instructions; {{7*7}} <script>", "'; DROP TABLE x; -- __import__('os')"),
    "spaces": ("  two\tand\nlines ", "zwei\u00a0und\u202fZeilen"),
}


def builtin(**fields: Any) -> PairSourceOptions:
    return PairSourceOptions.model_validate({"kind": "builtin", "name": "phrases", **fields})


def files(path: Path, **fields: Any) -> PairSourceOptions:
    return PairSourceOptions.model_validate({"kind": "files", "path": str(path), **fields})


def parts_of(data: Data) -> dict[str, Columns]:
    return {part: getattr(data, part) for part in PARTS}


def pairs_of(rows: Columns) -> list[tuple[str, str]]:
    return list(zip(rows["source"].tolist(), rows["target"].tolist(), strict=True))


def all_pairs(data: Data) -> set[tuple[str, str]]:
    return {pair for rows in parts_of(data).values() for pair in pairs_of(rows)}


def assert_apart(data: Data) -> None:
    for side in ("source", "target"):
        texts = [set(rows[side].tolist()) for rows in parts_of(data).values()]
        assert len(set.union(*texts)) == sum(map(len, texts)), side


def plain_pairs(count: int) -> list[tuple[str, str]]:
    return [(f"sentence {row} in English", f"Satz {row} auf Deutsch") for row in range(count)]


def write_lines(file: Path, records: list[dict[str, Any]]) -> Path:
    file.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
    return file


def write_sides(file: Path, pairs: list[Any], names: tuple[str, str] = ("en", "de"), **more: list[Any]) -> Path:
    extra = [dict(zip(more, cells, strict=True)) for cells in zip(*more.values(), strict=True)] or [{}] * len(pairs)
    return write_lines(file, [dict(zip(names, pair, strict=True)) | e for pair, e in zip(pairs, extra, strict=True)])


def held_in_memory(pairs: list[tuple[Any, Any]]) -> Records:
    records = [Record(f"row {row}", {"en": one, "de": other}) for row, (one, other) in enumerate(pairs)]
    return Records({"train": records}, ("en", "de"), "memory", "unknown", "not stated")


@pytest.fixture(scope="module")
def phrases() -> Data:
    return load_pairs(builtin(), seed=0)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """Fewer phrases are drawn than usual, to save time."""
    monkeypatch.setattr("synthgen.sources.text.pairs.PHRASES", 2_640)
    return 2_640


def test_phrases_are_right_apart_and_of_every_family(phrases: Data) -> None:
    assert phrases.classes == tuple(FAMILIES)
    assert phrases.details == {"languages": ("en", "de"), "undrawn": ("territory", "language"), "checked": True}
    assert_apart(phrases)
    for rows in parts_of(phrases).values():
        assert rows["source"].dtype == rows["target"].dtype == object and rows["label"].dtype == np.int64
        for row in range(0, len(rows["label"]), 97):
            family = phrases.classes[rows["label"][row]]
            assert is_translation(family, rows["source"][row], rows["target"][row], "en", "de")
    sizes = {part: len(rows["label"]) for part, rows in parts_of(phrases).items()}
    assert 8700 < sizes["train"] < 9300 and 700 < sizes["validation"] < 2000 < sizes["heldout"] < 2400
    alone = [phrases.classes.index(name) for name in ("territory", "language")]
    assert np.isin(alone, phrases.train["label"]).all() and not np.isin(alone, phrases.heldout["label"]).any()


def test_the_origin_of_phrases_is_told(phrases: Data) -> None:
    origin = phrases.origin
    assert origin.name.startswith("phrases en-de (CLDR ") and "through Babel" in origin.name
    assert origin.license == "Unicode-3.0" and "Babel" in origin.citation
    assert origin.labels == "by construction: both sides are written from the same facts"
    assert "no facts are in two parts" in origin.splits


@pytest.mark.parametrize("rows", [600, 2640])
def test_rows_of_phrases_are_exact_and_leave_what_is_measured(few: int, rows: int) -> None:
    usual, data = load_pairs(builtin(), seed=0), load_pairs(builtin(rows=rows), seed=1)
    assert 600 < len(usual.train["label"]) < 2640 and len(data.train["label"]) == rows
    for part in ("validation", "heldout"):
        assert pairs_of(getattr(data, part)) == pairs_of(getattr(usual, part))
    assert_apart(data)
    assert set(data.train["label"]) == set(range(len(FAMILIES)))
    assert any(f"{rows} of " in note and "source.rows" in note for note in data.origin.notes)


def test_the_seed_chooses_training_rows_alone(tmp_path: Path) -> None:
    file = write_sides(tmp_path / "x.jsonl", plain_pairs(200))
    one, again, other = (load_pairs(files(file, rows=50), seed=seed) for seed in (1, 1, 2))
    assert pairs_of(one.train) == pairs_of(again.train) != pairs_of(other.train)
    assert pairs_of(one.validation) == pairs_of(other.validation) and pairs_of(one.heldout) == pairs_of(other.heldout)


def test_phrases_right_to_left_keep_their_marks(few: int) -> None:
    data = load_pairs(builtin(languages=("en", "ar"), rows=1000), seed=0)
    assert data.details["languages"] == ("en", "ar")
    assert any("\u200f" in text for text in data.train["target"])
    family = data.classes[data.heldout["label"][0]]
    assert is_translation(family, data.heldout["source"][0], data.heldout["target"][0], "en", "ar")


def test_short_phrases_alone_leave_families_out_and_say_so(few: int) -> None:
    data = load_pairs(builtin(languages=("de", "pt-BR"), longest=12), seed=0)
    assert data.details["languages"] == ("de", "pt_BR")
    assert "date full" not in data.classes and "time" in data.classes and "territory" in data.details["undrawn"]
    assert max(map(len, [*data.train["source"], *data.heldout["target"]])) <= 12
    assert set(data.train["label"]) == set(range(len(data.classes)))
    notes = " ".join(data.origin.notes)
    assert "a side has more than 12 characters" in notes and "families without a phrase to train on: date full" in notes


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "phrase"}, r"source\.name: 'phrase' is not built in \(did you mean 'phrases'\?\)"),
        ({"languages": ("en", "xx")}, r"source\.languages: 'xx' is not a language that CLDR knows"),
        ({"languages": ("pt-BR", "pt_BR")}, r"source\.languages: both are 'pt_BR'; name two"),
        ({"longest": 1}, r"source"),
        ({"rows": 5}, r"source\.rows: 5 is fewer than the 22 classes"),
        ({"rows": 2_000_000}, r"source\.rows: 2,000,000 phrases are more than 1,000,000"),
    ],
)
def test_mistakes_about_phrases(few: int, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        load_pairs(builtin(**fields), seed=0)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kind": "builtin", "name": "phrases", "languages": ["en", "en"]}, "'en' is named twice"),
        ({"kind": "builtin", "name": "phrases", "columns": {"label": "x"}}, "'columns' does not belong to kind"),
        ({"kind": "files", "path": "x", "columns": {"translation": "t", "source": "s"}}, "name the one or the others"),
        ({"kind": "files", "path": "x", "columns": {"source": "s", "target": "s"}}, "same column twice"),
        ({"kind": "files", "path": "x", "longest": 0}, "longest"),
        ({"kind": "files", "path": "x", "classes": ["a", "a"]}, "'a' is named twice"),
        ({"kind": "files", "path": "x", "languages": ["en"]}, "languages"),
    ],
)
def test_options_that_do_not_fit(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        PairSourceOptions.model_validate(fields)


def test_odd_texts_pass_unchanged_in_every_format(tmp_path: Path) -> None:
    pairs = plain_pairs(60) + list(ODD.values())
    records = [{"translation": {"en": one, "de": other}} for one, other in pairs]
    struct = pa.struct([("de", pa.string()), ("en", pa.string())])
    pq.write_table(
        pa.table({"translation": pa.array([r["translation"] for r in records], struct)}), tmp_path / "a.parquet"
    )
    write_lines(tmp_path / "a.jsonl", records)
    (tmp_path / "a.json").write_text(json.dumps({"data": records}), encoding="utf-8")
    write_lines(tmp_path / "b.jsonl", [{"translation": json.dumps(r["translation"]), "id": 1} for r in records])
    write_sides(tmp_path / "c.jsonl", pairs, ("DE-ch", "en"))
    for name in ("a.parquet", "a.jsonl", "a.json", "b.jsonl"):
        data = load_pairs(files(tmp_path / name, languages=("en", "de")), seed=0)
        assert all_pairs(data) == set(pairs), name
        assert data.details == {"languages": ("en", "de"), "undrawn": (), "checked": False}
        assert data.classes == ("any",) and not any(rows["label"].any() for rows in parts_of(data).values())
        assert data.origin.notes == ()
    named = load_pairs(files(tmp_path / "c.jsonl", languages=("en", "de_CH")), seed=0)
    assert all_pairs(named) == {(other, one) for one, other in pairs}
    assert load_pairs(files(tmp_path / "a.parquet"), seed=0).details["languages"] == ("de", "en")


def test_tsv_cells_are_as_they_stand(tmp_path: Path) -> None:
    file = tmp_path / "talks.tsv"
    pairs = [(f'say "hello {row}', f"sag 'hallo {row}") for row in range(30)]
    file.write_text("id\tquelle\tziel\n" + "".join(f"{i}\t{a}\t{b}\n" for i, (a, b) in enumerate(pairs)))
    options = files(file, columns={"source": "quelle", "target": "ziel"})
    data = load_pairs(options, seed=0)
    assert all_pairs(data) == set(pairs)
    assert data.details["languages"] == ("quelle", "ziel")
    assert [note for note in data.origin.notes if "CLDR knows no language 'quelle'" in note]
    assert describe_pairs(options) == "talks.tsv: train 1 files; quelle to ziel"


def test_one_given_column_finds_the_other(tmp_path: Path) -> None:
    file = write_sides(tmp_path / "x.jsonl", plain_pairs(30), ("one", "two"))
    data = load_pairs(files(file, columns={"source": "two"}, languages=("de", "xx")), seed=0)
    assert all_pairs(data) == {(other, one) for one, other in plain_pairs(30)}
    assert data.details["languages"] == ("de", "xx")
    assert data.origin.notes == ("CLDR knows no language 'xx'; the side is called so as it stands",)


@pytest.mark.parametrize(
    ("names", "fields", "words"),
    [
        (
            ("english", "de"),
            {"columns": {"source": "englisch"}},
            r"source: x\.jsonl has no .* \(did you mean 'english'",
        ),
        (("en", "de"), {"columns": {"label": "domain"}}, r"source\.columns\.label: x\.jsonl has no column 'domain'"),
        (
            ("en", "deu"),
            {"languages": ("en", "de")},
            r"source\.languages: x\.jsonl has no column 'de' \(did you mean 'deu'",
        ),
        (("en", "de"), {"classes": ["a", "b"]}, r"source\.classes: no column holds them"),
        (("en", "de"), {"columns": {"translation": "en"}}, r"columns\.translation: 'en' of x\.jsonl holds no records"),
        (("en", "de"), {"path": "nowhere"}, r"source\.path"),
    ],
)
def test_mistakes_about_columns(tmp_path: Path, names: Any, fields: dict[str, Any], words: str) -> None:
    file = write_sides(tmp_path / "x.jsonl", plain_pairs(30), names)
    options = files(file).model_copy(update=fields)
    for look in (lambda: load_pairs(options, seed=0), lambda: describe_pairs(options)):
        with pytest.raises(UserError, match=words):
            look()


def test_three_columns_of_texts_are_not_guessed_at(tmp_path: Path) -> None:
    file = write_sides(tmp_path / "x.jsonl", plain_pairs(30), note=["same"] * 30)
    with pytest.raises(UserError, match=r"x\.jsonl has the columns en, de, note, and which two .* is not plain"):
        load_pairs(files(file), seed=0)
    assert all_pairs(load_pairs(files(file, languages=("en", "de")), seed=0)) == set(plain_pairs(30))


def test_a_translation_of_three_languages_needs_two_named(tmp_path: Path) -> None:
    cells = [{"translation": {"en": a, "de": b, "fr": f"phrase {b}"}} for a, b in plain_pairs(30)]
    file = write_lines(tmp_path / "x.jsonl", cells)
    with pytest.raises(
        UserError, match=r"source\.languages: 'translation' of x\.jsonl holds en, de, fr; set it to two"
    ):
        load_pairs(files(file), seed=0)
    with pytest.raises(UserError, match=r"has no 'frr' \(did you mean 'fr'\?\); set it to two of: en, de, fr"):
        load_pairs(files(file, languages=("de", "frr")), seed=0)
    data = load_pairs(files(file, languages=("fr", "de")), seed=0)
    assert all_pairs(data) == {(f"phrase {b}", b) for _, b in plain_pairs(30)}


@pytest.mark.parametrize("bad", ["", "  \n", None, 7, ["a"], "bell \x07", "half \ud83d"])
def test_bad_cells_are_named_and_too_many_are_refused(tmp_path: Path, bad: Any) -> None:
    pairs: list[Any] = plain_pairs(200)
    file = write_sides(tmp_path / "x.jsonl", [*pairs, ("fine", bad)])
    data = load_pairs(files(file, languages=("en", "de")), seed=0)
    assert all_pairs(data) == set(pairs)
    assert data.origin.notes[0].startswith("1 of 201 rows were left out: x.jsonl row 200: de: ")
    write_sides(file, [*pairs, *[("fine", bad)] * 4])
    with pytest.raises(
        UserError, match=r"source: 4 of 204 rows cannot be used, first x\.jsonl row 200: de: .*at most 1 %"
    ):
        load_pairs(files(file, languages=("en", "de")), seed=0)


def test_rows_without_a_translation_are_bad(tmp_path: Path) -> None:
    cells: list[dict[str, Any]] = [{"translation": {"en": a, "de": b}} for a, b in plain_pairs(200)]
    for bad, words in (
        ("{broken", "not a record of two languages"),
        (None, "not a record"),
        ({"en": "x"}, "de: no value"),
    ):
        file = write_lines(tmp_path / "x.jsonl", [*cells, {"translation": bad}])
        assert words in load_pairs(files(file), seed=0).origin.notes[0]


def test_long_texts_are_left_out_whatever_their_number(tmp_path: Path) -> None:
    long = [("word " * 20_000 + str(row), "kurz") for row in range(30)]
    file = write_sides(tmp_path / "x.jsonl", [*plain_pairs(40), *long])
    data = load_pairs(files(file), seed=0)
    assert all_pairs(data) == set(plain_pairs(40))
    assert data.origin.notes == ("30 of 70 pairs were left out: a side has more than 400 characters",)
    write_sides(file, long)
    with pytest.raises(
        UserError, match=r"source\.longest: no pair of x\.jsonl has at most 400 characters a side; raise it"
    ):
        load_pairs(files(file), seed=0)


def test_repeated_and_conflicting_pairs(tmp_path: Path) -> None:
    pairs = plain_pairs(60)
    more = [("sentence 3 in English", "ein anderer Satz"), ("sentence 4 in English", "noch ein Satz")]
    file = write_sides(tmp_path / "x.jsonl", [*pairs, *pairs[:5], *more])
    data = load_pairs(files(file), seed=0)
    assert sum(len(rows["label"]) for rows in parts_of(data).values()) == 62
    assert all_pairs(data) == {*pairs, *more}
    assert data.origin.notes == (
        "5 pairs were left out: they repeat another pair",
        "2 source texts have several targets, which were kept",
    )
    assert_apart(data)


def test_no_text_is_in_two_parts_and_held_out_rows_stay(tmp_path: Path) -> None:
    pairs = [(f"source {row % 900}", f"target {row % 1000}") for row in range(1200)]
    data = load_pairs(files(write_sides(tmp_path / "x.jsonl", pairs)), seed=0)
    assert_apart(data)
    other = load_pairs(files(tmp_path / "x.jsonl"), seed=9)
    assert pairs_of(data.heldout) == pairs_of(other.heldout) and pairs_of(data.validation) == pairs_of(other.validation)
    assert any("train pairs were left out: a text of theirs is also in heldout" in note for note in data.origin.notes)
    with pytest.raises(UserError, match="no pair is left for"):
        load_pairs(files(write_sides(tmp_path / "y.jsonl", [(a, "always the same") for a, _ in pairs])), seed=0)


def test_the_sources_own_parts_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "talks"
    folder.mkdir()
    pairs = plain_pairs(100)
    write_sides(folder / "test.jsonl", pairs[:20])
    write_sides(folder / "valid.jsonl", pairs[15:30])
    write_sides(folder / "train.jsonl", [*pairs[25:], pairs[2], ("new", pairs[3][1])])
    data = load_pairs(files(folder, license="CC0-1.0", origin="me"), seed=0)
    assert pairs_of(data.heldout) == pairs[:20] and pairs_of(data.validation) == pairs[20:30]
    assert pairs_of(data.train) == pairs[30:]
    assert data.origin.splits.startswith("held-out is the source's own test part; validation is the source's own")
    assert data.origin.notes == (
        "5 validation pairs were left out: a text of theirs is also in heldout",
        "2 train pairs were left out: a text of theirs is also in heldout",
        "5 train pairs were left out: a text of theirs is also in validation",
    )
    assert (data.origin.license, data.origin.citation) == ("CC0-1.0", "me")
    assert describe_pairs(files(folder)) == "talks: train 1 files, validation 1 files, heldout 1 files; en to de"
    few = load_pairs(files(folder, rows=10), seed=0)
    assert len(few.train["label"]) == 10 and len(few.heldout["label"]) == 20


def test_large_validation_parts_are_thinned(tmp_path: Path) -> None:
    folder = tmp_path / "talks"
    folder.mkdir()
    pairs = plain_pairs(2600)
    for name, chosen in (("train", pairs[:100]), ("dev", pairs[100:2500]), ("test", pairs[2500:])):
        write_sides(folder / f"{name}.jsonl", chosen)
    data = load_pairs(files(folder), seed=0)
    assert [len(rows["label"]) for rows in parts_of(data).values()] == [100, 2000, 100]
    assert data.origin.notes == ("2000 of 2400 validation pairs are used, evenly spaced",)
    (folder / "test.jsonl").write_text("")
    with pytest.raises(UserError, match="the heldout part of talks holds no rows"):
        load_pairs(files(folder), seed=0)


def test_domains_are_classes(tmp_path: Path) -> None:
    tags = [("law", "talk")[row % 2] for row in range(199)] + ["odd"]
    file = write_sides(tmp_path / "x.jsonl", plain_pairs(200), domain=tags)
    options = {"columns": {"label": "domain"}}
    data = load_pairs(files(file, **options, classes=["talk", "law"], rows=50), seed=0)
    assert data.classes == ("talk", "law") and np.bincount(data.train["label"]).tolist() == [25, 25]
    assert all(
        data.classes[k] == tags[int(s.split()[1])]
        for k, s in zip(data.train["label"], data.train["source"], strict=True)
    )
    assert "'odd' is not one of the classes" in data.origin.notes[0]
    write_sides(file, plain_pairs(200), domain=["law"] * 200)
    assert load_pairs(files(file, **options), seed=0).classes == ("law",)
    write_sides(file, plain_pairs(200), domain=[None] * 200)
    with pytest.raises(UserError, match="200 of 200 rows cannot be used, first x.jsonl row 0: no label"):
        load_pairs(files(file, **options), seed=0)


def test_the_hub_gives_translation_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    (tmp_path / "owner/talks").mkdir(parents=True)
    features = datasets.Features({"translation": datasets.Translation(languages=["de", "en"])})
    rows = [{"translation": {"de": b, "en": a}} for a, b in plain_pairs(40)]
    datasets.Dataset.from_list(rows, features=features).to_parquet(tmp_path / "owner/talks/train.parquet")
    options = PairSourceOptions.model_validate({"kind": "hub", "id": "owner/talks", "languages": ["en", "de"]})
    data = load_pairs(options, seed=0)
    assert all_pairs(data) == set(plain_pairs(40))
    assert "owner/talks" in describe_pairs(options)
    wrong = options.model_copy(update={"columns": {"translation": "translations"}})
    with pytest.raises(
        UserError, match=r"source\.columns\.translation: owner/talks .* \(did you mean 'translation'\?\)"
    ):
        describe_pairs(wrong)


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=60), st.text(max_size=60), st.booleans())
def test_any_text_is_kept_unchanged_or_refused_with_a_reason(one: str, other: str, swap: bool) -> None:
    pair = (other, one) if swap else (one, other)
    plain = plain_pairs(99)
    found = read_pairs(held_in_memory([*plain, pair]), PairSourceOptions(kind="files", path="x", longest=50))
    kept = list(zip(found.columns["source"], found.columns["target"], strict=True))
    if len(kept) == 100:
        assert kept == [*plain, pair] and found.origin.notes == ()
    else:
        assert kept == plain and len(found.origin.notes) == 1
        assert "were left out" in found.origin.notes[0]
        assert "more than 50 characters" in found.origin.notes[0] or "row 99: " in found.origin.notes[0]


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5) | st.binary(max_size=5),
        lambda x: st.lists(x) | st.dictionaries(st.text(max_size=5), x),
        max_leaves=5,
    )
)
def test_any_cell_is_a_text_or_a_bad_row(cell: Any) -> None:
    found = read_pairs(held_in_memory([*plain_pairs(99), ("fine", cell)]), PairSourceOptions(kind="files", path="x"))
    assert len(found.columns["label"]) == (99 if found.origin.notes else 100)


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=12))
@example("en.")
@example("de@")
def test_any_name_of_a_language_is_kept(name: str) -> None:
    options = PairSourceOptions(
        kind="files", path="x", columns={"source": "en", "target": "de"}, languages=("en", name + "!")
    )
    found = read_pairs(held_in_memory(plain_pairs(20)), options)
    assert found.languages == ("en", name + "!") and len(found.origin.notes) == 1
