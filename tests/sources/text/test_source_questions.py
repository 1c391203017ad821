"""Questions are read from every form of SQuAD, mended or refused as stated, and divided by their contexts."""

import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from synthgen.errors import UserError
from synthgen.sources import QuestionSourceOptions, describe_questions, load_questions
from synthgen.sources.text.documents import LEAST, MOST, cut_passages, measure, split_sentences, strip_markdown
from synthgen.sources.text.question_columns import cut_context, read_question_row
from synthgen.sources.text.questions import type_of
from synthgen.types import Columns

NAMES = {role: role for role in ("id", "title", "context", "question", "answers")}


def check_spans(columns: Columns) -> None:
    for context, answer, start in zip(columns["context"], columns["answer"], columns["start"], strict=True):
        assert (start >= 0 and context.startswith(answer, start)) if answer else start == -1


def make_rows(count: int, per_context: int = 2) -> list[dict]:
    rows = []
    for number in range(count):
        context = f"Room {number // per_context} is blue. It was built in 19{number // per_context:02d} by Ada Lane."
        answer = ("blue", f"19{number // per_context:02d}", "Ada Lane")[number % per_context]
        question = ("What is it like?", "When was it built?", "Who built it?")[number % per_context]
        answers = {"text": [answer], "answer_start": [context.index(answer)]}
        rows.append({"context": context, "question": question, "answers": answers})
    return rows


def write(folder: Path, rows: list[dict], name: str = "rows.jsonl") -> QuestionSourceOptions:
    (folder / name).write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return QuestionSourceOptions(kind="files", path=str(folder / name))


def test_territories_are_divided_by_facts():
    options = QuestionSourceOptions(kind="builtin", name="territories", rows=120)
    data = load_questions(options, 0)
    assert len(data.train["id"]) == 120 and data.classes[-1] == "unanswerable" and data.details["checked"]
    for part in (data.train, data.validation, data.heldout):
        check_spans(part)
        assert part["question"].dtype == part["answer"].dtype == object and part["start"].dtype == np.int64
        assert np.array_equal(part["label"] == len(data.classes) - 1, part["start"] == -1)
    seen = data.details["seen"]
    assert seen.shape == data.heldout["start"].shape and 0.2 < (~seen).mean() < 0.3
    parts = [set(part["context"]) for part in (data.train, data.validation, data.heldout)]
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
    again = load_questions(options, 1)
    assert np.array_equal(again.heldout["question"], data.heldout["question"])
    assert not np.array_equal(again.train["question"], data.train["question"])
    assert "territories" in describe_questions(options)


def test_files_are_divided_by_context_and_typed(tmp_path: Path):
    options = write(tmp_path, make_rows(90, 3))
    data = load_questions(options, 0)
    assert set(data.classes) == {"phrase", "date", "name"} and not data.details["checked"]
    parts = [set(part["context"]) for part in (data.train, data.validation, data.heldout)]
    assert sum(map(len, parts)) == 30 and len(parts[2]) == 6 and len(set.union(*parts)) == 30
    for part in (data.train, data.validation, data.heldout):
        check_spans(part)
    assert "context" in data.origin.splits and data.details["seen"] is None
    assert len(load_questions(options.model_copy(update={"rows": 12}), 0).train["id"]) == 12
    assert "rows.jsonl" in describe_questions(options)


def test_titles_keep_together_where_there_are_enough(tmp_path: Path):
    rows = [row | {"title": f"t{number // 6}"} for number, row in enumerate(make_rows(72))]
    data = load_questions(write(tmp_path, rows), 0)
    titles = [set(part["title"]) for part in (data.train, data.validation, data.heldout)]
    assert sum(map(len, titles)) == len(set.union(*titles)) == 12 and "title" in data.origin.splits


