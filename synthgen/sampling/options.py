"""How rows are drawn from a trained denoiser."""

from typing import Literal, Self

from pydantic import Field, model_validator

from ..options import Options


class SampleOptions(Options):
    """The solver, its steps, and how candidates are cut into shards."""

    steps: int = Field(10, ge=1, le=1000)
    """Intervals of the solver; euler and dpm++ call the net once in each, heun twice. Texts are
    written in blocks of `model.block` tokens, each in at most so many calls of the net."""
    solver: Literal["dpm++", "heun", "euler", "refine"] = "dpm++"
    """dpm++: DPM-Solver++(2M), the best of the three at 8 to 16 steps. Texts are written in the order of confidence
    whichever of the three stands here; refine: texts, as diffusers' LLaDA2Pipeline writes them, which can write over
    what it wrote."""
    shift: float | None = Field(None, gt=0, le=20)
    """More than 1 spends more steps on coarse structure (large images); null: 1, or what a pretrained base was made
    with. Not for texts."""
    guidance: float = Field(1.0, ge=0, le=20)
    """Classifier-free guidance; 1: none, which keeps the variety a learner needs; above it costs twice the time."""
    temperature: float = Field(0.8, ge=0, le=2)
    """Texts: how freely a token is drawn; 1: as the net says, 0: always the likeliest."""
    threshold: float = Field(0.95, ge=0, le=1)
    """With solver refine: tokens of more than this probability are written at once."""
    editing_threshold: float | None = Field(None, gt=0, le=1)
    """With solver refine: a written token gives way to another of more than this probability; null: none does."""
    batch_size: int = Field(128, ge=1, le=65536)
    """Rows that go through the net together."""
    shard_size: int = Field(256, ge=1, le=1_000_000)
    """Candidates in a shard, the unit of work and of resuming."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """auto: bf16 where the hardware has it."""
    seed: int | None = Field(None, ge=0, le=2**63 - 1)
    """Of what is drawn and of the noise: other rows of the same model. null: the recipe's seed, which also splits the
    source and trains."""

    @model_validator(mode="after")
    def _refines(self) -> Self:
        for name in ("threshold", "editing_threshold"):
            if self.solver != "refine" and getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(
                    f"{name} is of solver refine, and solver is {self.solver}; set sample.solver to refine, or leave "
                    f"{name} out"
                )
        return self
