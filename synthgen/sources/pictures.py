"""Encoded pictures to pixels. Knows PNG, JPEG, BMP, TIFF and WebP with 8 bits a channel, not tables or classes.

decode_image(Path("cell.png"), channels="grey").mode     # "L"
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from .rows import BadRow, Stored

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
ORIENTATION = 0x0112  # EXIF

_GREY = {"1", "L", "LA", "La"}
_DEEP = ("I", "F")  # 16 and 32 bits, whole or floating point


def decode_image(stored: Stored, channels: str | None) -> Image.Image:
    """Mode L or RGB. Transparency is dropped. A BadRow if it cannot be read or has more than 8 bits a channel."""
    picture = _open(stored)
    if picture.mode.startswith(_DEEP):
        raise BadRow(f"{picture.mode} pixels have more than 8 bits; save the image with 8 bits a channel")
    grey = picture.mode in _GREY if channels is None else channels == "grey"
    mode = "L" if grey else "RGB"
    return picture if picture.mode == mode else picture.convert(mode)


def decode_mask(stored: Stored) -> Image.Image:
    """Mode L, the value of a pixel as it is stored (of a palette: the index). A BadRow if it has colours."""
    picture = _open(stored)
    if picture.mode in ("L", "P"):
        values = np.asarray(picture)
    elif picture.mode == "1":
        values = np.asarray(picture).astype(np.uint8)
    elif picture.mode.startswith("I"):
        values = np.asarray(picture).astype(np.int64)
        if values.min() < 0 or values.max() > 255:
            raise BadRow(f"mask holds the value {values.max() if values.max() > 255 else values.min()}, not 0 to 255")
    else:
        values = _one_channel(picture)
    return Image.fromarray(values.astype(np.uint8))


def _one_channel(picture: Image.Image) -> np.ndarray:
    values = np.asarray(picture.convert("RGB")) if picture.mode in ("RGB", "RGBA", "LA") else None
    if values is None or (values != values[..., :1]).any():
        raise BadRow(f"mask has colours (mode {picture.mode}); save the number of the class in one channel")
    return values[..., 0]


def _open(stored: Stored) -> Image.Image:
    if isinstance(stored, Path) and not stored.is_file():
        raise BadRow(f"no file {stored.name!r}")
    try:
        picture: Image.Image = Image.open(BytesIO(stored) if isinstance(stored, bytes) else stored, formats=FORMATS)
        if picture.format in ("TIFF", "WEBP") and getattr(picture, "n_frames", 1) > 1:
            raise BadRow("holds several pictures; keep one a file")
        picture.load()
        if picture.format != "BMP" and picture.getexif().get(ORIENTATION, 1) != 1:
            picture = ImageOps.exif_transpose(picture)
    except (BadRow, MemoryError):
        raise
    except Exception as error:  # Pillow's plug-ins raise whatever their parser meets in a broken file
        raise BadRow(f"not a readable image ({_reason(error)})") from None
    return picture


def _reason(error: Exception) -> str:
    """Pillow's words, without the address of the buffer: the same file must give the same note."""
    words = str(error).split(" <_io")[0].split(" '/")[0].strip()
    return words or type(error).__name__
