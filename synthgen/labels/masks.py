"""Chooses the mask generator that the options name.

labels = build_masks(data, MaskConditionOptions(masks="recombine"), seed=0, folder=path)
labels.draw(np.arange(256))["mask"]        # uint8 (256, 64, 64)
"""

from __future__ import annotations

from pathlib import Path

from ..types import Data, LabelGenerator
from .drawn import DrawnMasks
from .mask_bank import MaskBank, known_masks
from .options import MaskConditionOptions
from .smooth_regions import SmoothRegions
from .warped import WarpedMasks


def build_masks(data: Data, options: MaskConditionOptions, seed: int, folder: Path | None = None) -> LabelGenerator:
    """A generator of the column `mask` (N, H, W), fitted to the training masks; drawn masks hold no ignore value.

    `folder` is a folder of its own, where a mask diffusion keeps its model; it may not exist yet. UserError if no
    training mask has an annotated pixel.
    """
    masks, classes = data.train["mask"], len(data.classes)
    if options.masks == "recombine":
        return WarpedMasks(MaskBank.fit(masks, classes, data.ignore), options, seed)
    masks, _ = known_masks(masks, classes, data.ignore)
    if options.masks == "regions":
        return SmoothRegions.fit(masks, classes, seed)
    return DrawnMasks.fit(masks, classes, options, seed, folder)
