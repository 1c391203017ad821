"""What a recipe may say about its source. Knows fields and bounds, not how anything is read.

Every task's rows may come from the same three kinds of place; what else there is to say depends on what a row is.

    ImageSourceOptions(kind="files", path="photos", size=64, fit="tile", license="CC0-1.0")
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from ..options import Options

Side = Annotated[int, Field(ge=4, le=1024)]
Part = Literal["train", "validation", "heldout"]
Column = Literal["image", "label", "mask"]
Word = Annotated[str, Field(min_length=1, max_length=200)]

# `files` may carry the Hub's fields: they name the dataset that the files are a copy of.
_FIELDS = {
    "builtin": {"name", "rows"},
    "files": {"path", "id", "revision", "config", "split"},
    "hub": {"id", "revision", "config", "split"},
    "documents": {"path", "questions"},  # of QuestionSourceOptions
}
_OF_ONE_KIND = {"name", "path", "id", "revision", "config", "split", "questions"}
_NEEDED = {"builtin": "name", "files": "path", "hub": "id", "documents": "path"}


class SourceOptions(Options):
    """What can be said of any source. `_of_builtins`: the fields of a subclass that a built-in source takes too."""

    _of_builtins: ClassVar[frozenset[str]] = frozenset()

    kind: Literal["builtin", "files", "hub"] = "builtin"
    """Where the rows come from: shipped with the dependencies, files on this machine, or the Hugging Face Hub."""
    name: Word | None = None
    """builtin: which one; `synthgen tasks` lists them."""
    path: Annotated[str, Field(min_length=1, max_length=4000)] | None = None
    """files: a file, a folder or a glob. Never a URL."""
    id: Word | None = None
    """hub: owner/name. With files: the Hub dataset that the files are a copy of, for the card."""
    revision: Word | None = None
    """hub: branch, tag or commit."""
    config: Word | None = None
    """hub: the configuration (subset) of the dataset."""
    split: Word | dict[Part, Word] | None = None
    """Name of the split to train on, or names for train, validation and heldout; null: the usual names."""
    rows: Annotated[int, Field(ge=2, le=10_000_000)] | None = None
    """At most so many training rows; null: all."""
    license: Word | None = None
    """Licence of the real rows, for the dataset card."""
    origin: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    """Citation, or where the real rows came from, for the dataset card."""
    validation: float = Field(0.1, ge=0.01, le=0.5)
    """Share of the training rows used for choices (2,000 rows at most), where the source has no validation split."""
    heldout: float = Field(0.2, ge=0.01, le=0.6)
    """Share of all rows held out for the measurement, where the source has no test split."""

    @field_validator("path")
    @classmethod
    def _is_local(cls, path: str | None) -> str | None:
        if path is not None and (re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", path) or "\0" in path):
            raise ValueError(f"{path!r} is not a path on this machine; download it, or use kind: hub with an id")
        return path

    @field_validator("id")
    @classmethod
    def _is_owner_and_name(cls, value: str | None) -> str | None:
        word = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,95}"
        if value is not None and (not re.fullmatch(f"{word}/{word}", value) or ".." in value):
            raise ValueError(f"{value!r} is not a dataset of the Hub; write it as owner/name")
        return value

    @model_validator(mode="after")
    def _names_its_place(self) -> Self:
        self._refuse_fields_of_other_kinds()
        if getattr(self, _NEEDED[self.kind]) is None:
            raise ValueError(f"kind {self.kind!r} needs {_NEEDED[self.kind]!r}; set source.{_NEEDED[self.kind]}")
        if isinstance(self.split, dict) and "train" not in self.split:
            raise ValueError("split names no part to train on; add train")
        columns: dict[str, str] = getattr(self, "columns", {})
        if len(set(columns.values())) < len(columns):
            raise ValueError("columns name the same column twice; give each its own")
        return self

    def _refuse_fields_of_other_kinds(self) -> None:
        fields = type(self).model_fields
        own = _FIELDS[self.kind]
        others = set(fields) - {"kind"} - self._of_builtins if self.kind == "builtin" else _OF_ONE_KIND
        for field in fields:
            given = getattr(self, field) != fields[field].get_default(call_default_factory=True)
            if given and field in others - own:
                raise ValueError(
                    f"{field!r} does not belong to kind {self.kind!r}; remove it (--set source.{field}=null)"
                )


def refuse_repeats(values: list[str] | None, what: str) -> list[str] | None:
    """The list itself; a ValueError if it names something twice."""
    for name in values or []:
        if values and values.count(name) > 1:
            raise ValueError(f"{name!r} is named twice; name every {what} once")
    return values


class ImageSourceOptions(SourceOptions):
    """Images with a class or a mask."""

    _of_builtins: ClassVar[frozenset[str]] = frozenset({"size", "only"})

    path: Annotated[str, Field(min_length=1, max_length=4000)] | None = None
    """files: a file, a folder or a glob; Parquet, JSON lines, CSV, or an image folder. Never a URL."""
    columns: dict[Column, Word] = Field(default_factory=dict)
    """Our column (image, label, mask) to the name it has in the source."""
    size: Side | tuple[Side, Side] | None = None
    """Height and width of a row in pixels, or one number for both; null: the size that all images already have."""
    channels: Literal["grey", "rgb"] | None = None
    """Convert to grey or RGB; null: as the images are, and RGB where they are mixed."""
    fit: Literal["resize", "center", "pad", "tile"] = "resize"
    """How an image gets that size. resize: both sides are scaled, the aspect may change. center: scaled to cover, the
    middle is kept. pad: scaled to fit inside, the rest is black (in masks: `ignore`, else class 0). tile: not scaled;
    many crops of that size from each image, at random in train, on a grid without overlap elsewhere."""
    rows: Annotated[int, Field(ge=2, le=10_000_000)] | None = None
    """At most so many training rows; with tile and built-in crops: exactly so many. null: all."""
    images: Annotated[int, Field(ge=2, le=10_000_000)] | None = None
    """Use only so many annotated images besides the held-out ones, before tiling; validation is taken out of them."""
    classes: Annotated[list[Word], Field(min_length=2, max_length=1000)] | None = None
    """Names of the classes, in order; null: from the source's features, else the distinct values."""
    only: Annotated[list[Word], Field(min_length=2, max_length=1000)] | None = None
    """Use only the labelled rows of these classes, in this order; null: of all. Not for masks."""
    ignore: Annotated[int, Field(ge=1, le=255)] | None = None
    """The mask value that means "not annotated"."""

    @field_validator("classes", "only")
    @classmethod
    def _are_distinct(cls, classes: list[str] | None) -> list[str] | None:
        return refuse_repeats(classes, "class")

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.size is None and self.fit != "resize":
            raise ValueError(f"fit {self.fit!r} needs a size; set source.size")
        if self.ignore is not None and self.classes and self.ignore < len(self.classes):
            raise ValueError(
                f"ignore {self.ignore} is also the number of a class; use a number from {len(self.classes)}"
            )
        return self

    @property
    def height_width(self) -> tuple[int, int] | None:
        """`size` as (height, width)."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size
