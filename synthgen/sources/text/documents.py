"""A folder of plain text and Markdown as passages of 60 to 150 words. Knows text, not what is asked about it.

Passages end where paragraphs or sentences do. Markdown's marks go: headings become titles, links their text, blocks of
code nothing.

    passages, notes = read_documents("manuals")
    title, context = passages[0]
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ...errors import UserError
from ..files import find_files
from ..rows import BadRow
from .cells import check_text
from .question_columns import SENTENCE_END

MARKDOWN = (".md", ".markdown")
SUFFIXES = (".txt", *MARKDOWN)
LEAST, MOST = 60, 150  # words of a passage
LONGEST_SENTENCE = MOST - LEAST  # words; what is longer is cut, so that a passage can always be filled
LETTERS = 7  # of a word and its space, on the whole at most: text without spaces is counted by them
LARGEST = 2**28  # bytes of a file
LONGEST_TITLE = 100  # characters

Sentence = tuple[str, str, bool]  # title, text, whether a paragraph ends with it


def read_documents(path: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Distinct (title, context), object (M,), in the order of the files; and notes. A UserError if there is none."""
    _, files = _find(path)
    found: dict[str, str] = {}  # context -> title
    short = faulty = 0
    for file in files:
        passages = list(cut_passages(split_sentences(_read(file), file)))
        short += not passages
        for title, context in passages:
            try:
                found.setdefault(check_text(context, LARGEST), title)
            except BadRow:
                faulty += 1
    if not found:
        raise UserError(f"source.path: {path!r} holds no text of {LEAST} words; add documents")
    rows = np.empty(len(found), object)
    rows[:] = [(title, context) for context, title in found.items()]
    notes = [f"{len(rows)} passages of {LEAST} to {MOST} words from {len(files)} documents"]
    if short:
        notes.append(f"{short} documents have fewer than {LEAST} words and were left out")
    if faulty:
        notes.append(f"{faulty} passages were left out: they hold control characters")
    return rows, tuple(notes)


def describe_documents(path: str) -> str:
    """One line about the documents, from names alone. A UserError if there is none."""
    folder, files = _find(path)
    return f"{folder.name}: {len(files)} documents"


def _find(path: str) -> tuple[Path, list[Path]]:
    folder, files = find_files(path)
    chosen = [file for file in files if file.suffix.lower() in SUFFIXES]
    if not chosen:
        raise UserError(f"source.path: {path!r} holds no {' or '.join(SUFFIXES)} file; name a path that does")
    return folder, chosen


def _read(file: Path) -> str:
    if file.stat().st_size > LARGEST:
        raise UserError(f"source.path: {file.name} is larger than {LARGEST:,} bytes; split it")
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"source.path: {file.name} cannot be read as UTF-8 ({error}); convert it") from None


def split_sentences(text: str, file: Path) -> Iterator[Sentence]:
    """The sentences of a document, none longer than 90 words, each with the heading that it stands under."""
    name = file.stem.replace("_", " ").replace("-", " ")
    blocks = strip_markdown(text) if file.suffix.lower() in MARKDOWN else [("", b) for b in re.split(r"\n\s*\n", text)]
    for title, block in blocks:
        pieces = [p for sentence in SENTENCE_END.split(re.sub(r"\s*\n\s*", " ", block)) for p in _cut(sentence.strip())]
        for number, piece in enumerate(pieces, 1):
            yield (title or name)[:LONGEST_TITLE], piece, number == len(pieces)


