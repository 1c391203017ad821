"""What a recipe may say about a source of time series. Knows fields and bounds, not how anything is read.

SeriesSourceOptions(kind="files", path="load.csv", columns={"time": "date"}, length=24, stride=1)
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from .options import SourceOptions, Word, refuse_repeats

MOST_CHANNELS = 64
MOST_KINDS = 64
SHORTEST, LONGEST = 8, 4096  # steps of a row
Role = Literal["series", "label", "id", "time", "events"]


class SeriesSourceOptions(SourceOptions):
    """Time series with a class, with events, or with neither: one row of a table a series, or one row a time step."""

    _of_builtins: ClassVar[frozenset[str]] = frozenset({"length", "stride", "few"})

    path: Annotated[str, Field(min_length=1, max_length=4000)] | None = None
    """files: a file, a folder or a glob; Parquet, JSON lines, CSV (also .csv.gz). Never a URL."""
    columns: dict[Role, Word] = Field(default_factory=dict)
    """Our column to the name it has in the source. A row of the table is a series where there is a list in it: series
    (channels x steps, or the steps of one channel), label, events ({kind, start, end} or one kind a step). It is a step
    where there is a time, id or events column: time (dates, or seconds; increasing), id (which series a row belongs
    to), label, events (the kind that is on, 0/1 or true/false). Else it is a series of one channel where there is a
    label column beside eight or more columns of numbers and nothing else, and a step where not."""
    channels: Annotated[list[Word], Field(min_length=1, max_length=MOST_CHANNELS)] | None = None
    """Columns of values, where a row is a step; null: all columns of numbers that are nothing else. Where a row is a
    series: names for its channels."""
    length: Annotated[int, Field(ge=SHORTEST, le=LONGEST)] | None = None
    """Steps of a row; null: the length that all series have."""
    stride: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Steps from one training row to the next of the same series; null: the length. Validation and held-out rows never
    overlap."""
    short: Literal["drop", "pad"] = "drop"
    """What happens to a series that is shorter than the length. drop: it is left out. pad: its last values are
    repeated."""
    gaps: int = Field(5, ge=0, le=1000)
    """Missing values are filled by a straight line along time where at most so many follow one another; rows with a
    longer gap are left out."""
    rate_hz: Annotated[float, Field(gt=0, le=1e12)] | None = None
    """Steps a second; null: from the time column, if it is even within 1 % (or a rounding of a millisecond)."""
    kinds: Annotated[list[Word], Field(min_length=1, max_length=MOST_KINDS)] | None = None
    """Names of the kinds of events, for the values 1, 2, ...; null: the distinct values, or "event" for 0/1."""
    classes: Annotated[list[Word], Field(min_length=2, max_length=1000)] | None = None
    """Names of the classes, in order; null: from the source's features, else the distinct values."""
    few: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Use only so many training rows a class, besides all validation and held-out ones."""

    @field_validator("channels", "kinds", "classes")
    @classmethod
    def _are_distinct(cls, names: list[str] | None) -> list[str] | None:
        return refuse_repeats(names, "one")
