"""What every denoiser can be told about a model that it starts from."""

import re
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from ..options import Options


class BaseOptions(Options):
    """A model to start from, and what of it is trained."""

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
    """Layers that get matrices of lora, by the ends of their names, such as to_q; empty: those of attention."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        lora = {"rank": self.rank != 16, "alpha": self.alpha is not None, "targets": bool(self.targets)}
        changed = next((name for name, differs in lora.items() if differs), None)
        if changed is not None and self.adapt in ("full", "heads"):
            raise ValueError(
                f"{changed} is of lora, and adapt is {self.adapt}; set model.adapt to lora, or leave {changed} out"
            )
        if self.base is None and (changed or self.adapt):
            raise ValueError(
                f"{changed or 'adapt'} says how a base is trained, and base is null; set model.base, or leave "
                f"{changed or 'adapt'} out"
            )
        return self

    @property
    def is_pinned(self) -> bool:
        """Whether the base is one thing for good: a folder, or a commit of the Hub."""
        if self.base is None or Path(self.base).is_dir():
            return True
        return re.fullmatch("[0-9a-f]{40}", self.revision or "") is not None


class ImageBaseOptions(BaseOptions):
    """What a pretrained image model is told, and how it is trained."""

    prompt: str | None = Field(None, min_length=1, max_length=500)
    """The text that a base is told of a row; {class} stands for the name of its class. null: `a photo of {class}`, or
    `a photo` where images are drawn to masks. Only with `base`."""
    size: int | None = Field(None, ge=8, le=4096)
    """Pixels of the longer side at which a base draws; rows are scaled to it and back. null: the base's own. Only with
    `base`."""
    min_snr: float | None = Field(5.0, gt=0, le=1000)
    """At most so much of a signal-to-noise ratio counts in the loss of bases that predict noise or v (Hang et al.
    2023); null: all of it. Flows do not need it."""
