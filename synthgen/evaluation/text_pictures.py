"""Rows that are texts on a contact sheet, for pages that show pictures only.

A sheet is drawn only where one font of this machine has every character of it; there is none otherwise. Knows text rows
and fonts: neither tasks nor files.

    sheet = draw_texts([("real", rows[:8]), ("synthetic", made[:8])], "translation: phrases")
    if sheet is not None:
        sheet.save("preview.png")
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain

from PIL import Image, ImageDraw, ImageFont, features

from .pictures import FAINT, INK, PAPER, Colour
from .text_rows import LONGEST_NAME, Piece, TextRow, line_pieces, visible

FONTS = (
    "DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial Unicode.ttf", "ARIALUNI.TTF", "arial.ttf", "Arial.ttf",
    "NotoSansCJK-Regular.ttc", "Hiragino Sans GB.ttc", "msyh.ttc", "LiberationSans-Regular.ttf",
)  # fmt: skip
NO_CHARACTER = "\uffff"  # every font shows its sign for a missing glyph
UNSEEN = re.compile("[\u200c-\u200f\u061c\ufe00-\ufe0f]")  # what shapes or orders the characters beside it
LONGEST = 280  # characters of one text
LINES = 10  # of a row
TALLEST = 12_000  # pixels of a sheet that can still be looked at
WIDTH, MARGIN, GAP, INSET = 460, 20, 8, 10
SIZE, SMALL, LARGE = 15, 12, 22
HIGH = 21  # pixels of a line of SIZE
RULE: Colour = (227, 229, 232)
MARK: Colour = (251, 240, 217)
ESCAPE: Colour = (163, 36, 31)

Font = ImageFont.FreeTypeFont
Line = list[Piece]


def draw_texts(groups: Sequence[tuple[str, Sequence[TextRow]]], title: str) -> Image.Image | None:
    """One picture of all groups beside one another; None if no font has all of it, or if it would be too tall."""
    font = find_font(chain([title], (text for caption, rows in groups for text in _texts(caption, rows))))
    if font is None:
        return None
    columns = [[_Card.lay(row, font) for row in rows] for _, rows in groups]
    tallest = max((sum(card.height + GAP for card in column) for column in columns), default=0)
    height = 3 * MARGIN + 2 * LARGE + tallest
    if height > TALLEST:
        return None
    sheet = Image.new("RGB", (len(groups) * (WIDTH + MARGIN) + MARGIN, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((MARGIN, MARGIN - 4), title, fill=INK, font=font(LARGE))
    for number, ((caption, _), column) in enumerate(zip(groups, columns, strict=True)):
        left, top = MARGIN + number * (WIDTH + MARGIN), 2 * MARGIN + 2 * LARGE
        pen.text((left, top - 26), caption, fill=INK, font=font(SIZE + 1))
        for card in column:
            card.draw(pen, left, top, font)
            top += card.height + GAP
    return sheet


def find_font(texts: Iterable[str]) -> Callable[[int], Font] | None:
    """Size in pixels -> the first font that has every character of the texts, or None."""
    characters = {character for text in texts for character in _drawable(text)} - {" ", "\n"}
    if any(map(_needs_shaping, characters)) and not (features.check("raqm") and features.check("fribidi")):
        return None
    for name in ("", *FONTS):
        if all(_has(name, character) for character in characters) and _open(name, SIZE):
            return partial(_opened, name)
    return None


@dataclass(frozen=True)
class _Card:
    """One row, laid out: its names at the left, its texts beside them."""

    names: tuple[str, ...]
    texts: tuple[tuple[Line, ...], ...]
    gutter: int  # pixels that the names take

    @staticmethod
    def lay(row: TextRow, font: Callable[[int], Font]) -> _Card:
        count = min(len(row.lines), LINES)
        names = tuple(_drawable(visible(name[:LONGEST_NAME])) for name, _ in row.lines[:count])
        gutter = min(WIDTH // 3, round(max((font(SMALL).getlength(name) for name in names), default=0)) + 12)
        room = WIDTH - 2 * INSET - gutter
        texts = [_wrap(line_pieces(row, number, LONGEST), font(SIZE), room) for number in range(count)]
        if len(row.lines) > LINES:
            names, more = (*names, ""), f"… [{len(row.lines) - LINES} more]"
            texts.append([[Piece(more, "cut")]])
        return _Card(names, tuple(map(tuple, texts)), gutter)

    @property
    def height(self) -> int:
        return sum(map(len, self.texts)) * HIGH + (len(self.texts) - 1) * (GAP // 2) + 2 * INSET

    def draw(self, pen: ImageDraw.ImageDraw, left: int, top: int, font: Callable[[int], Font]) -> None:
        pen.rounded_rectangle((left, top, left + WIDTH, top + self.height), 6, outline=RULE)
        top += INSET
        for name, text in zip(self.names, self.texts, strict=True):
            shown = _shortened(name, font(SMALL), self.gutter - 8)
            pen.text((left + INSET, top + SIZE), shown, fill=FAINT, font=font(SMALL), anchor="ls")
            for line in text:
                _draw_line(pen, line, left + INSET + self.gutter, left + WIDTH - INSET, top, font(SIZE))
                top += HIGH
            top += GAP // 2


def _draw_line(pen: ImageDraw.ImageDraw, line: Line, left: float, right: int, top: int, font: Font) -> None:
    """From the side at which its script begins; a line with letters that run to the left is drawn in one piece."""
    whole, base = "".join(piece.text for piece in line), (top + SIZE)
    if any(_runs_left(character) for character in whole):
        whole = whole.strip()
        first = next((c for c in whole if unicodedata.bidirectional(c) in ("L", "R", "AL")), "")
        place = (right, base) if _runs_left(first) else (left, base)
        pen.text(place, whole, fill=INK, font=font, anchor="rs" if _runs_left(first) else "ls")
        return
    for piece in line:
        end = left + font.getlength(piece.text)
        if piece.marked:
            pen.rectangle((left - 1, top + 1, end, top + HIGH - 2), fill=MARK)
        colour = {"text": INK, "escape": ESCAPE, "cut": FAINT}[piece.kind]
        pen.text((left, base), piece.text, fill=colour, font=font, anchor="ls")
        left = end


def _wrap(pieces: Sequence[Piece], font: Font, width: float) -> list[Line]:
    """The pieces in lines no wider than `width` pixels; a word is broken where it alone is wider."""
    lines: list[Line] = [[]]
    used = 0.0
    for piece in pieces:
        for word in _words(piece.text, font, width):
            length = 0.0 if word == "\n" else font.getlength(word)
            if word == "\n" or (used and used + length > width):
                lines.append([])
                used = 0.0
            if word == "\n" or (word == " " and not used):
                continue
            lines[-1].append(Piece(word, piece.kind, piece.marked))
            used += length
    return lines


def _words(text: str, font: Font, width: float) -> Iterator[str]:
    for word in re.findall(r"\n| |[^\n ]+", _drawable(text)):
        while len(word) > 1 and font.getlength(word) > width:
            fits = next((n for n in range(len(word) - 1, 1, -1) if font.getlength(word[:n]) <= width), 1)
            yield word[:fits]
            word = word[fits:]
        yield word


def _shortened(name: str, font: Font, width: float) -> str:
    """The name, or how it begins and an ellipsis, in at most `width` pixels."""
    short = name
    while short and font.getlength(short + "…" * (short != name)) > width:
        short = short[:-1]
    return short if short == name else short + "…"


def _texts(caption: str, rows: Sequence[TextRow]) -> Iterator[str]:
    """Every text that is drawn of a group."""
    yield f"{caption}… [0123456789,] more characters"
    for row in rows:
        for number, (name, _) in enumerate(row.lines[:LINES]):
            yield visible(name[:LONGEST_NAME])
            yield from (piece.text for piece in line_pieces(row, number, LONGEST))


def _drawable(text: str) -> str:
    """The same with plain spaces for all kinds of them."""
    return "".join(" " if c == "\t" or unicodedata.category(c) == "Zs" else c for c in text)


def _runs_left(character: str) -> bool:
    return bool(character) and unicodedata.bidirectional(character) in ("R", "AL")


def _needs_shaping(character: str) -> bool:
    """Whether a letter's form or place depends on its neighbours: right-to-left and Indic scripts, marks."""
    indic = "\u0900" <= character <= "\u109f" or "\u1780" <= character <= "\u17ff"
    return indic or _runs_left(character) or unicodedata.category(character).startswith("M")


@cache
def _has(name: str, character: str) -> bool:
    """Whether a font shows the character as something else than its sign for a missing glyph."""
    font = _open(name, SIZE, ImageFont.Layout.BASIC)  # shaping would put a dotted circle under a mark
    return font is not None and (bool(UNSEEN.match(character)) or _glyph(font, character) != _glyph(font, NO_CHARACTER))


def _glyph(font: Font, character: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)


def _opened(name: str, size: int) -> Font:
    font = _open(name, size)
    assert font is not None, f"the font {name!r} was there a moment ago"
    return font


@cache
def _open(name: str, size: int, layout: ImageFont.Layout | None = None) -> Font | None:
    """A font of the system by its file's name, or Pillow's own for ""; None if there is none."""
    try:
        font = ImageFont.truetype(name, size, layout_engine=layout) if name else ImageFont.load_default(size)
    except OSError:
        return None
    return font if isinstance(font, ImageFont.FreeTypeFont) else None
