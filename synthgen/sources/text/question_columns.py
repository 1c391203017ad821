"""Questions as they stand in records: SQuAD's columns, or SQuAD's nested files. Knows rows, neither parts nor tasks.

asked = read_question_row(record.cells, names, longest=2000)
asked.answer, asked.start, asked.mended, asked.cut
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..rows import BadRow
from ..tables import LONGEST_CELL
from .cells import check_text
from .records import Record

LONGEST_QUESTION = 500  # characters
ROLES = ("id", "title", "context", "question", "answers")
NEEDED = ("context", "question", "answers")
SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|(?<=[。！？।])|\n+")


@dataclass(frozen=True)
class Asked:
    """A question about a passage, checked. An answer of "" at -1: the passage does not say it."""

    id: str
    title: str
    whole: str  # the context as it stands in the source
    context: str
    question: str
    answer: str
    start: int  # character of `context`
    mended: bool = False  # the source gave no start, or a wrong one
    cut: bool = False


def unfold_squad(value: Any, name: str) -> Iterator[Record]:
    """The questions of SQuAD's own JSON: data, paragraphs, qas. Nothing if the value is not of that form."""
    articles = value.get("data") if isinstance(value, dict) else None
    if not isinstance(articles, list) or not any(isinstance(a, dict) and "paragraphs" in a for a in articles):
        return
    number = 0
    for article in articles:
        for paragraph in _dicts(article, "paragraphs"):
            for question in _dicts(paragraph, "qas"):
                cells = {"title": article.get("title"), "context": paragraph.get("context")} | question
                yield Record(f"{name} row {number}", cells)
                number += 1


def _dicts(value: Any, key: str) -> Iterator[dict[str, Any]]:
    found = value.get(key) if isinstance(value, dict) else None
    yield from (item for item in found or () if isinstance(item, dict)) if isinstance(found, list) else ()


def read_question_row(cells: dict[str, Any], names: Mapping[str, str], longest: int) -> Asked:
    """The row, its context cut to at most `longest` characters. A BadRow if it cannot be used.

    names: our column to the name it has. Of several answers the first counts.
    """
    whole = check_text(cells.get(names["context"]), LONGEST_CELL, "context")
    question = check_text(cells.get(names["question"]), LONGEST_QUESTION, "question")
    answer, given = _first_answer(cells.get(names["answers"]))
    if cells.get("is_impossible") is True:
        answer = ""
    start = _place(whole, answer, given) if answer else -1
    context, shift = cut_context(whole, max(start, 0), max(start, 0) + len(answer), longest)
    return Asked(
        id=_short(cells.get(names["id"])),
        title=_short(cells.get(names["title"])),
        whole=whole,
        context=context,
        question=question,
        answer=answer,
        start=start - shift if answer else -1,
        mended=bool(answer) and start != given,
        cut=len(context) < len(whole),
    )


def _short(value: Any) -> str:
    return str(value)[:200] if isinstance(value, str | int) else ""


def _first_answer(value: Any) -> tuple[str, int | None]:
    """Text and start of the first answer; ("", None) if there is none."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            pass  # an answer that begins with a bracket
    if isinstance(value, str):
        return (check_text(value, LONGEST_CELL, "answers"), None) if value.strip() else ("", None)
    if isinstance(value, dict):
        texts, starts = value.get("text"), value.get("answer_start")
        if isinstance(texts, str):
            texts, starts = [texts], [starts]
        first = (texts or [None])[0] if isinstance(texts, list) else None
        return _checked(first, starts[0] if isinstance(starts, list) and starts else None)
    if isinstance(value, list):
        first = value[0] if value else None
        if isinstance(first, dict):
            return _checked(first.get("text"), first.get("answer_start"))
        return _checked(first, None)
    if value is None:
        return "", None
    raise BadRow(f"answers: a {type(value).__name__} is not an answer")


def _checked(text: Any, start: Any) -> tuple[str, int | None]:
    if text is None or text == "":
        return "", None
    whole = isinstance(start, int) and not isinstance(start, bool)
    return check_text(text, LONGEST_CELL, "answers"), start if whole else None


def _place(context: str, answer: str, start: int | None) -> int:
    """Where the answer stands; the given start if it does stand there, else its only place. A BadRow if not clear."""
    if start is not None and start >= 0 and context.startswith(answer, start):
        return start
    first = context.find(answer)
    if first < 0:
        raise BadRow("answers: the text does not stand in the context")
    if context.find(answer, first + 1) >= 0:
        raise BadRow("answers: the text does not stand at answer_start, and more than once elsewhere")
    return first


def cut_context(context: str, start: int, end: int, longest: int) -> tuple[str, int]:
    """At most `longest` characters of whole sentences around [start, end), and how many come before them.

    Of a sentence that is longer by itself, the words around the span; of a longer span, the span.
    """
    if len(context) <= longest:
        return context, 0
    edges = _sentence_edges(context)
    first, last = bisect_right(edges, start) - 1, bisect_right(edges, max(end - 1, start))
    if edges[last] - edges[first] > longest:
        low, high = _cut_words(context, start, end, longest)
        return context[low:high], low
    while True:
        before = first > 0 and edges[last] - edges[first - 1] <= longest
        after = last < len(edges) - 1 and edges[last + 1] - edges[first] <= longest
        # the side that has less so far grows, so that the answer is not always at one end
        if before and (not after or start - edges[first] <= edges[last] - end):
            first -= 1
        elif after:
            last += 1
        else:
            break
    shown = context[edges[first] : edges[last]].rstrip()
    return context[edges[first] : max(edges[first] + len(shown), end)], edges[first]


@lru_cache(maxsize=64)
def _sentence_edges(context: str) -> list[int]:
    """Where each sentence begins, and the end of the last."""
    edges = {0, len(context)} | {found.end() for found in SENTENCE_END.finditer(context)}
    return sorted(edges)


def _cut_words(context: str, start: int, end: int, longest: int) -> tuple[int, int]:
    spare = max(longest - (end - start), 0)
    low = max(start - spare // 2, 0)
    high = min(max(low + longest, end), len(context))
    space = re.search(r"\s", context[low:start]) if low else None
    low = low + space.end() if space else low
    if high < len(context):
        last = max(context.rfind(" ", end, high), context.rfind("\n", end, high))
        high = last if last > 0 else high
    return low, high
