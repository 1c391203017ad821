from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from synthgen.sources.pictures import decode_image, decode_mask
from synthgen.sources.rows import BadRow

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8)
RGB = np.arange(144, dtype=np.uint8).reshape(6, 8, 3)


def encode(picture: Image.Image, format: str = "PNG", **fields: Any) -> bytes:
    file = BytesIO()
    picture.save(file, format, **fields)
    return file.getvalue()


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF"])
@pytest.mark.parametrize("pixels", [GREY, RGB], ids=["grey", "rgb"])
def test_lossless_formats_keep_every_pixel(format: str, pixels: np.ndarray) -> None:
    assert np.array_equal(np.asarray(decode_image(encode(Image.fromarray(pixels), format), None)), pixels)


def test_jpeg_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encode(Image.fromarray(np.full((8, 8, 3), 120, np.uint8)), "JPEG"))
    assert np.abs(np.asarray(decode_image(tmp_path / "a.jpg", None)).astype(int) - 120).max() <= 2


def test_channels_are_converted_on_demand() -> None:
    assert decode_image(encode(Image.fromarray(RGB)), "grey").mode == "L"
    assert np.array_equal(np.asarray(decode_image(encode(Image.fromarray(GREY)), "rgb"))[..., 1], GREY)
    assert decode_image(encode(Image.fromarray(RGB).convert("P")), None).mode == "RGB"
    assert decode_image(encode(Image.fromarray(RGB).convert("RGBA")), None).mode == "RGB"


def test_a_turned_photograph_is_put_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode_image(encode(Image.fromarray(RGB), "JPEG", exif=exif), None).size == (6, 8)


def test_bad_images_have_a_reason(tmp_path: Path, make_noise: Any) -> None:
    good = encode(Image.fromarray(make_noise(1, 16, 16, 3)[0]))
    deep = encode(Image.fromarray(np.full((4, 4), 40_000, np.uint16)))
    gif = encode(Image.fromarray(GREY), "GIF")
    pages = encode(Image.fromarray(GREY), "TIFF", save_all=True, append_images=[Image.fromarray(GREY)])
    moving = encode(
        Image.fromarray(GREY), "WEBP", save_all=True, append_images=[Image.fromarray(255 - GREY)], lossless=True
    )
    nan = encode(Image.fromarray(np.full((4, 4), np.nan, np.float32)), "TIFF")
    cases = {
        "not a readable": [b"", b"hello", good[:60], good[: len(good) // 2], gif],
        "8 bits": [deep, nan],
        "several": [pages, moving],
    }
    for reason, files in cases.items():
        for file in files:
            with pytest.raises(BadRow, match=reason):
                decode_image(file, None)
    with pytest.raises(BadRow, match=r"no file 'x\.png'"):
        decode_image(tmp_path / "x.png", None)


def test_the_reason_is_the_same_every_time() -> None:
    def reason() -> str:
        with pytest.raises(BadRow) as caught:
            decode_image(b"hello", None)
        return str(caught.value)

    assert reason() == reason() and "0x" not in reason()


def test_masks_keep_their_values_in_every_mode() -> None:
    values = np.array([[0, 1], [2, 7]], np.uint8)
    palette = Image.fromarray(values)
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0] + [9] * (253 * 3))
    for picture in (
        Image.fromarray(values),
        palette,
        Image.fromarray(values.astype(np.uint16)),
        Image.fromarray(values.astype(np.int32)),
        Image.fromarray(np.repeat(values[..., None], 3, 2)),
    ):
        file = encode(picture, "TIFF" if picture.mode == "I" else "PNG")
        assert np.array_equal(np.asarray(decode_mask(file)), values), picture.mode
    bits = np.array([[0, 1], [1, 0]], np.uint8)
    assert np.array_equal(np.asarray(decode_mask(encode(Image.fromarray(bits.astype(bool))))), bits)


def test_masks_in_colours_or_out_of_range_are_bad() -> None:
    with pytest.raises(BadRow, match="colours"):
        decode_mask(encode(Image.fromarray(RGB)))
    with pytest.raises(BadRow, match="300"):
        decode_mask(encode(Image.fromarray(np.full((4, 4), 300, np.uint16))))
