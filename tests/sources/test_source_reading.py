"""Bad rows: which are left out and named, which stop everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthgen.errors import UserError
from synthgen.sources import ImageSourceOptions, load_labelled_images, load_masked_images


def files(path: Path | str, **fields: Any) -> ImageSourceOptions:
    return ImageSourceOptions.model_validate({"kind": "files", "path": str(path), **fields})


@pytest.fixture
def table(tmp_path: Path, write_parquet: Any, make_png: Any, make_noise: Any, make_halves: Any) -> Any:
    """A Parquet file of `count` rows with image and label or mask, after `spoil(columns)`."""

    def make(count: int, spoil: Any, target: str = "label") -> Path:
        columns: dict[str, list[Any]] = {"image": [make_png(image) for image in make_noise(count, 8, 8)]}
        if target == "label":
            columns["label"] = [row % 2 for row in range(count)]
        else:
            columns["mask"] = [make_png(mask) for mask in make_halves(count, 8, 8)]
        spoil(columns)
        return write_parquet(tmp_path / "a.parquet", columns)

    return make


def corrupt(columns: dict[str, list[Any]]) -> None:
    columns["image"][17] = columns["image"][17][:50]


def unlabel(columns: dict[str, list[Any]]) -> None:
    columns["label"] = [None if row == 17 else float(label) for row, label in enumerate(columns["label"])]


def make_nan(columns: dict[str, list[Any]]) -> None:
    columns["label"] = [float("nan") if row == 17 else float(label) for row, label in enumerate(columns["label"])]


def empty(columns: dict[str, list[Any]]) -> None:
    columns["image"][17] = None


SPOILS = {"not a readable image": corrupt, "no label": unlabel, "label is NaN": make_nan, "no image": empty}


@pytest.mark.parametrize("reason", SPOILS)
def test_one_bad_row_in_a_hundred_is_left_out_and_named(table: Any, reason: str) -> None:
    data = load_labelled_images(files(table(100, SPOILS[reason])), seed=0)
    assert sum(len(part["label"]) for part in (data.train, data.validation, data.heldout)) == 99
    assert any(
        note.startswith("1 of 100 rows were left out: a.parquet row 17: ") and reason in note
        for note in data.origin.notes
    )
    assert data.classes == ("0", "1")


def test_more_than_one_in_a_hundred_is_an_error(table: Any) -> None:
    def spoil(columns: dict[str, list[Any]]) -> None:
        columns["image"][5:8] = [b"junk"] * 3

    with pytest.raises(UserError, match=r"3 of 100 rows cannot be used, first a\.parquet row 5: not a readable image"):
        load_labelled_images(files(table(100, spoil)), seed=0)


def test_an_unknown_class_is_a_bad_row(table: Any) -> None:
    def spoil(columns: dict[str, list[Any]]) -> None:
        columns["label"] = [["cat", "dog"][label] for label in columns["label"]]
        columns["label"][9] = "bird"

    file = table(100, spoil)
    data = load_labelled_images(files(file, classes=["dog", "cat"]), seed=0)
    assert data.classes == ("dog", "cat")
    assert "a.parquet row 9: 'bird' is not one of the classes" in " ".join(data.origin.notes)
    with pytest.raises(UserError, match=r"50 of 100 rows .* row 1: 'dog' is not one"):
        load_labelled_images(files(file, classes=["cat", "fish"]), seed=0)


def test_a_mask_of_another_size_is_a_bad_row(table: Any, make_png: Any) -> None:
    def spoil(columns: dict[str, list[Any]]) -> None:
        columns["mask"][3] = make_png(np.zeros((8, 9), np.uint8))

    data = load_masked_images(files(table(100, spoil, "mask")), seed=0)
    assert "row 3: mask is 9 x 8 pixels, its image 8 x 8" in " ".join(data.origin.notes)


def test_a_mask_value_that_is_no_class_is_a_bad_row(table: Any, make_png: Any) -> None:
    def spoil(columns: dict[str, list[Any]]) -> None:
        columns["mask"][4] = make_png(np.full((8, 8), 9, np.uint8))

    file = table(100, spoil, "mask")
    data = load_masked_images(files(file, classes=["a", "b"]), seed=0)
    assert "row 4: mask holds 9, which is not a class's number" in " ".join(data.origin.notes)
    with pytest.raises(UserError, match="masks hold the values 0, 1, 9"):
        load_masked_images(files(file), seed=0)


def test_images_below_a_tile_are_bad_rows(table: Any) -> None:
    with pytest.raises(UserError, match=r"20 of 20 .* row 0: 8 x 8 pixels are less than one tile"):
        load_masked_images(files(table(20, lambda _: None, "mask"), size=16, fit="tile"), seed=0)


@pytest.mark.parametrize("target", ["label", "mask"])
def test_zero_rows_and_one_row(table: Any, target: str) -> None:
    load = load_labelled_images if target == "label" else load_masked_images
    with pytest.raises(UserError, match=r"a\.parquet holds no rows"):
        load(files(table(0, lambda _: None, target)), seed=0)
    with pytest.raises(UserError, match="no row is left for validation out of 1 usable row;"):
        load(files(table(1, lambda _: None, target)), seed=0)


def test_one_bad_row_alone(table: Any) -> None:
    def spoil(columns: dict[str, list[Any]]) -> None:
        columns["image"][0] = b"junk"

    with pytest.raises(UserError, match="the only row cannot be used, first a.parquet row 0"):
        load_labelled_images(files(table(1, spoil)), seed=0)


def test_one_class_is_refused(table: Any) -> None:
    def spoil(columns: dict[str, list[Any]]) -> None:
        columns["label"] = [7] * 20

    with pytest.raises(UserError, match="only the class '7'"):
        load_labelled_images(files(table(20, spoil)), seed=0)


def test_a_class_missing_in_train_is_refused(tmp_path: Path, table: Any) -> None:
    file = table(40, lambda _: None)
    file.rename(tmp_path / "train.parquet")

    def spoil(columns: dict[str, list[Any]]) -> None:
        columns["label"][0] = 2
        columns["image"] = columns["image"][::-1]

    table(41, spoil).rename(tmp_path / "test.parquet")
    with pytest.raises(UserError, match="class '2' has no training rows but the heldout part has it"):
        load_labelled_images(files(tmp_path), seed=0)


def test_rows_of_train_are_taken_out_of_test(tmp_path: Path, table: Any) -> None:
    table(40, lambda _: None).rename(tmp_path / "train.parquet")
    table(50, lambda _: None).rename(tmp_path / "test.parquet")
    data = load_labelled_images(files(tmp_path), seed=0)
    assert len(data.heldout["label"]) == 10
    assert any(note.startswith("40 heldout rows were left out: the same values") for note in data.origin.notes)
