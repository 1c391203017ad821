from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from synthgen.errors import UserError
from synthgen.sources import ImageSourceOptions, describe_source, load_labelled_images, load_masked_images


def files(path: Path | str, **fields: Any) -> ImageSourceOptions:
    return ImageSourceOptions.model_validate({"kind": "files", "path": str(path), **fields})


def counts(data: Any) -> list[int]:
    return [len(part["image"]) for part in (data.train, data.validation, data.heldout)]


def test_a_folder_with_train_and_test(labelled: Any) -> None:
    data = load_labelled_images(files(labelled(train=40, test=10)), seed=0)
    assert counts(data) == [36, 4, 10]
    assert data.classes == ("kind 0", "kind 1")
    assert data.train["image"].shape == (36, 8, 8, 1) and data.train["image"].dtype == np.uint8
    assert data.train["label"].dtype == np.int64
    assert data.origin.license == "unknown"
    assert "own test part" in data.origin.splits


def test_one_file_is_split_by_shares(labelled: Any) -> None:
    data = load_labelled_images(files(labelled(train=100) / "train.parquet", heldout=0.3), seed=0)
    assert counts(data) == [63, 7, 30]
    assert list(np.bincount(data.heldout["label"])) == [15, 15]


def test_the_same_options_give_the_same_bytes(labelled: Any) -> None:
    options = files(labelled(train=60), rows=20)
    one, two, other = (load_labelled_images(options, seed=seed) for seed in (3, 3, 4))
    for part in ("train", "validation", "heldout"):
        assert all(getattr(one, part)[c].tobytes() == getattr(two, part)[c].tobytes() for c in ("image", "label"))
    assert one.train["image"].tobytes() != other.train["image"].tobytes()
    assert one.heldout["image"].tobytes() == other.heldout["image"].tobytes()


def test_a_glob_and_shards_of_a_part(tmp_path: Path, write_parquet: Any, make_png: Any, make_noise: Any) -> None:
    for number in range(3):
        images = [make_png(image) for image in make_noise(20, 6, 6, 3, seed=number)]
        name = f"data/train-0000{number}-of-00002.parquet" if number < 2 else "data/test-00000-of-00001.parquet"
        write_parquet(tmp_path / name, {"image": images, "label": [row % 2 for row in range(20)]})
    assert counts(load_labelled_images(files(tmp_path), seed=0)) == [36, 4, 20]
    assert counts(load_labelled_images(files(tmp_path / "data/train-*.parquet"), seed=0)) == [29, 3, 8]


def test_named_splits_choose_the_files(labelled: Any) -> None:
    folder = labelled(train=40, test=20)
    (folder / "train.parquet").rename(folder / "big.parquet")
    data = load_labelled_images(files(folder, split={"train": "big", "heldout": "test"}), seed=0)
    assert counts(data) == [36, 4, 20]
    alone = load_labelled_images(files(folder, split="big"), seed=0)
    assert counts(alone) == [29, 3, 8]
    assert "test.parquet" in " ".join(alone.origin.notes)
    with pytest.raises(UserError, match="no rows to train on"):
        load_labelled_images(files(folder, split="small"), seed=0)


def test_columns_are_mapped(tmp_path: Path, write_parquet: Any, make_png: Any, make_noise: Any) -> None:
    pictures = [make_png(image) for image in make_noise(20, 6, 6)]
    file = write_parquet(tmp_path / "a.parquet", {"img": pictures, "kind": ["cat", "dog"] * 10})
    data = load_labelled_images(files(file, columns={"image": "img", "label": "kind"}), seed=0)
    assert data.classes == ("cat", "dog")
    with pytest.raises(UserError, match="has no column 'image'"):
        load_labelled_images(files(file), seed=0)


def test_class_folders(tmp_path: Path, make_png: Any, make_noise: Any) -> None:
    for number, image in enumerate(make_noise(20, 6, 6)):
        part, kind = ("train", "test")[number % 5 == 4], ("b cat", "a dog")[number % 2]
        file = tmp_path / part / kind / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(make_png(image))
    data = load_labelled_images(files(tmp_path), seed=0)
    assert data.classes == ("a dog", "b cat")
    assert counts(data) == [14, 2, 4]
    assert load_labelled_images(files(tmp_path / "train", heldout=0.25), seed=0).classes == data.classes
    assert counts(load_labelled_images(files(tmp_path / "train", heldout=0.25), seed=0)) == [11, 1, 4]


