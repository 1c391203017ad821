"""What every denoiser can be told about a model that it starts from."""

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
    """Commit, tag or branch of `base` on the Hub; null: its main branch."""
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
    def _has_a_base(self) -> Self:
        if self.base is None:
            for field in ("adapt", "continue"):
                if getattr(self, "continue_" if field == "continue" else field) is not None:
                    raise ValueError(f"{field} needs a model to start from; set model.base")
        if self.adapt not in (None, "lora"):
            for field in self.differing("rank", "alpha", "targets"):
                raise ValueError(f"{field} is of adapt: lora, not of {self.adapt!r}; remove it")
        return self

    def differing(self, *fields: str) -> dict[str, Any]:
        """Those of the fields that do not have their default, and their values."""
        known = type(self).model_fields
        found = {name: getattr(self, name) for name in fields}
        return {name: value for name, value in found.items() if value != known[name].get_default()}
