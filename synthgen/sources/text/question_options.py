"""What a recipe may say about a source of questions. Knows fields and bounds, not how anything is read.

QuestionSourceOptions(kind="documents", path="manuals", questions="squad/train.jsonl")
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ..options import SourceOptions, Word

Role = Literal["id", "title", "context", "question", "answers"]


class QuestionSourceOptions(SourceOptions):
    """Questions that a passage answers, as in SQuAD; or passages alone, to ask about as others are asked about."""

    _of_builtins: ClassVar[frozenset[str]] = frozenset()

    kind: Literal["builtin", "files", "hub", "documents"] = "builtin"  # type: ignore[assignment]
    """Where the rows come from: written from CLDR's facts, files on this machine, the Hugging Face Hub, or documents of
    yours that no one has asked about yet."""
    path: Annotated[str, Field(min_length=1, max_length=4000)] | None = None
    """files: a file, a folder or a glob; Parquet, JSON lines, TSV, CSV, or JSON as SQuAD has it. documents: a folder of
    .txt and .md files, or one of them. Never a URL."""
    questions: Annotated[str, Field(min_length=1, max_length=4000)] | None = None
    """documents: what teaches to ask, `territories` (the built-in rows) or a path of files with questions; null:
    territories."""
    columns: dict[Role, Word] = Field(default_factory=dict)
    """Our column to the name it has in the source: context, question, answers ({text, answer_start}, a list of such, or
    a text), and title and id, which may be missing."""
    longest: Annotated[int, Field(ge=200, le=100_000)] = 2000
    """A longer context (in characters) is cut to whole sentences around the answer."""
    rows: Annotated[int, Field(ge=2, le=10_000_000)] | None = None
    """At most so many training rows; null: all. builtin: exactly so many are drawn; null: 3,000."""
