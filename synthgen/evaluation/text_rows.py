"""Rows that are texts, as a person reads them: on a page of HTML, in Markdown, or as plain text.

Knows names and texts: neither tasks nor files. A text comes from data and is shown as data: nothing in it opens a tag,
a table cell or a link, characters that would reorder or hide what stands around them are shown as escapes, and what is
long is cut with a word about how much is missing.

    row = TextRow((("context", "Bern is the capital."), ("question", "Which town is it?")), marks=((0, 0, 4),))
    text_figure(row, "row 7")       # <figure> … <mark>Bern</mark> is the capital. …
    plain_rows([row])               # "context   [[Bern]] is the capital.\\nquestion  Which town is it?\\n"
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from markupsafe import Markup, escape

LONGEST = 4000  # characters of one text on a page, and in a file of plain text
LONGEST_IN_MARKDOWN = 300
LINES_IN_MARKDOWN = 8
LONGEST_NAME = 40
CLUSTER = 16  # characters that one cut may move so as not to part a letter from its marks

# Controls (all but tab and newline), soft hyphen, zero-width space, line separators, embeddings, overrides, isolates,
# invisible operators, byte order marks, annotations, lone surrogates, non-characters and tags. Joiners and the marks
# U+200E, U+200F and U+061C stay: Persian, Hebrew, Arabic and emoji need them, and each text is isolated.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u180e\u200b\u2028-\u202e\u2060-\u206f\ufdd0-\ufdef\ufeff\ufff0-\ufffb\ufffe\uffff"
    "\ud800-\udfff\U000e0000-\U000e00ff]"
)
# what Markdown, its tables, mathematics, mentions and links of bare addresses are made of
_MARKDOWN = re.compile(r"[\\`*_\[\]<>|&~$#@]|:(?=[/A-Za-z_+-])|(?<=[wW]{3})\.")


@dataclass(frozen=True)
class TextRow:
    """One row: what a task's `draw` gives where rows are texts."""

    lines: tuple[tuple[str, str], ...]  # (name, text), such as (("en", "March 3, 2024"), ("de", "3. März 2024"))
    marks: tuple[tuple[int, int, int], ...] = ()  # (line, start, end): spans to highlight, in characters of the text

    def __post_init__(self) -> None:
        for line, start, end in self.marks:
            assert 0 <= line < len(self.lines), f"mark of line {line}, where there are {len(self.lines)}"
            assert 0 <= start <= end <= len(self.lines[line][1]), f"mark {start}:{end} is outside its text"


@dataclass(frozen=True)
class Piece:
    """A part of a text that is shown in one way."""

    text: str
    kind: str = "text"  # "text"; "escape": stands for a character that is not shown; "cut": says what is missing
    marked: bool = False


def visible(text: str) -> str:
    """The text with escapes such as \\u202e in place of what would hide or reorder."""
    return "".join(piece.text for piece in _escaped(text, False))


def line_pieces(row: TextRow, number: int, longest: int) -> list[Piece]:
    """What is shown of line `number`: at most about `longest` characters, around its first mark."""
    text = row.lines[number][1]
    spans = _joined(sorted((start, end) for line, start, end in row.marks if line == number and start < end))
    first, last = _window(text, spans, longest)
    pieces = [Piece(f"[{first:,} characters] …", "cut")] if first else []
    for start, end, marked in _parts(first, last, spans):
        pieces += _escaped(text[start:end], marked)
    return pieces + ([Piece(f"… [{len(text) - last:,} more characters]", "cut")] if last < len(text) else [])


def text_figure(row: TextRow, caption: str = "") -> Markup:
    """The row as a <figure> of names and texts, over its caption."""
    lines = Markup("").join(
        Markup('<div><dt><bdi>{}</bdi></dt><dd><bdi dir="auto">{}</bdi></dd></div>').format(
            visible(name[:LONGEST_NAME]), _html(line_pieces(row, number, LONGEST))
        )
        for number, (name, _) in enumerate(row.lines)
    )
    below = Markup("<figcaption><bdi>{}</bdi></figcaption>").format(visible(caption)) if caption else ""
    return Markup('<figure class="words"><dl>{}</dl>{}</figure>').format(lines, below)


