"""The built-in source of labelled images: scikit-learn's handwritten digits. Knows nothing of other sources.

rows = list(open_digits().parts["train"]())      # 1,797 images of 8 x 8, still to be split
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import numpy as np
from PIL import Image

from .rows import Opened, Row

HELDOUT = 0.4  # of all rows
LARGEST_LEVEL = 16


def open_digits() -> Opened:
    """All rows; their 17 grey levels are spread over 0..255."""
    return Opened(
        parts={"train": _rows},
        title="digits of scikit-learn (the test part of UCI's Optical Recognition of Handwritten Digits)",
        names=tuple(str(digit) for digit in range(10)),
        license="CC-BY-4.0",
        citation="E. Alpaydin and C. Kaynak: Optical Recognition of Handwritten Digits, UCI Machine Learning "
        "Repository, 1998, doi:10.24432/C50P49",
        labels="the digit that was written, as published with the images",
        notes=("the writers are not named, so digits of one writer may be in train and held-out",),
    )


def _rows() -> Iterator[Row]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.round(digits.images * (255 / LARGEST_LEVEL)).astype(np.uint8)
    for number, (image, label) in enumerate(zip(images, digits.target, strict=True)):
        file = BytesIO()
        Image.fromarray(image).save(file, "BMP")
        yield Row(f"digits row {number}", file.getvalue(), int(label))
