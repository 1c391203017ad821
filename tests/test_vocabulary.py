"""Any text is spelled in tokens and comes back; slots and marks are single tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.slots import lift
from synthgen.vocabulary import END, FIRST, MASK, PAD, Vocabulary

TEXTS = ["the cat and the dog", "March ⟨0⟩, ⟨1⟩", "ein Hund und 12 Katzen"] * 3
VOCABULARY = Vocabulary.fit(TEXTS, 300, slots=4, marks=("ask", "tell"))


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=40))
def test_any_text_comes_back(text):
    plain = text.replace("⟨", "⟨⟨").replace("⟩", "⟩⟩")
    assert VOCABULARY.decode(VOCABULARY.encode(plain)) == text
    lifted = lift((text,), 4)
    if text.isascii():
        assert VOCABULARY.decode(VOCABULARY.encode(lifted.texts[0]), lifted.values) == text


def test_slots_and_marks_are_single_tokens_before_the_pieces():
    ids = VOCABULARY.encode("March ⟨0⟩, ⟨1⟩")
    assert FIRST in ids and FIRST + 1 in ids and all(i >= VOCABULARY.first_piece for i in ids if i not in (3, 4))
    assert VOCABULARY.mark("tell") == FIRST + 5 and VOCABULARY.first_piece == FIRST + 6
    assert len(VOCABULARY) == VOCABULARY.first_piece + VOCABULARY.tokenizer.get_vocab_size()


def test_a_text_ends_at_its_end_and_slots_without_a_value_are_left_out():
    ids = [*VOCABULARY.encode("a ⟨0⟩ b ⟨3⟩"), PAD, MASK, END, *VOCABULARY.encode("later")]
    assert VOCABULARY.decode(ids, ("7",)) == "a 7 b "
    assert VOCABULARY.decode(VOCABULARY.encode("⟨0⟩"), (("one", "eins"),), side=1) == "eins"


def test_digits_that_are_no_slot_are_pieces_by_themselves():
    assert len(VOCABULARY.encode("2024")) == 4


def test_the_same_texts_give_the_same_pieces_and_they_are_read_back():
    again = Vocabulary.fit(TEXTS, 300, slots=4, marks=("ask", "tell"))
    read = Vocabulary.read(again.tokenizer.to_str(), 4, ("ask", "tell"))
    for text in (*TEXTS, "🙂 ẞ"):
        assert VOCABULARY.encode(text) == again.encode(text) == read.encode(text)


def test_doubled_brackets_are_single_ones():
    assert VOCABULARY.decode(VOCABULARY.encode("⟨⟨x⟩⟩")) == "⟨x⟩"


@pytest.mark.parametrize("size", [256, 257])
def test_a_small_vocabulary_still_spells_everything(size):
    small = Vocabulary.fit(["ab"] * 4, size, slots=0)
    assert small.decode(small.encode("née 日本")) == "née 日本"