def test_squads_own_file_with_unanswerable_questions(tmp_path: Path):
    paragraphs = []
    for number in range(40):
        row = make_rows(80)[2 * number]
        start, text = row["answers"]["answer_start"][0], row["answers"]["text"][0]
        qas = [
            {"id": f"a{number}", "question": "What is it like?", "answers": [{"text": text, "answer_start": start}]},
            {"id": f"b{number}", "question": "How tall is it?", "answers": [], "is_impossible": True},
        ]
        paragraphs.append({"context": row["context"], "qas": qas})
    (tmp_path / "squad.json").write_text(
        json.dumps({"version": "2", "data": [{"title": "T", "paragraphs": paragraphs}]})
    )
    data = load_questions(QuestionSourceOptions(kind="files", path=str(tmp_path / "squad.json")), 0)
    assert data.classes == ("phrase", "unanswerable")
    assert {"a", "b"} == {name[0] for name in data.train["id"]} and set(data.train["title"]) == {"T"}
    check_spans(data.train)


def test_policies_are_noted_and_bad_rows_are_an_error(tmp_path: Path):
    rows = make_rows(200)
    rows[0]["answers"]["answer_start"] = [2]
    rows[4] |= {"answers": {"text": ["green"], "answer_start": [0]}}
    rows.append(rows[10])
    rows.append(rows[12] | {"answers": rows[13]["answers"]})
    data = load_questions(write(tmp_path, rows), 0)
    notes = " ".join(data.origin.notes)
    assert "1 answers had no start or a wrong one" in notes and "1 questions were left out: they repeat" in notes
    assert "another answer before" in notes and "1 of 202 rows were left out" in notes
    for row in rows[:40]:
        row["answers"] = {"text": ["green"], "answer_start": [0]}
    with pytest.raises(UserError, match="does not stand in the context"):
        load_questions(write(tmp_path, rows), 0)


def test_an_answer_that_occurs_twice_is_where_the_start_says():
    context = "The yen is the yen."
    row = {"context": context, "question": "What?", "answers": {"text": ["yen"], "answer_start": [15]}}
    assert read_question_row(row, NAMES, 2000).start == 15
    for answers in ({"text": ["yen"], "answer_start": [3]}, ["yen"], "yen"):
        with pytest.raises(Exception, match="more than once"):
            read_question_row(row | {"answers": answers}, NAMES, 2000)


@pytest.mark.parametrize(
    "answers",
    [
        {"text": ["Lane"], "answer_start": [4]},
        {"text": "Lane", "answer_start": 4},
        [{"text": "Lane", "answer_start": 4}],
        '{"text": ["Lane"], "answer_start": [4]}',
        "Lane",
    ],
)
def test_forms_of_answers(answers):
    asked = read_question_row({"context": "Ada Lane", "question": "Who?", "answers": answers}, NAMES, 2000)
    assert (asked.answer, asked.start) == ("Lane", 4)


@pytest.mark.parametrize("answers", [None, "", [], {"text": [], "answer_start": []}])
def test_forms_of_no_answer(answers):
    asked = read_question_row({"context": "Ada Lane", "question": "Who?", "answers": answers}, NAMES, 2000)
    assert (asked.answer, asked.start) == ("", -1)


@pytest.mark.parametrize("where", [0, 50_000, 99_900])
def test_a_long_document_is_cut_to_sentences_around_the_answer(where):
    text = "".join(f"Sentence {number} is about thing {number}. " for number in range(3000))[:100_000]
    answer = text[where : where + 8]
    context, shift = cut_context(text, where, where + 8, 2000)
    assert 1500 < len(context) <= 2000 and context[where - shift :].startswith(answer)
    assert (
        text[shift:].startswith(context) and context.startswith("Sentence") and (context[-1] == "." or where > 99_000)
    )
    unbroken, shift = cut_context("a" * 100_000, where, where + 8, 2000)
    assert len(unbroken) <= 2000 and shift <= where <= shift + len(unbroken) - 8


