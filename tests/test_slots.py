"""Numbers leave texts and come back as they were, whatever else the texts hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.slots import Names, find_shared, find_zero, lift, put_back


def test_numbers_of_the_leading_side_are_slots_on_every_side():
    lifted = lift(("3/14/24, 3 times", "14.03.24"), most=8)
    assert lifted.texts == ("⟨0⟩/⟨1⟩/⟨2⟩, ⟨0⟩ times", "⟨1⟩.03.⟨2⟩") and lifted.values == ("3", "14", "24")
    back = lift(("3/14/24", "14.03.24"), most=8, lead=1)
    assert back.texts == ("3/⟨0⟩/⟨2⟩", "⟨0⟩.⟨1⟩.⟨2⟩") and back.values == ("14", "03", "24")


def test_further_numbers_stay_as_they_are():
    assert lift(("1 2 3", "3 2 1"), most=2).texts == ("⟨0⟩ ⟨1⟩ 3", "3 ⟨1⟩ ⟨0⟩")
    assert lift(("no number", "nor here"), most=2) == lift(("no number", "nor here"), most=0)


def test_digits_of_another_script_are_the_same_number():
    lifted = lift(("1,234", "١٬٢٣٤"), most=4)
    assert lifted.texts == ("⟨0⟩,⟨1⟩", "⟨0⟩٬⟨1⟩") and lifted.values == ("1", "234")
    assert put_back(lifted.texts[1], lifted.values, 1, find_zero(["١٬٢٣٤", "1"])) == "١٬٢٣٤"
    assert find_zero(["none"]) == find_zero([]) == "0"


def test_a_slot_without_a_value_is_an_error():
    with pytest.raises(ValueError, match="slot 2 of 'a ⟨2⟩' has no value: there are 1"):
        put_back("a ⟨2⟩", ["5"])


@given(
    st.lists(st.text(alphabet=st.sampled_from("ab 0123456789⟨⟩٣é\u0301🙂"), max_size=20), min_size=1, max_size=3),
    st.data(),
)
def test_what_is_lifted_comes_back(texts, data):
    lead = data.draw(st.integers(0, len(texts) - 1))
    lifted = lift(texts, data.draw(st.integers(0, 4)), lead)
    for text, found in zip(texts, lifted.texts, strict=True):
        if find_zero([text]) == "0" and "٣" not in text:
            assert put_back(found, lifted.values) == text


def test_names_are_slots_in_the_form_of_their_side():
    names = Names.of([("Germany", "Deutschland"), ("Guinea", "Guinea"), ("Guinea-Bissau", "Guinea-Bissau")])
    texts = ("3 from Guinea-Bissau and Germany", "Deutschland und Guinea-Bissau: 3")
    lifted = lift(texts, 8, 0, names)
    assert lifted.texts == ("⟨0⟩ from ⟨1⟩ and ⟨2⟩", "⟨2⟩ und ⟨1⟩: ⟨0⟩")
    assert lifted.values == ("3", ("Guinea-Bissau", "Guinea-Bissau"), ("Germany", "Deutschland"))
    assert tuple(put_back(lifted.texts[side], lifted.values, side) for side in (0, 1)) == texts
    assert lift(("Germanys", "x"), 8, 0, names).values == ()


def test_a_name_that_may_mean_two_things_is_no_slot():
    names = Names.of([("Congo", "Kongo"), ("DR Congo", "Kongo"), ("Chad", "Tschad")])
    assert names.forms == (("Chad", "Tschad"),)


def test_names_in_scripts_without_spaces_are_found_inside_a_run():
    lifted = lift(("Japan and China", "日本と中国"), 8, 0, Names.of([("Japan", "日本"), ("China", "中国")]))
    assert lifted.texts == ("⟨0⟩ and ⟨1⟩", "⟨0⟩と⟨1⟩")


def test_words_that_stand_on_both_sides_are_names():
    pairs = [("Tom is here", "Tom ist da"), ("I saw Tom", "Ich sah Tom"), ("Tom!", "Tom!"), ("I", "Ich")] * 2
    assert find_shared([*pairs, ("The Gift", "Gift")]) == [("Tom", "Tom")]
