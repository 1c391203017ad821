"""What is written is read back by pycocotools, region by region, pixel by pixel."""

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from PIL import Image
from pycocotools.coco import COCO
from scipy import ndimage

from synthgen.export.coco import regions, run_lengths, write_coco

CLASSES = ("background", "nucleus", "stain")


def load(folder: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(folder / "annotations" / "instances_train.json"))


def image(shape: tuple[int, ...] = (9, 12, 3), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def hard_masks() -> list[np.ndarray]:
    empty = np.zeros((9, 12), np.uint8)
    border, hole, single, diagonal = empty.copy(), empty.copy(), empty.copy(), empty.copy()
    border[:, 0], border[0, :], border[-1, 5:] = 1, 1, 2
    hole[2:7, 2:7] = 1
    hole[4, 4] = 0
    hole[3:6, 3:6][1, 0] = 2
    single[8, 11], single[4, 4] = 2, 1
    diagonal[1, 1] = diagonal[2, 2] = 1
    full = np.full((9, 12), 2, np.uint8)
    return [border, empty, hole, single, diagonal, full]


def test_every_region_comes_back_exactly(tmp_path: Path) -> None:
    masks = hard_masks()
    counts = write_coco(tmp_path, ({"image": image(seed=i), "mask": m} for i, m in enumerate(masks)), CLASSES)
    coco = load(tmp_path)
    assert counts == {"images": len(masks), "annotations": len(coco.anns)}
    for number, mask in enumerate(masks, start=1):
        found = np.zeros_like(mask)
        annotations = coco.loadAnns(coco.getAnnIds(number))
        assert len(annotations) == sum(ndimage.label(mask == value)[1] for value in (1, 2))
        for annotation in annotations:
            region = coco.annToMask(annotation).astype(bool)
            x, y, w, h = annotation["bbox"]
            assert region.sum() == annotation["area"] == region[y : y + h, x : x + w].sum()
            assert region[y, x : x + w].any() and region[y + h - 1, x : x + w].any()
            assert region[y : y + h, x].any() and region[y : y + h, x + w - 1].any()
            assert not found[region].any()
            found[region] = annotation["category_id"]
        np.testing.assert_array_equal(found, mask)


def test_categories_leave_out_background_and_objects_leave_out_ignored_pixels(tmp_path: Path) -> None:
    mask = hard_masks()[0]
    mask[5, 5:9] = 255
    write_coco(tmp_path, [{"image": image(), "mask": mask}], CLASSES, ignore=255, license="CC0-1.0")
    coco = load(tmp_path)
    assert [(c["id"], c["name"]) for c in coco.loadCats(coco.getCatIds())] == [(1, "nucleus"), (2, "stain")]
    assert sorted(a["category_id"] for a in coco.anns.values()) == [1, 2]
    assert coco.dataset["licenses"][0]["name"] == "CC0-1.0"


def test_images_are_the_rows_images(tmp_path: Path) -> None:
    pixels, grey = image(), image((9, 12, 1))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    mask = io.BytesIO()
    Image.fromarray(hard_masks()[0]).save(mask, "PNG")
    rows = [{"image": buffer.getvalue(), "mask": mask.getvalue()}, {"image": grey, "mask": hard_masks()[1]}]
    write_coco(tmp_path, rows, CLASSES)
    coco = load(tmp_path)
    first, second = coco.loadImgs([1, 2])
    assert (first["width"], first["height"]) == (second["width"], second["height"]) == (12, 9)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "train" / first["file_name"])), pixels)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "train" / second["file_name"])), grey[..., 0])
    assert len(coco.getAnnIds(1)) == 2


def test_boxes_without_masks(tmp_path: Path) -> None:
    objects = [{"class": 1, "box": [2, 3, 4, 5], "area": 20}, {"class": 0, "box": [0, 0, 1, 1]}]
    write_coco(tmp_path, [{"image": image(), "objects": objects}], CLASSES)
    coco = load(tmp_path)
    (annotation,) = coco.anns.values()
    assert annotation["area"] == 20
    expected = np.zeros((9, 12), np.uint8)
    expected[3:8, 2:6] = 1
    np.testing.assert_array_equal(coco.annToMask(annotation), expected)


def test_no_rows_is_still_a_valid_file(tmp_path: Path) -> None:
    assert write_coco(tmp_path, [], CLASSES) == {"images": 0, "annotations": 0}
    assert load(tmp_path).getImgIds() == []


def test_rows_are_taken_one_at_a_time(tmp_path: Path) -> None:
    """The image of one row is on disk before the next row is asked for."""

    def rows() -> Iterator[dict[str, Any]]:
        for number in range(4):
            assert len(list((tmp_path / "train").glob("*.png"))) == number
            yield {"image": image(), "mask": hard_masks()[0]}

    write_coco(tmp_path, rows(), CLASSES)


def test_same_rows_same_bytes_and_nothing_left_over(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_coco(tmp_path / name, [{"image": image(), "mask": m} for m in hard_masks()], CLASSES)
    written = [{p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*.*")} for n in ("a", "b")]
    assert written[0] == written[1]
    assert sorted(path.name for path in (tmp_path / "a" / "annotations").iterdir()) == ["instances_train.json"]


def test_mask_of_another_size_names_the_row(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"row 1: the mask is \(4, 4\), but its image \(9, 12\)"):
        write_coco(tmp_path, [{"image": image(), "mask": np.zeros((4, 4), np.uint8)}], CLASSES)
    assert not (tmp_path / "annotations" / "instances_train.json").exists()


def test_names_beyond_ascii(tmp_path: Path) -> None:
    write_coco(tmp_path, [], ("Hintergrund", 'Zell"kern', "染色"))
    record = json.loads((tmp_path / "annotations" / "instances_train.json").read_text(encoding="utf-8"))
    assert [category["name"] for category in record["categories"]] == ['Zell"kern', "染色"]


@settings(max_examples=60, deadline=None)
@given(st_numpy.arrays(np.uint8, st.tuples(st.integers(1, 7), st.integers(1, 7)), elements=st.integers(0, 2)))
def test_regions_partition_the_mask_and_run_lengths_rebuild_them(mask: np.ndarray) -> None:
    rebuilt = np.zeros_like(mask)
    for value, region in regions(mask, {1, 2}):
        coded = run_lengths(region)
        assert sum(coded["counts"]) == mask.size
        inside = np.repeat(np.arange(len(coded["counts"])) % 2, coded["counts"]).astype(bool)
        np.testing.assert_array_equal(inside.reshape(mask.shape, order="F"), region)
        assert ndimage.label(region)[1] == 1
        rebuilt[region] += value
    np.testing.assert_array_equal(rebuilt, mask)
