"""What the label generators may be told.

conditions: {balance: {cat: 3, dog: 1}}          # classification
conditions: {masks: recombine, warp: 0.05}       # segmentation
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..options import ConditionOptions, Options

Weight = Annotated[float, Field(ge=0, le=1e9)]


class ClassConditionOptions(ConditionOptions):
    """Which classes to draw."""

    balance: Literal["uniform", "real"] | dict[str, Weight] = "uniform"
    """The class mix: `uniform`, `real` (as in the training rows), or a weight a class, such as {cat: 3, dog: 1};
    classes that are not named are not drawn."""


class MaskDiffusionOptions(Options):
    """The small diffusion model that draws masks, for `masks: diffusion`."""

    steps: int = Field(default=300, ge=1, le=1_000_000)
    """Optimiser steps; the training ends here, so that it can be repeated."""
    batch_size: int = Field(default=16, ge=1, le=4096)
    """Masks an optimiser step."""
    resolution: int = Field(default=16, ge=8, le=256)
    """Cells along the longer side of the grid that the model draws (rounded to a multiple of 8); each cell holds class
    shares, so that outlines are finer than the grid once it is enlarged smoothly."""
    width: int = Field(default=32, ge=8, le=512, multiple_of=8)
    """Channels of the network's first level."""
    learning_rate: float = Field(default=2e-3, gt=0, le=1)
    """Of AdamW, falling to 0 by a cosine."""
    sample_steps: int = Field(default=8, ge=1, le=1000)
    """Calls of the network a mask."""


class MaskConditionOptions(ConditionOptions):
    """Which masks to draw."""

    masks: Literal["recombine", "diffusion", "regions"] = "recombine"
    """`recombine`: two real masks, turned, warped and joined. `diffusion`: drawn by a small diffusion model trained on
    the real masks. `regions`: smooth random regions with the real class shares."""
    join: float = Field(default=0.75, ge=0, le=1)
    """recombine: probability that a second real mask is joined in."""
    warp: float = Field(default=0.02, ge=0, le=0.5)
    """recombine: standard deviation of the elastic displacement, as a share of the image's side."""
    zoom: float = Field(default=0.1, ge=0, le=0.5)
    """recombine: sizes change by up to this share either way."""
    turn: bool = True
    """recombine: quarter turns and turning upside down; off for pictures with an up and a down."""
    mirror: bool = True
    """recombine: mirror left and right."""
    diffusion: MaskDiffusionOptions = MaskDiffusionOptions()
    """diffusion: the model and its training."""

    @property
    def trains(self) -> bool:
        return self.masks == "diffusion"