def markdown_rows(real: Sequence[TextRow], synthetic: Sequence[TextRow]) -> str:
    """A Markdown table of real rows beside synthetic ones."""
    pairs = [
        f"| {_cell(left) if left else ''} | {_cell(right) if right else ''} |"
        for left, right in zip_longest(real, synthetic)
    ]
    return "\n".join(["| real | synthetic |", "| --- | --- |", *pairs])


def plain_rows(rows: Sequence[TextRow]) -> str:
    """The rows as plain text, a blank line between them; [[marks]] in brackets."""
    return "\n".join(_plain_row(row) for row in rows)


def _html(pieces: Sequence[Piece]) -> Markup:
    if not any(piece.text for piece in pieces):
        return Markup('<span class="cut">empty</span>')
    shown = Markup("")
    for piece in pieces:
        text = escape(piece.text)
        if piece.kind != "text":
            text = Markup('<span class="{}">{}</span>').format(piece.kind, text)
        shown += Markup("<mark>{}</mark>").format(text) if piece.marked else text
    return shown


def _cell(row: TextRow) -> str:
    lines = []
    for number, (name, _) in enumerate(row.lines[:LINES_IN_MARKDOWN]):
        pieces = line_pieces(row, number, LONGEST_IN_MARKDOWN)
        text = "".join(f"<b>{_markdown(p.text)}</b>" if p.marked else _markdown(p.text) for p in pieces)
        lines.append(f"<i>{_markdown(visible(name[:LONGEST_NAME]))}</i> {text or '(empty)'}")
    more = len(row.lines) - LINES_IN_MARKDOWN
    return "<br>".join(lines + ([f"… ({more} more)"] if more > 0 else []))


def _markdown(text: str) -> str:
    """On one line, as references to characters where a character could mean something."""
    safe = _MARKDOWN.sub(lambda found: f"&#{ord(found[0])};", text)
    return safe.replace("\t", " ").replace("\n", "<br>")


def _plain_row(row: TextRow) -> str:
    names = [visible(name[:LONGEST_NAME]) for name, _ in row.lines]
    width, shown = max(map(len, names), default=0), ""
    for number, name in enumerate(names):
        pieces = line_pieces(row, number, LONGEST)
        text = "".join(f"[[{piece.text}]]" if piece.marked else piece.text for piece in pieces)
        shown += f"{name:<{width}}  {text}".replace("\n", "\n" + " " * (width + 2)).rstrip() + "\n"
    return shown


def _escaped(text: str, marked: bool) -> Iterator[Piece]:
    """The text in pieces; each run of hidden characters is one."""
    position = 0
    for found in _HIDDEN.finditer(text):
        if found.start() > position:
            yield Piece(text[position : found.start()], "text", marked)
        yield Piece(ascii(found[0])[1:-1], "escape", marked)
        position = found.end()
    if position < len(text):
        yield Piece(text[position:], "text", marked)


def _joined(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sorted spans, those that overlap as one."""
    found: list[tuple[int, int]] = []
    for start, end in spans:
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _window(text: str, spans: Sequence[tuple[int, int]], longest: int) -> tuple[int, int]:
    """First and last character of what is shown of a text: its beginning, or what stands around the first span."""
    first = 0
    if spans and spans[0][1] > longest:
        first = max(0, min(spans[0][0] - longest // 2, len(text) - longest))
    return _whole(text, first, -1), _whole(text, min(first + longest, len(text)), 1)


def _whole(text: str, place: int, step: int) -> int:
    """The next place where a cut parts no letter from its marks."""
    for _ in range(CLUSTER):
        if not 0 < place < len(text) or not _joins(text[place - 1], text[place]):
            break
        place += step
    return place


def _joins(before: str, after: str) -> bool:
    return unicodedata.category(after).startswith("M") or "\u200d" in (before, after)


def _parts(first: int, last: int, spans: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, bool]]:
    """What is between `first` and `last`, cut at the spans: (start, end, whether it is in a span)."""
    place = first
    for start, end in spans:
        start, end = max(start, place), min(end, last)
        if start < end:
            yield place, start, False
            yield start, end, True
            place = end
    yield place, last, False
