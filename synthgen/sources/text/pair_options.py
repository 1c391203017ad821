"""What a recipe may say about a source of pairs of texts. Knows fields and bounds, not how anything is read.

PairSourceOptions(kind="files", path="talks.tsv", columns={"source": "en", "target": "de"}, longest=200)
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from ..options import SourceOptions, Word, refuse_repeats

Role = Literal["source", "target", "translation", "label"]


class PairSourceOptions(SourceOptions):
    """Texts and their translations: phrases that CLDR gives in any two languages, or a user's own."""

    _of_builtins: ClassVar[frozenset[str]] = frozenset({"languages", "longest", "validation", "heldout"})

    path: Annotated[str, Field(min_length=1, max_length=4000)] | None = None
    """files: a file, a folder or a glob; Parquet, JSON lines, TSV (cells as they stand, no quotation), CSV or JSON.
    Never a URL."""
    languages: tuple[Word, Word] | None = None
    """Codes of the source's and the target's language, such as [en, de]. builtin: any two that CLDR knows; null: en and
    de. files, hub: what rows name their sides; null: the keys of the translation column, or the names of the two
    columns."""
    columns: dict[Role, Word] = Field(default_factory=dict)
    """Our column to the name it has in the source: source and target (texts), or translation (a record of two
    languages, also as JSON); label (optional: what the pair is about). Null: the columns of these names, or of
    `languages`, or the two columns of texts if there are exactly two."""
    longest: Annotated[int, Field(ge=1, le=100_000)] = 400
    """Pairs with a side of more characters are left out, and counted."""
    rows: Annotated[int, Field(ge=2, le=10_000_000)] | None = None
    """At most so many training rows; null: all. builtin: so many are drawn; null: about 8,000."""
    classes: Annotated[list[Word], Field(min_length=2, max_length=1000)] | None = None
    """Names of the values of the label column, in order; null: the distinct values."""

    @field_validator("languages")
    @classmethod
    def _differ(cls, languages: tuple[str, str] | None) -> tuple[str, str] | None:
        refuse_repeats([*languages] if languages else None, "language")
        return languages

    @field_validator("classes")
    @classmethod
    def _are_distinct(cls, classes: list[str] | None) -> list[str] | None:
        return refuse_repeats(classes, "class")

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if "translation" in self.columns and {"source", "target"} & set(self.columns):
            raise ValueError("columns name a translation column and its sides; name the one or the others")
        return self
