from __future__ import annotations

import numpy as np
import pytest

from synthgen.errors import UserError
from synthgen.sources import ImageSourceOptions, describe_source, load_labelled_images, load_masked_images
from synthgen.sources.sizing import turn
from synthgen.sources.tissue import HELDOUT, TRAIN, VALIDATION, label_colours, read_photograph


def builtin(name: str, **fields: object) -> ImageSourceOptions:
    return ImageSourceOptions.model_validate({"kind": "builtin", "name": name, **fields})


def test_digits_are_split_60_to_40_by_class() -> None:
    data = load_labelled_images(builtin("digits"), seed=0)
    assert [len(part["label"]) for part in (data.train, data.validation, data.heldout)] == [970, 108, 719]
    for part in (data.train, data.validation, data.heldout):
        share = np.bincount(part["label"], minlength=10) / len(part["label"])
        assert share.min() > 0.08 and share.max() < 0.12
    assert data.train["image"].shape[1:] == (8, 8, 1)
    assert set(np.unique(data.train["image"])) == {round(level * 255 / 16) for level in range(17)}
    assert data.classes == tuple("0123456789")


def test_digits_held_out_do_not_depend_on_seed_or_rows() -> None:
    one = load_labelled_images(builtin("digits"), seed=0)
    two = load_labelled_images(builtin("digits", rows=100), seed=9)
    assert one.heldout["image"].tobytes() == two.heldout["image"].tobytes()
    assert one.validation["image"].tobytes() == two.validation["image"].tobytes()
    assert np.bincount(two.train["label"]).tolist() == [10] * 10


def test_digits_of_some_classes_alone() -> None:
    data = load_labelled_images(builtin("digits", only=["7", "3"]), seed=0)
    assert data.classes == ("7", "3") and any("only rows of 7, 3" in note for note in data.origin.notes)
    whole = load_labelled_images(builtin("digits"), seed=0)
    known: dict[bytes, str] = {}
    for part in (whole.train, whole.validation, whole.heldout):
        known |= {
            image.tobytes(): whole.classes[label] for image, label in zip(part["image"], part["label"], strict=True)
        }
    for part in (data.train, data.validation, data.heldout):
        assert set(part["label"]) == {0, 1}
        for image, label in zip(part["image"], part["label"], strict=True):
            assert known[image.tobytes()] == data.classes[label]
    with pytest.raises(UserError, match="^source.only: a mask has several classes"):
        load_masked_images(builtin("tissue", only=["background", "nuclei"]), seed=0)


def test_digits_have_no_row_in_two_parts() -> None:
    data = load_labelled_images(builtin("digits"), seed=0)
    rows = [{image.tobytes() for image in part["image"]} for part in (data.train, data.validation, data.heldout)]
    assert not rows[0] & rows[1] and not rows[0] & rows[2] and not rows[1] & rows[2]


def test_the_regions_of_the_tissue_share_no_pixel_and_cover_it() -> None:
    taken = np.zeros((512, 512), int)
    for region in (TRAIN, VALIDATION, HELDOUT):
        taken[region] += 1
    assert (taken == 1).all()
    assert HELDOUT[1].start == 256 and TRAIN[1].stop == VALIDATION[1].stop == 256


def test_tissue_labels_follow_the_colours() -> None:
    photograph = read_photograph()[TRAIN]
    mask = label_colours(photograph)
    brown, blue, pale = (photograph[mask == number].mean(0) for number in (2, 1, 0))
    assert brown[0] - brown[2] > 40  # more red than blue
    assert (blue[2] - blue[0]) - (brown[2] - brown[0]) > 40
    assert pale.min() > 170
    shares = np.bincount(mask.ravel()) / mask.size
    assert shares.min() > 0.1


def test_tissue_rows_and_their_masks_belong_together() -> None:
    data = load_masked_images(builtin("tissue", rows=24), seed=0)
    assert data.train["image"].shape == (24, 64, 64, 3) and data.train["mask"].shape == (24, 64, 64)
    photograph = read_photograph()[TRAIN]
    mask = label_colours(photograph)
    windows = np.lib.stride_tricks.sliding_window_view(photograph[..., 0], (64, 64))
    for image, labels in zip(data.train["image"], data.train["mask"], strict=True):
        places = []
        for element in range(8):
            turned = turn(image, element)
            corners = np.argwhere((windows[:, :, 0, :8] == turned[0, :8, 0]).all(-1))
            places += [(turn(labels, element), *c) for c in corners if (windows[tuple(c)] == turned[..., 0]).all()]
        assert any(np.array_equal(found, mask[top : top + 64, left : left + 64]) for found, top, left in places)


def test_tissue_held_out_crops_come_from_the_right_half_whatever_the_seed() -> None:
    one, two = (load_masked_images(builtin("tissue", rows=rows), seed=seed) for rows, seed in ((5, 0), (7, 1)))
    assert len(one.heldout["mask"]) == 300 and len(one.validation["mask"]) == 150
    for part in ("validation", "heldout"):
        assert getattr(one, part)["image"].tobytes() == getattr(two, part)["image"].tobytes()
    right = read_photograph()[HELDOUT].tobytes()
    assert all(image[0].tobytes() in right for image in one.heldout["image"])


def test_tissue_is_the_same_every_time_and_says_who_labelled() -> None:
    one, two = (load_masked_images(builtin("tissue", rows=8), seed=3) for _ in range(2))
    assert one.train["image"].tobytes() == two.train["image"].tobytes()
    assert "not by a pathologist" in one.origin.labels and "Ruifrok" in one.origin.labels


def test_default_rows_and_other_sizes() -> None:
    assert len(load_masked_images(builtin("tissue"), seed=0).train["mask"]) == 1000
    flat = load_masked_images(builtin("tissue", rows=9, size=(32, 48)), seed=0)
    assert flat.train["image"].shape == (9, 32, 48, 3)
    with pytest.raises(UserError, match=r"source\.size: 128 is too large for tissue"):
        load_masked_images(builtin("tissue", size=128), seed=0)
    assert load_labelled_images(builtin("digits", size=16), seed=0).train["image"].shape[1:] == (16, 16, 1)


def test_unknown_builtins_are_refused_with_a_hint() -> None:
    with pytest.raises(UserError, match=r"'digit' is not built in \(did you mean 'digits'\?\)"):
        load_labelled_images(builtin("digit"), seed=0)
    with pytest.raises(UserError, match="'tissue' has no labels; here it can be digits"):
        load_labelled_images(builtin("tissue"), seed=0)
    with pytest.raises(UserError, match="'digits' has no masks"):
        describe_source(builtin("digits"), "mask")
    assert "tissue" in describe_source(builtin("tissue"), "mask")