@pytest.mark.parametrize("layout", ["folders", "parts", "endings"])
def test_pairs_of_images_and_masks(
    tmp_path: Path, layout: str, make_png: Any, make_noise: Any, make_halves: Any
) -> None:
    for number, (image, mask) in enumerate(zip(make_noise(20, 8, 8, 3), make_halves(20, 8, 8, 255), strict=True)):
        part = ("train", "test")[number % 4 == 3]
        places = {
            "folders": (f"images/{number}.png", f"masks/{number}.png"),
            "parts": (f"{part}/images/{number}.png", f"{part}/masks/{number}_mask.png"),
            "endings": (f"{number}.png", f"{number}_mask.png"),
        }[layout]
        for place, pixels in zip(places, (image, mask), strict=True):
            (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / place).write_bytes(make_png(pixels))
    data = load_masked_images(files(tmp_path), seed=0)
    assert counts(data) == ([13, 2, 5] if layout == "parts" else [14, 2, 4])
    assert data.train["mask"].shape == (len(data.train["image"]), 8, 8) and data.train["mask"].dtype == np.uint8
    assert set(np.unique(data.train["mask"])) == {0, 1}
    assert data.classes == ("background", "foreground")


def test_json_lines_with_masks_and_ignore(tmp_path: Path, make_png: Any, make_noise: Any, make_halves: Any) -> None:
    lines = []
    for number, (image, mask) in enumerate(zip(make_noise(10, 8, 12, 3), make_halves(10, 8, 12), strict=True)):
        mask[0] = 255
        for name, pixels in (("i", image), ("m", mask)):
            (tmp_path / f"{name}{number}.png").write_bytes(make_png(pixels))
        lines.append(json.dumps({"image": f"i{number}.png", "mask": f"m{number}.png"}))
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    options = files(tmp_path / "rows.jsonl", ignore=255, size=(16, 16), fit="pad", classes=["left", "right"])
    data = load_masked_images(options, seed=0)
    assert data.ignore == 255 and data.classes == ("left", "right")
    assert data.train["image"].shape[1:] == (16, 16, 3)
    assert (data.train["mask"][:, 0] == 255).all() and set(np.unique(data.train["mask"])) == {0, 1, 255}


def test_tiles_of_bigger_images(tmp_path: Path, write_parquet: Any, make_png: Any, make_noise: Any) -> None:
    images, masks = make_noise(10, 40, 40), [np.zeros((40, 40), np.uint8) for _ in range(10)]
    for number, (image, mask) in enumerate(zip(images, masks, strict=True)):
        image[:] = image // 32 * 8 + number  # the lowest bits tell the images apart
        mask[4:14, 4:14] = 1
    encoded = {"image": [make_png(image) for image in images], "mask": [make_png(mask) for mask in masks]}
    file = write_parquet(tmp_path / "a.parquet", encoded)
    data = load_masked_images(files(file, size=16, fit="tile", rows=50), seed=0)
    assert counts(data) == [50, 4, 8]
    images_of = [{int(tile.flat[0]) % 8 for tile in part["image"]} for part in (data.train, data.validation)]
    assert images_of[0].isdisjoint(images_of[1]) or len(images_of[1]) == 1
    per_image = load_masked_images(files(file, size=16, fit="tile"), seed=0)
    assert counts(per_image) == [28, 4, 8]
    with_object = (data.train["mask"].max((1, 2)) > 0).mean()
    assert with_object > 0.4  # one random tile holds some of the object with probability (14 / 25)^2 = 0.31


def test_tiles_keep_their_label(tmp_path: Path, write_parquet: Any, make_png: Any) -> None:
    images = [np.full((20, 20), 100 * (row % 2) + row, np.uint8) for row in range(20)]
    file = write_parquet(
        tmp_path / "a.parquet", {"image": [make_png(i) for i in images], "label": [r % 2 for r in range(20)]}
    )
    data = load_labelled_images(files(file, size=8, fit="tile"), seed=0)
    assert counts(data) == [56, 8, 16]
    assert ((data.train["image"][:, 0, 0, 0] >= 100) == (data.train["label"] == 1)).all()


