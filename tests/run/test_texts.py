"""Rows that a task draws as texts, from the looks of the training to the card: the digits, as words of theirs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tiny import DIGITS, rewind, words

from synthgen import task as tasks
from synthgen.evaluation.text_rows import TextRow

EVIL = "<script>|\u202e`\n"


@pytest.fixture
def write(monkeypatch):
    """The digits' task, which draws its rows as texts with a given end."""
    plain = tasks.find("classification")

    def call(end: str) -> None:
        def draw(columns, data):
            ink = [f"{np.asarray(image, np.float64).mean():.3f}" for image in columns["image"]]
            return [
                TextRow((("digit", data.classes[label]), ("ink", f"{text} {end}")), ((1, 0, len(text)),))
                for label, text in zip(columns["label"], ink, strict=True)
            ]

        monkeypatch.setattr("synthgen.pipeline.tasks.find", lambda name: replace(plain, draw=draw))

    return call


def test_texts_are_on_page_card_and_sheet(copy, digits, write):
    rewind(copy)
    write(EVIL)
    outcome = digits(copy)
    assert outcome.code == 0, outcome.err
    page, card = (copy / "report.html").read_text(), (copy / "dataset" / "README.md").read_text()
    looks = len(list((copy / "state" / "looks").iterdir()))
    assert looks and page.count('<figure class="words">') >= 24 + 24 + 8 * looks
    for text in (page, card):
        assert "<script" not in text and "\u202e" not in text
    table = card.partition("## Some rows\n\n")[2].partition("\n\n")[0].split("\n")
    assert len(table) == 2 + 8 and all(line.count("<i>digit</i>") == 2 for line in table[2:])
    assert "![Real rows beside synthetic rows](assets/preview.png)" in card
    with Image.open(copy / "dataset" / "assets" / "preview.png") as sheet:
        assert 900 < sheet.width < 1100 and sheet.height > 700


def test_without_a_font_the_card_has_texts_alone(copy, digits, write):
    rewind(copy)
    write("\U0010fffd")
    assert digits(copy).code == 0
    assert not list((copy / "dataset" / "assets").iterdir())
    card = (copy / "dataset" / "README.md").read_text()
    assert "preview.png" not in card and "## Some rows\n\n| real | synthetic |" in card


def test_a_preview_is_a_picture_or_else_a_text(copy, command, write):
    preview = ("preview", *words(*DIGITS, copy)[1:], "-n", "4")
    for end, name, other in (("a", "preview.png", "preview.txt"), ("\U0010fffd", "preview.txt", "preview.png")):
        write(end)
        outcome = command(*preview)
        assert outcome.code == 0 and outcome.out.split() == [str(copy / name), str(copy / "preview.parquet")]
        assert (copy / name).is_file() and not (copy / other).exists()
    text = (copy / "preview.txt").read_text()
    real, made = text.split("synthetic\n---------\n")
    assert real.startswith("real\n----\n\ndigit  ") and real.count("digit  ") == made.count("digit  ") == 4
    assert made.count("]] \U0010fffd") == 4
