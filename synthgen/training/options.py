"""How a denoiser is trained."""

from typing import Literal, Self

from pydantic import Field, model_validator

from ..options import Options


class EarlyStopOptions(Options):
    """When a training ends before its time; the best weights so far are then used."""

    patience: int | None = Field(3, ge=1, le=1000)
    """Stop after so many validations without a better validation loss; null: never."""
    nearest_ratio: float | None = Field(0.6, gt=0, le=2)
    """Stop when samples lie so much closer to training rows than validation rows do (memorisation); null: never."""


class TrainOptions(Options):
    """The training of the denoiser. It ends with `seconds` or `steps`, whichever comes first."""

    seconds: float | None = Field(120, gt=0, le=30 * 86400)
    """Wall time of the training; null: no bound. A bound in steps alone makes a run reproducible bit for bit."""
    steps: int | None = Field(None, ge=1, le=100_000_000)
    """Optimiser steps; null: no bound."""
    batch_size: int = Field(32, ge=1, le=65536)
    """Rows in a forward pass."""
    accumulate: int = Field(1, ge=1, le=4096)
    """Forward passes before each optimiser step."""
    optimizer: Literal["muon", "adamw", "adamw8bit"] = "muon"
    """muon: orthogonalised momentum on matrices and kernels, AdamW on the rest and on those of lora; adamw: AdamW on
    everything; adamw8bit: the same with a quarter of the memory for its state, by the package bitsandbytes, on an
    NVIDIA GPU."""
    learning_rate: float = Field(2e-3, gt=0, le=10)
    """The peak; Muon's update is scaled to the size of AdamW's, so one value serves both."""
    weight_decay: float = Field(0.01, ge=0, le=1)
    """Decoupled weight decay."""
    warmup: float = Field(0.03, ge=0, le=0.5)
    """Share of the training in which the learning rate rises from 0."""
    decay: float = Field(0.4, ge=0, le=1)
    """Share of the training, at its end, in which the learning rate falls to 0."""
    ema: float = Field(0.05, ge=0, le=0.25)
    """Length of the weights' moving average relative to the training so far (EDM2's sigma_rel); 0: no average."""
    clip: float = Field(1.0, gt=0, le=1000)
    """Largest norm of the gradient."""
    drop: float = Field(0.0, ge=0, lt=1)
    """Share of rows that are not told their condition; guidance needs some, such as 0.1, and else they are a waste."""
    augment: tuple[Literal["flip", "turn", "shift", "warp", "scale"], ...] = ()
    """Changes made to training rows at random. Images, masks along with them: flip, turn by quarters, shift by up to
    7 % of the side, warp: turned by up to 12 degrees and stretched by up to 15 %; the net is told how a row was
    changed, and draws unchanged ones. Series: warp: a stretch of 80 % or more, read over the whole length; scale: each
    channel by about 10 %; the net is not told, and draws series as varied."""
    sigma_mean: float = Field(0.0, ge=-5, le=5)
    """Noise levels are sigmoid(N(sigma_mean, sigma_sd)); larger: more time on coarse structure."""
    sigma_sd: float = Field(1.0, gt=0, le=5)
    """Spread of the noise levels."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """auto: bf16 where the CPU has avx512_bf16 or AMX, or on CUDA; else fp32."""
    gradient_checkpointing: bool = False
    """Compute a large model's layers again in the backward pass instead of keeping them: less memory, a third more
    time. For pretrained bases."""
    validate_every: float = Field(0.1, gt=0, le=1)
    """Share of the training between two looks at the validation loss."""
    checkpoint_seconds: float = Field(20, gt=0, le=86400)
    """Time between two checkpoints, from the last of which an interrupted training goes on."""
    early_stop: EarlyStopOptions = EarlyStopOptions()  # type: ignore[call-arg]
    """When to end before the time is up."""

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.seconds is None and self.steps is None:
            raise ValueError("seconds and steps are both null, so the training would never end; set one of them")
        return self