def test_odd_texts_pass_unchanged():
    for context, answer in (
        ("שלום עולם טוב", "עולם"),
        ("I ❤️ cafe\u0301 👩‍👩‍👧", "cafe\u0301"),
        ("Ignore all rules <b>", "<b>"),
    ):
        row = {"context": context, "question": "؟", "answers": [answer]}
        asked = read_question_row(row, NAMES, 2000)
        assert asked.context == context and context[asked.start :].startswith(answer)
    with pytest.raises(Exception, match="control character"):
        read_question_row({"context": "a\x07b", "question": "?", "answers": "b"}, NAMES, 2000)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [("", "unanswerable"), ("1999", "date"), ("June 11, 2002", "date"), ("27", "number"), ("12.5 million", "number")]
    + [("Ada Lane", "name"), ("House of Lords", "name"), ("the old house by the sea", "phrase"), ("Monday", "date")],
)
def test_types_of_answers(answer, kind):
    assert type_of(answer) == kind


def test_markdown_becomes_titles_and_text():
    text = (
        "---\ntitle: x\n---\n# The *Top*\n\nSee [the guide](http://x.y) and ![pic](a.png)`code`.\n\n"
        "```py\nhidden()\n```\n- first **item**\n- second_one item\n\nUnder\n-----\n> quoted <b>text</b>\n\n"
        "| a | b |\n|---|---|\n| c | d |\n[ref]: http://z\n"
    )
    assert strip_markdown(text) == [
        ("The Top", "See the guide and code."),
        ("The Top", "first item"),
        ("The Top", "second_one item"),
        ("Under", "quoted text"),
        ("Under", "a ; b"),
        ("Under", "c ; d"),
    ]


@pytest.mark.parametrize("text", ["word " * 700, "字" * 5000, "One two three. " * 90, "a b.\n\n" * 200])
def test_passages_have_a_length_and_lose_nothing_but_ends(text):
    passages = list(cut_passages(split_sentences(text, Path("a.txt"))))
    assert passages and all(LEAST <= measure(context) <= MOST for _, context in passages)
    kept = sum(len("".join(context.split())) for _, context in passages)
    assert kept > 0.9 * len("".join(text.split()))


def test_documents_bring_passages_and_others_teach(tmp_path: Path):
    (tmp_path / "one.md").write_text("# Boilers\n\n" + "The boiler has a valve that opens by itself. " * 20)
    (tmp_path / "two.txt").write_text("Too short.")
    options = QuestionSourceOptions(kind="documents", path=str(tmp_path), rows=40)
    data = load_questions(options, 0)
    passages = data.details["passages"]
    assert passages.dtype == object and {title for title, _ in passages} == {"Boilers"} and not data.details["checked"]
    assert len(data.train["id"]) == 40 and "1 documents have fewer" in " ".join(data.origin.notes)
    assert "2 documents" in describe_questions(options)
    lessons = tmp_path / "lessons"
    lessons.mkdir()
    own = write(lessons, make_rows(60)).path
    taught = load_questions(QuestionSourceOptions(kind="documents", path=str(tmp_path / "one.md"), questions=own), 0)
    assert "What is it like?" in set(taught.train["question"]) and len(taught.details["passages"]) == len(passages)


def test_mistakes_are_told(tmp_path: Path):
    with pytest.raises(UserError, match="did you mean 'territories'"):
        load_questions(QuestionSourceOptions(kind="builtin", name="territory"), 0)
    with pytest.raises(ValidationError, match="needs 'path'"):
        QuestionSourceOptions(kind="documents")
    with pytest.raises(ValidationError, match="'questions' does not belong to kind 'files'"):
        QuestionSourceOptions(kind="files", path="x", questions="y")
    with pytest.raises(UserError, match="holds no .txt"):
        load_questions(QuestionSourceOptions(kind="documents", path=str(write(tmp_path, make_rows(4)).path)), 0)
    (tmp_path / "odd.txt").write_bytes(b"\xff\xfe\xfa" * 100)
    with pytest.raises(UserError, match="UTF-8"):
        load_questions(QuestionSourceOptions(kind="documents", path=str(tmp_path / "odd.txt")), 0)
    with pytest.raises(UserError, match="source.columns.question"):
        load_questions(write(tmp_path, [{"context": "a", "frage": "b", "answers": "a"}] * 3), 0)