def test_sizes_that_differ_need_a_word(tmp_path: Path, write_parquet: Any, make_png: Any, make_noise: Any) -> None:
    images = [make_png(image) for image in [*make_noise(10, 6, 6), *make_noise(10, 6, 9)]]
    file = write_parquet(tmp_path / "a.parquet", {"image": images, "label": [0, 1] * 10})
    with pytest.raises(UserError, match=r"source\.size: images differ in size \(a\.parquet row 0 6 x 6, .* 9 x 6\)"):
        load_labelled_images(files(file), seed=0)
    for fit in ("resize", "center", "pad"):
        assert load_labelled_images(files(file, size=8, fit=fit), seed=0).train["image"].shape[1:] == (8, 8, 1)


def test_grey_and_colour_together_become_colour(
    tmp_path: Path, write_parquet: Any, make_png: Any, make_noise: Any
) -> None:
    images = [make_png(image) for image in [*make_noise(10, 6, 6), *make_noise(10, 6, 6, 3)]]
    file = write_parquet(tmp_path / "a.parquet", {"image": images, "label": [0, 1] * 10})
    data = load_labelled_images(files(file), seed=0)
    assert data.train["image"].shape[1:] == (6, 6, 3)
    assert "10 of 20 images are grey" in " ".join(data.origin.notes)
    assert load_labelled_images(files(file, channels="grey"), seed=0).train["image"].shape[1:] == (6, 6, 1)


def test_a_thousand_classes(labelled: Any) -> None:
    data = load_labelled_images(files(labelled(train=3000, classes=1000, side=4)), seed=0)
    assert len(data.classes) == 1000
    assert len(set(data.train["label"])) == 1000


def test_licence_and_origin_go_on(labelled: Any) -> None:
    options = files(labelled(), license="CC0-1.0", origin="A. Person 2020", id="owner/name")
    origin = load_labelled_images(options, seed=0).origin
    assert (origin.license, origin.citation) == ("CC0-1.0", "A. Person 2020")
    assert "owner/name" in origin.name


def test_the_card_does_not_tell_where_the_folder_was(labelled: Any, tmp_path: Path) -> None:
    assert str(tmp_path) not in str(load_labelled_images(files(labelled()), seed=0).origin)


def test_a_look_at_the_header(labelled: Any, tmp_path: Path) -> None:
    folder = labelled(train=10, test=4)
    assert describe_source(files(folder), "label") == "pictures: train, heldout; 2 classes"
    for target in ("mask", "label"):
        with pytest.raises(UserError, match="source.path: .* no file or folder"):
            describe_source(files(tmp_path / "nothing"), target)
    with pytest.raises(UserError, match="has no column 'mask'"):
        describe_source(files(folder), "mask")


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero", "~nobody-here/x", "/**/*.png", "nothing/*.png", "a" * 3000])
def test_odd_paths_are_refused(path: str) -> None:
    with pytest.raises(UserError, match=r"^source\.path: "):
        describe_source(files(path), "label")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no Parquet"):
        load_labelled_images(files(tmp_path), seed=0)


def test_a_table_beside_an_image_folder_does_not_hide_it(tmp_path: Path) -> None:
    for number in range(24):
        place = tmp_path / ("ant", "bee")[number % 2] / f"{number}.webp"
        place.parent.mkdir(exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (8, 8), dtype=np.uint8)).save(
            place, lossless=True
        )
    (tmp_path / "metadata.csv").write_text("file_name,photographer\nant/0.webp,me\n")
    data = load_labelled_images(files(tmp_path), seed=0)
    assert data.classes == ("ant", "bee") and sum(counts(data)) == 24
    assert any("metadata.csv" in note for note in data.origin.notes)


def test_images_with_masks_are_no_classes(tmp_path: Path) -> None:
    for name in ("images/a.png", "masks/a.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(UserError, match="has images with masks, not classes; use task: segmentation"):
        load_labelled_images(files(tmp_path), seed=0)
