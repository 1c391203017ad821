"""What every denoiser can be told about a model that it starts from."""

from typing import Literal

from pydantic import Field

from ..options import Options


class BaseOptions(Options):
    """A model to start from, and what of it is trained."""

    base: str | None = None
    """The model to start from: a Hub id, a folder, or the `model` folder of an earlier run; null: from scratch."""
    revision: str | None = None
    """Commit, tag or branch of `base` on the Hub; null: its main branch."""
    adapt: Literal["lora", "full", "heads"] | None = None
    """What of the base is trained. lora: small matrices beside its layers (Hu et al. 2021), and what is new; full: all
    of it; heads: what is new alone. null: lora for pretrained models, full for those of an earlier run."""
    rank: int = Field(16, ge=1, le=1024)
    """Rank of the matrices of lora."""
    alpha: float | None = Field(None, gt=0, le=4096)
    """Scale of the matrices of lora, which count alpha / rank times; null: as large as the rank."""
    targets: tuple[str, ...] = ()
    """Layers that get matrices of lora, by the ends of their names, such as to_q; empty: those of attention."""


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
