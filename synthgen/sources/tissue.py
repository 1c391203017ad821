"""The built-in source of images with masks: one photograph of stained tissue, cut into crops, labelled by its colours.

The photograph is cut into three regions before anything else happens, so that no pixel, and nothing smoothed over
pixels, is in two of them: held-out is the right half, validation the lower part of the left half, train the rest.
The labels are the field's classical ones: colour deconvolution (Ruifrok & Johnston 2001) with thresholds.

    data = load_tissue(rows=1000, size=(64, 64), seed=0)     # train["image"] uint8 (1000, 64, 64, 3)
"""

from __future__ import annotations

import numpy as np

from ..errors import UserError
from ..types import Columns, Data, Origin
from .sizing import Shape, cut, turn
from .splits import HELDOUT_SEED, VALIDATION_SEED, seeded

CLASSES = ("background", "nucleus", "stain")
TRAIN = np.s_[:416, :256]
VALIDATION = np.s_[416:, :256]
HELDOUT = np.s_[:, 256:]
TRAIN_ROWS, VALIDATION_ROWS, HELDOUT_ROWS = 1000, 150, 300
LARGEST = 96  # the height of the validation region

# Otsu's threshold of each stain's smoothed concentration in the train region (0.0249, 0.0652), rounded and fixed, so
# that the labels stay the same whatever the version of scikit-image.
HEMATOXYLIN = 0.025
DAB = 0.065
BLUR = 1.0  # pixels: without it single pixels flicker between two classes
SPECK = 20  # pixels: smaller regions are noise of the thresholds; the smallest nucleus in sight has about 40

ORIGIN = Origin(
    name="immunohistochemistry, a photograph of stained colon tissue shipped with scikit-image",
    license="No known copyright restrictions (as stated by scikit-image)",
    citation="Center for Microscopy and Molecular Imaging (CMMI): colonic glands, FHL2 protein stained with DAB, "
    "hematoxylin counterstain; skimage.data.immunohistochemistry",
    labels="made by a program, not by a pathologist: colour deconvolution (rgb2hed; A. C. Ruifrok and D. A. Johnston, "
    "Anal. Quant. Cytol. Histol. 23, 2001), smoothed by 1 pixel, thresholds 0.025 for hematoxylin (nucleus) and "
    "0.065 for DAB (stain), regions below 20 pixels given to what surrounds them",
    splits="by place in the photograph, no pixel in two parts: held-out from the right half (columns 256 to 511), "
    "validation from rows 416 to 511 of the left half, train from the rest of the left half; one photograph, so "
    "held-out rows are of the same slide, staining and camera",
    notes=("crops overlap within their part; train crops are turned and flipped at random",),
)


def load_tissue(rows: int | None, size: Shape | None, seed: int) -> Data:
    """Crops of `size` (height, width; 64 x 64 by default), `rows` of them in train (1,000 by default).

    image uint8 (N, H, W, 3), mask uint8 (N, H, W). Validation and held-out do not depend on the seed.
    """
    size = size or (64, 64)
    if max(size) > LARGEST:
        raise UserError(f"source.size: {max(size)} is too large for tissue; use at most {LARGEST}")
    photograph = read_photograph()
    held, choice = seeded(HELDOUT_SEED), seeded(VALIDATION_SEED)
    return Data(
        train=_crops(photograph[TRAIN], rows or TRAIN_ROWS, size, seeded(seed), turned=True),
        validation=_crops(photograph[VALIDATION], VALIDATION_ROWS, size, choice, turned=False),
        heldout=_crops(photograph[HELDOUT], HELDOUT_ROWS, size, held, turned=False),
        classes=CLASSES,
        origin=ORIGIN,
    )


def read_photograph() -> np.ndarray:
    """uint8 (512, 512, 3)."""
    from skimage.data import immunohistochemistry

    return np.asarray(immunohistochemistry())


def label_colours(region: np.ndarray) -> np.ndarray:
    """Class of each pixel of an RGB region, uint8 (H, W, 3) -> uint8 (H, W): stain over nucleus over background."""
    from skimage.color import rgb2hed
    from skimage.filters import gaussian

    stains = rgb2hed(region)
    nucleus = gaussian(stains[..., 0], BLUR, mode="nearest") > HEMATOXYLIN
    stain = gaussian(stains[..., 2], BLUR, mode="nearest") > DAB
    stain = _without_specks(stain)
    return np.where(stain, 2, _without_specks(nucleus & ~stain)).astype(np.uint8)


def _without_specks(region: np.ndarray) -> np.ndarray:
    """`region` without islands and holes of fewer than SPECK pixels. bool (H, W)."""
    from scipy.ndimage import label

    for inside in (True, False):
        islands, _ = label(region == inside)
        small = np.bincount(islands.ravel()) < SPECK
        small[0] = False
        region = np.where(small[islands], not inside, region)
    return region


def _crops(region: np.ndarray, count: int, size: Shape, generator: np.random.Generator, *, turned: bool) -> Columns:
    """`count` crops at random positions, each under a random element of the dihedral group if `turned`."""
    height, width = size
    mask = label_colours(region)
    tops = generator.integers(0, region.shape[0] - height + 1, count)
    lefts = generator.integers(0, region.shape[1] - width + 1, count)
    # A quarter turn would change the shape of a crop that is not square: half turns then (elements 0, 2, 4, 6).
    turns = generator.integers(0, 8, count) if height == width else 2 * generator.integers(0, 4, count)
    images = np.empty((count, height, width, 3), np.uint8)
    masks = np.empty((count, height, width), np.uint8)
    for row, (corner, element) in enumerate(zip(zip(tops, lefts, strict=True), turns, strict=True)):
        element = int(element) if turned else 0
        images[row] = turn(cut(region, corner, size), element)
        masks[row] = turn(cut(mask, corner, size), element)
    return {"image": images, "mask": masks}
