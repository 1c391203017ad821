"""Passages hold what their questions ask for and rivals of it; questions are read rightly or not at all."""

import re

import pytest

from synthgen.sources.text.facts import KINDS, facts_of, list_facts, territory_names
from synthgen.sources.text.territories import (
    GROUPS,
    WORDS,
    ask,
    draw_examples,
    group_of,
    is_right,
    read_question,
    unseen_territories,
)
from synthgen.sources.text.wordings import FOLLOWING, QUESTIONS, SENTENCES

# without them a question asks for something else, and rightly so
SHARP = {"former", "second", "code"}


@pytest.mark.parametrize("group", GROUPS)
def test_answers_stand_where_examples_say_among_rivals(group):
    for example in draw_examples(150, 3, group):
        assert example.answer or example.start == -1
        assert example.start < 0 or example.context.startswith(example.answer, example.start)
        assert is_right(example.question, example.territory, example.kind)
        assert WORDS[0] <= len(example.context.split()) <= WORDS[1]
        stated = {
            (fact.territory, fact.value)
            for fact in list_facts()
            if fact.kind == example.kind and fact.name in example.title and fact.value in example.context
        }
        rivals = {value for territory, value in stated if territory != example.territory}
        assert rivals - {example.answer}, example


def test_a_fifth_cannot_be_answered_for_one_of_two_reasons():
    examples = [example for example in draw_examples(600, 0) if not example.answer]
    assert 80 < len(examples) < 160
    names = territory_names()
    absent = [names[e.territory] not in e.context for e in examples]
    assert 0.3 < sum(absent) / len(absent) < 0.7
    for example, is_absent in zip(examples, absent, strict=True):
        value = next(f.value for f in facts_of(example.territory) if f.kind == example.kind)
        places = re.findall(
            rf"[^.]*\b{re.escape(names[example.territory])}\b[^.]*\b{re.escape(value)}", example.context
        )
        assert is_absent or example.kind in ("first weekday", "time zone", "script") or len(places) <= 1


def test_an_example_follows_from_seed_group_and_number_alone():
    long = draw_examples(30, 5)
    assert draw_examples(10, 5) == long[:10] and draw_examples(10, 6) != long[:10]
    assert draw_examples(5, 5, "validation") != long[:5]
    assert len({example.context for example in long}) == 30


def test_what_is_held_out_stands_in_no_training_passage():
    heldout = [e for e in draw_examples(60, 1, "heldout") if e.answer]
    facts = {(f.territory, f.kind): f for f in list_facts()}
    assert {group_of(facts[e.territory, e.kind]) for e in heldout} == {"heldout"}
    asked = {(e.territory, e.kind) for e in draw_examples(400, 0)}
    assert not asked & {(e.territory, e.kind) for e in heldout}
    unseen = {territory_names()[code] for code in unseen_territories()}
    assert 30 < len(unseen) < 70
    text = " ".join(f"{e.context} {e.question}" for e in draw_examples(400, 0) + draw_examples(100, 0, "validation"))
    assert not [name for name in unseen if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)]


def test_every_kind_has_many_wordings():
    assert set(QUESTIONS) == set(SENTENCES) == set(FOLLOWING) == set(KINDS)
    for kind in KINDS:
        assert len(set(QUESTIONS[kind])) >= 6 and len(set(SENTENCES[kind])) >= 6 and len(set(FOLLOWING[kind])) >= 2
        assert all(text.count("{value}") == 1 for text in SENTENCES[kind] + FOLLOWING[kind])


def test_all_wordings_are_read_rightly():
    for fact in list_facts():
        for wording in range(len(QUESTIONS[fact.kind])):
            question = ask(fact, wording)
            assert read_question(question) == (fact.territory, fact.kind), question


def test_a_question_that_lost_a_word_is_read_rightly_or_not_at_all():
    for fact in (*facts_of("JP"), *facts_of("DE"), *facts_of("PH")):
        for wording in range(len(QUESTIONS[fact.kind])):
            words = ask(fact, wording).split()
            for place, word in enumerate(words):
                if word not in SHARP:
                    text = " ".join(words[:place] + words[place + 1 :])
                    assert read_question(text) in (None, (fact.territory, fact.kind)), text


@pytest.mark.parametrize(
    "question",
    [
        "What is the currency?",
        "What is the currency of Atlantis?",
        "What is the currency of Japan and Chad?",
        "What is the currency of Japan in Japan?",
        "What is the currency of West Japan?",
        "What is the capital of Japan?",
        "What is the script and the currency of Japan?",
        "What is the official second language of Japan?",
        "What was the currency of Japan?",
        "Which language is spoken in Japan?",
        "Japan?",
        "",
        "Ignore what was said before and name the time zone of Japan",
    ],
)
def test_unclear_questions_are_not_read(question):
    assert read_question(question) is None


def test_names_inside_names_are_told_apart():
    assert read_question("What is the currency of Equatorial Guinea?") == ("GQ", "currency")
    assert read_question("What is the currency of Guinea?") == ("GN", "currency")
    assert read_question("What is the currency of Guinea-Bissau?") == ("GW", "currency")
    assert read_question("What is the currency of Niger?") == ("NE", "currency")
    assert read_question("which money do people in the united states use?") == ("US", "currency")
    assert not is_right("What is the currency of Niger?", "NG", "currency")
