"""What may be asked of the export.

Knows no task and no file.

    ExportOptions(formats=["coco"], license="cc-by-4.0")
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from ..options import Options

Tag = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._:/+-]*$")]


class ExportOptions(Options):
    formats: list[Literal["coco", "scenes"]] = Field(default_factory=list, max_length=8)
    """Further formats to write beside the Parquet files; coco (segmentation): images and instance annotations
    in dataset/coco/; scenes (shapes3d): several objects on a ground plane, with camera, depth and instance maps, as the
    configuration `scenes` of the dataset."""

    license: str | None = Field(None, min_length=1, max_length=120)
    """Licence of the dataset, as the Hub spells it (such as cc-by-4.0); null: the licence of the real rows."""

    rows_per_file: int = Field(10_000, ge=1, le=10_000_000)
    """Rows in each Parquet file."""

    tags: list[Tag] = Field(default_factory=list, max_length=50)
    """Tags for the dataset card, beside those of the task."""

    push: Literal[None] = None
    """A repository on the Hugging Face Hub to push to; this version does not push: null."""


@dataclass(frozen=True)
class Facts:
    """What a writer of another format has to know of the run."""

    recipe: str
    split: str
    seed: int
    license: str
