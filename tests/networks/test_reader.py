"""The reader finds what is asked for among rivals, knows when there is nothing, and is the same every time."""

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from synthgen.networks.reader import LONGEST_TRAINED, Reader, ReaderNet, fit_reader, prepare, span_logits
from synthgen.networks.reader_words import LONGEST_SPAN, locate, overlap, split_words
from synthgen.sources.text.territories import Example, draw_examples

KINDS = ("currency", "main language", "first weekday")


@cache
def examples(group: str) -> list[Example]:
    return [e for e in draw_examples(2200 if group == "train" else 500, 0, group) if e.kind in KINDS]


@cache
def fitted() -> Reader:
    rows = [prepare(e.question, e.context, e.answer, e.start) for e in examples("train")]
    return fit_reader(rows, steps=110, batch_size=16, seed=0)


def answers(reader: Reader, rows: list[Example]) -> list[str]:
    found = reader.read([e.question for e in rows], [e.context for e in rows])
    return ["" if one.best is None else e.context[slice(*one.best)] for one, e in zip(found, rows, strict=True)]


@pytest.mark.parametrize("group", ["heldout", "unseen"])
def test_answers_are_found_among_rivals_names_seen_or_not(group):
    rows = examples(group)
    scores = np.array([overlap(a, e.answer) for a, e in zip(answers(fitted(), rows), rows, strict=True)])
    assert scores[[bool(e.answer) for e in rows]].mean() > 0.75
    assert scores.mean() > 0.7


def test_an_answer_does_not_depend_on_the_other_rows():
    rows = examples("heldout")[:40]
    whole = fitted().read([e.question for e in rows], [e.context for e in rows])
    for number in (0, 17, 39):
        alone = fitted().read([rows[number].question], [rows[number].context])[0]
        assert alone.spans == whole[number].spans and alone.chances == whole[number].chances
        assert alone.nothing == whole[number].nothing and np.array_equal(alone.features, whole[number].features)


def test_the_same_rows_and_seed_give_the_same_reader():
    rows = [prepare(e.question, e.context, e.answer, e.start) for e in examples("train")[:40]]
    one, two, other = (fit_reader(rows, steps=4, batch_size=8, seed=seed) for seed in (3, 3, 4))
    weights = [reader.net.state_dict() for reader in (one, two, other)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not torch.equal(weights[0]["ends.weight"], weights[2]["ends.weight"])
    assert np.array_equal(one.vocabulary, two.vocabulary)


@pytest.mark.parametrize(
    "text", ["", " ", "?", "字" * 70, "שלום עולם", "a\u0301 👩‍👩‍👧", "word " * 3000, "x" * 100_000, "\ud800"]
)
def test_any_text_can_be_asked_and_read(text):
    for question, context in ((text, "The yen is used."), ("What is used?", text)):
        found = fitted().read([question], [context])[0]
        assert all(0 <= start <= end <= len(context) for start, end in found.spans)
        assert 0 <= found.nothing <= 1 and sum(found.chances) + found.nothing <= 1 + 1e-4
        assert np.isfinite(found.features).all()
    assert fitted().read([], []) == []


@given(st.text(max_size=80))
def test_words_lose_nothing_but_space(text):
    words = split_words(text)
    kept = "".join(text[a:b] for a, b in zip(words.starts, words.ends, strict=True))
    assert kept == "".join(text.split())
    assert (np.diff(words.starts) > 0).all() and (words.starts[1:] >= words.ends[:-1]).all()


def test_sentences_end_at_stops_but_not_in_short_names():
    words = split_words("The U.S. Virgin Islands use it. St. Lucia has 76.5%! It is so.")
    assert words.sentences.max() == 2
    assert [int(words.sentences[place]) for place in (0, -1)] == [0, 2]


def test_spans_are_located_by_the_words_that_they_touch():
    words = split_words("In Japan, the Japanese Yen is used.")
    assert locate(words, 14, 26) == (4, 5) and locate(words, 15, 20) == (4, 4)
    long = split_words("word " * 100)
    assert locate(long, 0, 500) == (0, LONGEST_SPAN - 1)


def test_a_long_context_is_taught_around_its_answer():
    context = "word. " * 2000 + "The yen is used. " + "word. " * 2000
    one = prepare("What is used?", context, "yen", context.index("yen"))
    assert len(one.context.keys) == LONGEST_TRAINED
    assert one.context.keys[one.first] == split_words("yen").keys[0] and one.first == one.last
    nothing = prepare("What is used?", context, "", -1)
    assert (nothing.first, nothing.last, len(nothing.context.keys)) == (-1, -1, LONGEST_TRAINED)


def test_logits_of_spans_are_sums_of_their_ends():
    starts, ends = torch.randn(2, 40), torch.randn(2, 40)
    logits = span_logits(starts, ends)
    assert logits.shape == (2, 40, LONGEST_SPAN)
    assert logits[1, 3, 5] == starts[1, 3] + ends[1, 8] and logits[0, 39, 1] < -1e3
    assert span_logits(starts[:, :7], ends[:, :7]).shape == (2, 7, 7)


def test_words_never_met_still_match():
    net = ReaderNet(0)
    found = Reader(net.eval(), []).read(["Who is Zork?"], ["Zork is Mup."])[0]
    assert len(found.spans) == 8


@pytest.mark.parametrize(
    ("found", "answer", "score"),
    [
        ("the Japanese Yen", "Japanese yen.", 1.0),
        ("Yen", "Japanese Yen", 2 / 3),
        ("", "", 1.0),
        ("", "yen", 0.0),
        ("yen", "", 0.0),
        ("yen yen", "yen", 2 / 3),
        ("Euro", "Yen", 0.0),
    ],
)
def test_overlap_is_squads_f1(found, answer, score):
    assert overlap(found, answer) == pytest.approx(score)
