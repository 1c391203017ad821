"""Sentences, names and windows of passages: what a question may name stands in its window."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.passages import KnownNames, find_window, split_sentences

CONTEXTS = [
    "In Peru, people pay with the Peruvian Sol. Clocks there are set to Peru Time.",
    "The Isle of Man uses the pound. Most people in the Isle of Man speak English.",
    "Prices in St. Helena are low. Its currency is the St. Helena Pound.",
]
QUESTIONS = ["In Peru, what do people pay with?", "Which money does the Isle of Man use?", "What is it in St. Helena?"]


@pytest.fixture(scope="module")
def names():
    return KnownNames.fit(CONTEXTS, QUESTIONS)


def find(names, text):
    return [text[start:end] for start, end, _ in names.find(text)]


@given(st.text(max_size=80))
def test_sentences_add_up_to_the_text(text):
    found = split_sentences(text)
    assert "".join(text[start:end] for start, end in found) == text
    assert all(a[1] == b[0] for a, b in zip(found, found[1:], strict=False))


def test_abbreviations_and_initials_end_no_sentence():
    assert len(split_sentences("Dr. J. Smith came to St. Helena. He left.")) == 2
    assert len(split_sentences("One? Two! Three.\nFour")) == 4


def test_names_are_what_questions_repeat_and_runs_of_capitals(names):
    assert find(names, "In Peru, people speak.") == ["Peru"]  # "In" is no part of it
    assert find(names, "The Isle of Man and St. Helena") == ["Isle of Man", "St. Helena"]
    assert find(names, "Money of Costa Rica's banks, and of Trinidad & Tobago") == ["Costa Rica", "Trinidad & Tobago"]
    assert find(names, "Money there is Tenge. People know Kazakh.") == ["Tenge", "Kazakh"]  # "money" is a usual word
    assert find(names, "nothing here") == []


@given(st.text(max_size=60))
def test_names_of_any_text_lie_in_it_one_after_the_other(text):
    found = list(KnownNames.fit(CONTEXTS, QUESTIONS).find(text))
    assert all(0 <= start < end <= len(text) and value[0] == text[start:end] for start, end, value in found)
    assert all(a[1] <= b[0] for a, b in zip(found, found[1:], strict=False))


def test_a_window_reaches_back_to_a_sentence_with_a_name(names):
    text = CONTEXTS[2]
    start = text.index("St. Helena Pound")
    assert text[slice(*find_window(text, start, start + 16, names))] == text
    named = CONTEXTS[0]
    start = named.index("Peruvian")
    assert text[slice(*find_window(text, 0, 6, names))].startswith("Prices")
    assert named[slice(*find_window(named, start, start + 12, names))] == "In Peru, people pay with the Peruvian Sol. "
