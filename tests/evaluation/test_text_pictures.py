"""A sheet of texts is drawn where a font has every character, and not at all otherwise."""

import numpy as np
import pytest
from PIL import Image, features

from synthgen.evaluation import text_pictures
from synthgen.evaluation.text_pictures import LINES, WIDTH, draw_texts, find_font
from synthgen.evaluation.text_rows import TextRow

LATIN = TextRow((("en", "March 3, 2024"), ("xx", "3 March 2024")))
MISSING = "\U0010fffd"  # for private use: no font has it


def has_system_font() -> bool:
    return find_font(["Größe"]) is not None


def ink(picture: Image.Image) -> int:
    return int((np.asarray(picture.convert("L")) < 128).sum())


def test_real_and_synthetic_rows_stand_beside_one_another() -> None:
    sheet = draw_texts([("real", [LATIN] * 3), ("synthetic", [LATIN] * 2)], "phrases")
    assert sheet is not None and sheet.width > 2 * WIDTH
    left, right = (sheet.crop((x, 60, x + sheet.width // 2, sheet.height)) for x in (0, sheet.width // 2))
    assert ink(left) > 1.3 * ink(right) > 0


def test_the_same_rows_give_the_same_picture() -> None:
    one, other = (draw_texts([("real", [LATIN])], "phrases") for _ in range(2))
    assert one is not None and other is not None and one.tobytes() == other.tobytes()


def test_there_is_no_picture_where_one_character_cannot_be_drawn() -> None:
    for row in (TextRow((("en", f"a{MISSING}b"),)), TextRow(((MISSING, "a"),))):
        assert draw_texts([("real", [LATIN, row])], "phrases") is None
    assert draw_texts([("real", [LATIN])], MISSING) is None
    hidden = TextRow((("en", "a" * 300 + MISSING),))  # what is cut off need not be drawn
    assert draw_texts([("real", [hidden])], "phrases") is not None


def test_spaces_of_all_kinds_and_unseen_marks_need_no_glyph() -> None:
    row = TextRow((("fr", "12\u202f345\u00a0km\u2009h\tx\u200e\u200d"), ("de", ""), ("it", "\n\n \n")))
    assert draw_texts([("real", [row])], "phrases") is not None


def test_controls_are_drawn_as_escapes() -> None:
    plain, evil = (draw_texts([("real", [TextRow((("en", text),))])], "x") for text in ("ab", "a\u202e\x00b"))
    assert plain is not None and evil is not None and ink(evil) > ink(plain)


def test_long_texts_and_words_stay_within_their_card() -> None:
    rows = [TextRow((("context", "word " * 20_000),)), TextRow((("w" * 300, "w" * 5000),))]
    sheet = draw_texts([("real", rows)], "x")
    assert sheet is not None and sheet.height < 900
    assert ink(sheet.crop((sheet.width - 20, 0, sheet.width, sheet.height))) == 0
    many = TextRow(tuple((str(i), "a") for i in range(3 * LINES)))
    assert draw_texts([("real", [many])], "x").height < 500  # type: ignore[union-attr]


def test_a_sheet_that_no_one_could_look_at_is_not_drawn() -> None:
    assert draw_texts([("real", [LATIN] * 1000)], "x") is None
    assert draw_texts([("real", []), ("synthetic", [])], "x") is not None


def test_marks_are_seen() -> None:
    text = (("context", "Bern is the capital"),)
    plain, marked = (draw_texts([("real", [TextRow(text, marks)])], "x") for marks in ((), ((0, 0, 4),)))
    assert plain is not None and marked is not None and plain.size == marked.size
    changed = np.flatnonzero((np.asarray(plain) != np.asarray(marked)).any((0, 2)))
    assert 0 < len(changed) < 60 and changed[0] > 80


@pytest.mark.skipif(not has_system_font(), reason="no font of this machine has more than ASCII")
def test_a_font_of_the_system_serves_what_the_own_one_lacks() -> None:
    assert draw_texts([("real", [TextRow((("de", "3. März, größer als 5 €"),))])], "x") is not None


def test_letters_that_need_shaping_are_not_drawn_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    hebrew = [TextRow((("he", "שלום 3"),))]
    shaped = features.check("raqm") and features.check("fribidi") and find_font(["שלום"]) is not None
    sheet = draw_texts([("real", hebrew)], "x")
    assert (sheet is not None) == shaped
    if sheet is not None:  # from the right
        columns = np.flatnonzero((np.asarray(sheet.convert("L"))[70:] < 128).any(0))
        assert columns[-1] > WIDTH - 20
    monkeypatch.setattr(text_pictures.features, "check", lambda name: False)
    assert draw_texts([("real", hebrew)], "x") is None
    assert draw_texts([("real", [LATIN])], "x") is not None


def test_a_mark_is_no_glyph_only_because_it_is_drawn_on_a_dotted_circle() -> None:
    assert draw_texts([("real", [TextRow((("x", "ab\U0001e4ec"),))])], "x") is None  # Nag Mundari, in few fonts