def _cut(sentence: str) -> Iterator[str]:
    """The sentence; in pieces if it has more words than a sentence may have."""
    words = sentence.split()
    while words:
        count = max(1, min(LONGEST_SENTENCE, len(words)))
        while count > 1 and measure(" ".join(words[:count])) > LONGEST_SENTENCE:
            count -= max(1, count // 8)
        piece, words = " ".join(words[:count]), words[count:]
        width = LONGEST_SENTENCE * LETTERS
        yield from (piece[start : start + width] for start in range(0, len(piece), width))


def measure(text: str) -> int:
    """Words; at least one for every seven characters."""
    return max(len(text.split()), len(text) // LETTERS)


def cut_passages(sentences: Iterable[Sentence]) -> Iterator[tuple[str, str]]:
    """(title, context) of 60 to 150 words. What is left at the end joins the passage before, or takes from it."""
    passages: list[list[Sentence]] = [[]]
    for sentence in sentences:
        last = passages[-1]
        size = _size(last)
        full = size >= LEAST and (last[-1][2] or size + measure(sentence[1]) > MOST)
        if full:
            passages.append([])
        passages[-1].append(sentence)
    if len(passages) > 1 and _size(passages[-1]) < LEAST:
        end = passages.pop()
        if _size(passages[-1] + end) <= MOST:
            passages[-1] += end
        else:
            while _size(end) < LEAST and _size(passages[-1][:-1]) >= LEAST:
                end.insert(0, passages[-1].pop())
            passages.append(end)
    for passage in passages:
        if LEAST <= _size(passage) <= MOST:
            yield passage[0][0], " ".join(text for _, text, _ in passage)


def _size(passage: Iterable[Sentence]) -> int:
    return measure(" ".join(text for _, text, _ in passage))


_FENCE = re.compile(r"^ {0,3}(```+|~~~+)[^\n]*\n.*?(?:^ {0,3}\1[^\n]*$|\Z)", re.MULTILINE | re.DOTALL)
_FRONT = re.compile(r"\A---\s*\n.*?\n(?:---|\.\.\.)\s*\n", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_HEADING = re.compile(r"^ {0,3}#{1,6}\s+(.*?)\s*#*\s*$")
_UNDERLINE = re.compile(r"^ {0,3}(?:=+|-{2,})\s*$")
_RULE = re.compile(r"^ {0,3}(?:[-*_]\s*){3,}$|^\s*\|?(?:\s*:?-{2,}:?\s*\|)+\s*:?-*:?\s*\|?\s*$")
_DEFINITION = re.compile(r"^ {0,3}\[[^\]]+\]:\s+\S.*$")
_START = re.compile(r"^\s*(?:>\s?)*(?:[-*+]\s+(?:\[[ xX]\]\s+)?|\d{1,3}[.)]\s+)?")
_INLINE = (
    (re.compile(r"!\[[^\]]*\](?:\([^)]*\)|\[[^\]]*\])?"), ""),
    (re.compile(r"\[([^\]]+)\](?:\([^)]*\)|\[[^\]]*\])"), r"\1"),
    (re.compile(r"<(https?://[^>\s]+)>"), r"\1"),
    (re.compile(r"</?[a-zA-Z][^>\n]*>"), ""),
    (re.compile(r"(`+)(.+?)\1"), r"\2"),
    (re.compile(r"(\*{1,3}|(?<!\w)_{1,3}|~~)(?=\S)(.+?)(?<=\S)\1(?!\w)"), r"\2"),
    (re.compile(r"\\([\\`*_{}\[\]()#+.!>~|-])"), r"\1"),
)


def strip_markdown(text: str) -> list[tuple[str, str]]:
    """(heading, paragraph) without marks, in order; the items of a list are paragraphs of their own."""
    text = _COMMENT.sub("", _FENCE.sub("", _FRONT.sub("", text.replace("\r\n", "\n"))))
    found: list[tuple[str, str]] = []
    title, lines = "", list[str]()

    def close() -> None:
        if lines:
            found.append((title, "\n".join(lines)))
            lines.clear()

    for line in text.split("\n"):
        heading = _HEADING.match(line)
        if _UNDERLINE.match(line) and len(lines) == 1:
            title = lines.pop()
        elif heading:
            close()
            title = _strip_marks(heading[1])
        elif not line.strip() or _RULE.match(line) or _DEFINITION.match(line):
            close()
        else:
            start = _START.match(line)
            if start and start[0].strip(" >"):
                close()
            bare = _strip_marks(line[start.end() if start else 0 :]).strip()
            lines += [bare.strip("|").replace("|", ";").strip()] if bare.startswith("|") else [bare] if bare else []
    close()
    return found


def _strip_marks(text: str) -> str:
    for pattern, with_what in _INLINE:
        text = pattern.sub(with_what, text)
    return text
