"""Texts of rows are shown as data: on a page, in Markdown and as plain text, whatever they hold."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from synthgen.evaluation.text_rows import (
    LINES_IN_MARKDOWN,
    LONGEST,
    LONGEST_IN_MARKDOWN,
    TextRow,
    line_pieces,
    markdown_rows,
    plain_rows,
    text_figure,
    visible,
)

EVIL = (
    '<script>alert("1")</script> \' & \u202egnp.exe | `code` [a](http://x.y) ![b](c)\n\n# head\n* item\x00\t$x$ **b**'
)


class Reader(HTMLParser):
    """Tags in order, and the texts of names (dt) and of what stands beside them (dd)."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.texts: dict[str, list[str]] = {"dt": [], "dd": [], "figcaption": [], "mark": [], "td": [], "b": []}
        self.open: list[str] = []
        self.feed(str(page))
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "br":
            self.open.append(tag)
        if tag in self.texts:
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in self.texts:
            if tag in self.open:
                self.texts[tag][-1] += data


def test_a_figure_holds_names_texts_and_caption_and_no_html_of_theirs() -> None:
    page = Reader(text_figure(TextRow(((EVIL[:20], EVIL), ("de", "3. März"))), EVIL))
    assert set(page.tags) == {"figure", "dl", "div", "dt", "dd", "bdi", "span", "figcaption"}
    assert page.attributes == {"class", "dir"}
    assert page.texts["dd"] == [EVIL.replace("\u202e", "\\u202e").replace("\x00", "\\x00"), "3. März"]
    assert page.texts["figcaption"] == [visible(EVIL)]


def test_what_hides_or_reorders_is_escaped_and_what_writing_needs_is_kept() -> None:
    for character in "\x00\x07\x1b\r\x7f\x85\xad\u200b\u2028\u202a\u202e\u2066\u2069\ufeff\ufff9\ud800\U000e0041":
        assert visible(f"a{character}b") == f"a{ascii(character)[1:-1]}b"
    family, persian = "👩\u200d👩\u200d👧 ❤\ufe0f", "می\u200cخواهم"
    for text in ("a\tb\nc", family, persian, "\u200f-5", "e\u0301", "日本語", "Ünï"):
        assert visible(text) == text


def test_marks_are_cut_out_of_the_text_and_joined_where_they_overlap() -> None:
    row = TextRow((("context", "Bern & <b>"), ("q", "Where?")), ((0, 0, 4), (0, 2, 6), (1, 0, 0), (0, 7, 10)))
    page = Reader(text_figure(row))
    assert page.texts["mark"] == ["Bern &", "<b>"] and page.texts["dd"] == ["Bern & <b>", "Where?"]
    assert plain_rows([row]) == "context  [[Bern &]] [[<b>]]\nq        Where?\n"
    for wrong in ((2, 0, 1), (0, 3, 2), (1, 0, 7), (0, -1, 2)):
        with pytest.raises(AssertionError):
            TextRow(row.lines, (wrong,))


def test_an_escape_in_a_mark_is_both() -> None:
    row = TextRow((("x", "a\u202eb"),), ((0, 0, 3),))
    assert '<mark>a</mark><mark><span class="escape">\\u202e</span></mark><mark>b</mark>' in text_figure(row)


def test_an_empty_text_and_a_row_without_lines_are_shown() -> None:
    assert Reader(text_figure(TextRow((("de", ""),)))).texts["dd"] == ["empty"]
    assert Reader(text_figure(TextRow(()), "row 1")).texts["figcaption"] == ["row 1"]
    assert plain_rows([TextRow((("de", ""),)), TextRow(())]) == "de\n\n"
    assert "(empty)" in markdown_rows([TextRow((("de", ""),))], [])


def test_a_long_document_is_cut_around_its_mark_and_says_so() -> None:
    text = "x" * 60_000 + "answer" + "y" * 40_000
    pieces = line_pieces(TextRow((("context", text),), ((0, 60_000, 60_006),)), 0, LONGEST)
    assert [piece.kind for piece in pieces] == ["cut", "text", "text", "text", "cut"]
    assert [piece.text for piece in pieces if piece.marked] == ["answer"]
    assert pieces[0].text == "[58,000 characters] …" and pieces[-1].text == "… [38,006 more characters]"
    assert sum(len(piece.text) for piece in pieces[1:-1]) == LONGEST
    unmarked = line_pieces(TextRow((("context", text),)), 0, LONGEST)
    assert unmarked[0].text == "x" * LONGEST and unmarked[1].text == "… [96,006 more characters]"
    assert len(text_figure(TextRow((("context", text),)))) < 2 * LONGEST


def test_a_cut_parts_no_letter_from_its_marks() -> None:
    text = "a" * (LONGEST - 1) + "e\u0301\u0302" + "b" * 10
    shown = line_pieces(TextRow((("x", text),)), 0, LONGEST)
    assert shown[0].text.endswith("ae\u0301\u0302") and shown[1].text == "… [10 more characters]"
    endless = line_pieces(TextRow((("x", "\u0301" * 3 * LONGEST),)), 0, LONGEST)
    assert len(endless[0].text) < LONGEST + 20


def test_markdown_is_a_table_of_two_columns_that_shows_the_texts_as_they_are() -> None:
    real = [
        TextRow((("en|x", EVIL), ("de", "3. März, 10:30 | www.x.org :smile: a@b.c"))),
        TextRow((("en", "a\\|b\\"),)),
    ]
    table = markdown_rows(real, real[:1])
    assert table.count("\n") == 3 and not re.search(r"<script|\]\(|http:|`|\$", table)
    page = Reader(MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(table))
    assert set(page.tags) == {"table", "thead", "tbody", "tr", "th", "td", "br", "i"}
    first, second, third, fourth = page.texts["td"]
    assert first == second and third == "en a\\|b\\" and fourth == ""
    assert visible(EVIL).replace("\n", "").replace("\t", " ") in first
    assert first.endswith("de 3. März, 10:30 | www.x.org :smile: a@b.c")


def test_markdown_is_capped_in_length() -> None:
    row = TextRow(tuple((f"turn {i}", "word " * 20_000) for i in range(50)), ((0, 500, 504),))
    table = markdown_rows([row] * 8, [row] * 8)
    assert len(table) < 16 * LINES_IN_MARKDOWN * (LONGEST_IN_MARKDOWN + 100)
    assert "(42 more)" in table and "<b>word</b>" in table


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=60)), min_size=1, max_size=3))
def test_any_text_is_one_cell_and_one_figure(lines: list[tuple[str, str]]) -> None:
    row = TextRow(tuple(lines), ((0, 0, len(lines[0][1]) // 2),))
    page = Reader(text_figure(row, lines[0][1]))
    assert page.texts["dd"] == [visible(text) or "empty" for _, text in lines]
    table = markdown_rows([row], [row]).split("\n")
    assert len(table) == 3 and len(re.findall(r"(?<!\\)\|", table[2])) == 3
    plain_rows([row]).encode()
    str(text_figure(row)).encode()
