"""What may be asked of pairs of texts.

conditions: {write: target, texts: monolingual.txt}      # translate given texts
conditions: {write: both, keep: 0.5}                     # vary real ones
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .options import ClassConditionOptions


class PairConditionOptions(ClassConditionOptions):
    """Which pairs of texts to write."""

    write: Literal["both", "target", "source"] = "both"
    """`both`: new pairs; numbers and names are chosen first and stand on both sides. `target`: sources are given and
    translated. `source`: targets are given, which is the back-translation that helps most where good texts in one
    language are at hand."""
    keep: float = Field(0.0, ge=0, lt=1)
    """both: the share of the words of a real text that stay in the side that is written first: variations of real rows;
    0: all of it is new."""
    recombine: bool = True
    """both: numbers and names come from other rows of the class, and numbers also from between them; off: from one real
    row."""
    lead: Literal["source", "target", "either"] = "either"
    """both: the side that is written first."""
    texts: Annotated[str, Field(min_length=1, max_length=4000)] | None = None
    """target, source: a file of given texts in UTF-8, one a line; null: the texts of the training rows."""

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if self.write == "both" and self.texts is not None:
            raise ValueError("texts are given only where one side is written; set write to target or source")
        if self.write != "both" and self.keep:
            raise ValueError("keep belongs to write: both; remove it")
        return self
