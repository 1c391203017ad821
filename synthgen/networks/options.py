"""What every denoiser can be told about a model that it starts from."""

import re
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from ..options import Options


class ContinueOptions(Options):
    """How the model of an earlier run goes on learning from new rows."""

    replay: float = Field(0.3, ge=0, le=0.9)
    """Share of the training rows that the earlier model draws itself, of what it knew, through the gates of its run
    (generative replay, Shin et al. 2017); 0: none, and it forgets."""


class BaseOptions(Options):
    """A model to start from, and what of it is trained.

    `nets`: the classes of our own nets that a model of these options may start from. `reads`: what else a task's
    `network` reads by itself, in the words of `bases.identify`. `shape`: the fields that a base brings.
    """

    model_config = ConfigDict(serialize_by_alias=True)
    nets: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[tuple[str, ...]] = ()
    shape: ClassVar[tuple[str, ...]] = ()

    base: str | None = None
    """The model to start from: a Hub id, a folder, or the `model` folder of an earlier run; null: from scratch."""
    revision: str | None = None
    """Commit, tag or branch of `base` on the Hub; null: its main branch. Only a commit makes a run repeatable."""
    adapt: Literal["lora", "full", "heads"] | None = None
    """What of the base is trained. lora: small matrices beside its layers (Hu et al. 2021), and what is new; full: all
    of it; heads: what is new alone. null: lora for pretrained models, full for those of an earlier run."""
    rank: int = Field(16, ge=1, le=1024)
    """Rank of the matrices of lora."""
    alpha: float | None = Field(None, gt=0, le=4096)
    """Scale of the matrices of lora, which count alpha / rank times; null: as large as the rank."""
    targets: tuple[str, ...] = ()
    """Layers that get matrices of lora, by the ends of their names, such as to_q; empty: those of attention, and the
    convolutions of a small U-Net."""
    continue_: ContinueOptions | None = Field(None, alias="continue")
    """With `base`, the folder of an earlier run: go on learning, from this source's rows and from rows that the earlier
    model draws. The classes are those of both, and the report tells what became of the old ones. null: a new task."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        changed = next(iter(self.differing("rank", "alpha", "targets")), None)
        if changed is not None and self.adapt not in (None, "lora"):
            raise ValueError(
                f"{changed} is of lora, and adapt is {self.adapt}; set model.adapt to lora, or leave {changed} out"
            )
        said = changed or ("adapt" if self.adapt else "continue" if self.continue_ else None)
        if self.base is None and said:
            raise ValueError(
                f"{said} says how a base is trained, and base is null; set model.base, or leave {said} out"
            )
        return self

    def differing(self, *fields: str) -> dict[str, Any]:
        """Those of the fields that do not have their default, and their values."""
        known = type(self).model_fields
        found = {name: getattr(self, name) for name in fields}
        return {name: value for name, value in found.items() if value != known[name].get_default()}

    @property
    def is_pinned(self) -> bool:
        """Whether the base is one thing for good: a folder, or a commit of the Hub."""
        if self.base is None or Path(self.base).is_dir():
            return True
        return re.fullmatch("[0-9a-f]{40}", self.revision or "") is not None


class ImageBaseOptions(BaseOptions):
    """What a pretrained image model is told, and how it is trained."""

    reads: ClassVar[tuple[str, ...]] = ("diffusers", "hub")

    prompt: str | None = Field(None, min_length=1, max_length=500)
    """The text that a base is told of a row; {class} stands for the name of its class. null: `a photo of {class}`, or
    `a photo` where images are drawn to masks. Only with `base`."""
    size: int | None = Field(None, ge=8, le=4096)
    """Pixels of the longer side at which a base draws; rows are scaled to it and back. null: the base's own. Only with
    `base`."""
    min_snr: float | None = Field(5.0, gt=0, le=1000)
    """At most so much of a signal-to-noise ratio counts in the loss of bases that predict noise or v (Hang et al.
    2023); null: all of it. Flows do not need it."""
