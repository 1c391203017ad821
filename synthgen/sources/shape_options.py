"""What a recipe may say about a source of 3D shapes. Knows fields and bounds, not how anything is read.

ShapeSourceOptions(kind="files", path="chairs_and_tables", points=1024, up="y")
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from .options import SourceOptions, Word, refuse_repeats

MOST_PARTS = 255  # a part is stored in a byte
Role = Literal["points", "part", "label", "path"]


class ShapeSourceOptions(SourceOptions):
    """Meshes or point clouds with a class, and with or without a part for each point."""

    _of_builtins: ClassVar[frozenset[str]] = frozenset({"points"})

    path: Annotated[str, Field(min_length=1, max_length=4000)] | None = None
    """files: a file, a folder or a glob. Meshes (GLB, glTF, OBJ, PLY, OFF, STL) and clouds (PLY, NPZ) in a folder a
    class, or with a labels.csv (path, class) in the folder or beside it; or Parquet tables. Never a URL."""
    columns: dict[Role, Word] = Field(default_factory=dict)
    """Our column to the name it has in the source: points, part, label in Parquet, NPZ and on the Hub, part as a
    property of PLY's vertices; path and label (which is `class` if nothing is said) in labels.csv."""
    points: int = Field(1024, ge=256, le=4096, multiple_of=8)
    """Points of a row. Meshes are sampled by area; larger clouds are thinned, points of smaller ones repeated."""
    up: Literal["y", "z"] | None = None
    """The axis that points up; null: y in GLB and glTF, as their standard says, and z elsewhere."""
    classes: Annotated[list[Word], Field(min_length=2, max_length=1000)] | None = None
    """Names of the classes, in order; shapes of other classes are left out. null: from the source's features, else the
    distinct values."""
    parts: Annotated[list[Word], Field(min_length=1, max_length=MOST_PARTS)] | None = None
    """Names of the parts, for the values 0, 1, ...; null: from the source's features, else the distinct values."""
    least: int = Field(5, ge=1, le=1000)
    """A class with fewer training shapes than this is rare."""
    rare: Literal["drop", "keep"] = "drop"
    """What happens to rare classes. drop: they are left out. keep: they stay, with what little they have."""

    @field_validator("classes", "parts")
    @classmethod
    def _are_distinct(cls, names: list[str] | None) -> list[str] | None:
        return refuse_repeats(names, "one")
