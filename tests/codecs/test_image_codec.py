"""Images to tensors of unit variance and back, and the changes that training makes to them."""

import numpy as np
import pytest
import torch

from synthgen.codecs.appearance import appearance_of
from synthgen.codecs.images import augment_images, fit_label_codec, fit_mask_codec, load_image_codec


@pytest.fixture(params=[("label", 1), ("shared", 3), ("row", 3)], ids=["label, grey", "mask, rgb", "mask, own, rgb"])
def case(request):
    kind, channels = request.param
    generator = np.random.Generator(np.random.Philox(1))
    mask = generator.integers(0, 3, (20, 9, 6)).astype(np.uint8)
    image = (mask[..., None] * 60 + generator.integers(0, 70, (20, 9, 6, channels))).astype(np.uint8)
    rows = {"image": image, "mask": mask, "label": np.arange(20) % 3}
    return fit_label_codec(rows, 3) if kind == "label" else fit_mask_codec(rows, 3, kind), rows


def drawn(codec, rows):
    """The conditions of a row that is to look like that one."""
    return rows if codec.appearance == "shared" else {**rows, "appearance": appearance_of(rows, codec.classes)}


def test_what_is_encoded_comes_back(case):
    codec, rows = case
    x = codec.encode(rows)
    assert x.shape == (20, *codec.shape) and x.dtype == torch.float32
    assert float(x.std()) == pytest.approx(1, abs=0.05) and float(x.mean()) == pytest.approx(0, abs=0.05)
    np.testing.assert_array_equal(codec.decode(x, drawn(codec, rows))["image"], rows["image"])


def test_decoding_clips_instead_of_wrapping(case):
    codec, rows = case
    assert codec.decode(torch.full((20, *codec.shape), 50.0), drawn(codec, rows))["image"].min() == 255
    assert codec.decode(torch.full((20, *codec.shape), -50.0), drawn(codec, rows))["image"].max() == 0


def test_the_condition_is_what_was_asked(case):
    codec, rows = case
    (name, value), *rest = codec.condition(rows).items()
    assert name == codec.kind and value.dtype == torch.int64
    assert [other for other, _ in rest] == (["appearance"] if codec.appearance == "row" else [])
    np.testing.assert_array_equal(value.numpy(), rows[codec.kind])


def test_masks_take_each_class_from_its_own_mean():
    mask = np.zeros((4, 8, 8), np.uint8)
    mask[:, :4] = 1
    mask[:, 0, 0] = 255  # not annotated
    image = np.where(mask == 1, 200, 40).astype(np.uint8)[..., None]
    rows = {"image": image, "mask": mask}
    assert float(fit_mask_codec(rows, 2, "row").encode(rows).abs().max()) < 1e-3
    shared = fit_mask_codec(rows, 2, "shared")
    assert float(shared.encode(rows)[:, :, 1:].abs().max()) < 1e-3
    assert fit_mask_codec(rows, 3, "shared").usual[2][0] == pytest.approx(image.mean() / 255)  # no row has class 2


def test_an_even_image_does_not_divide_by_zero():
    rows = {"image": np.full((4, 8, 8, 1), 7, np.uint8), "label": np.zeros(4, np.int64)}
    assert bool(torch.isfinite(fit_label_codec(rows, 2).encode(rows)).all())


def test_dim_and_bright_rows_are_learned_alike_and_come_back_as_they_were():
    generator = np.random.Generator(np.random.Philox(1))
    mask = generator.integers(0, 2, (40, 8, 8)).astype(np.uint8)
    light, reach = np.repeat([4, 180], [30, 10]), np.repeat([6, 60], [30, 10])
    image = light[:, None, None] + generator.integers(0, reach[:, None, None], (40, 8, 8))
    rows = {"image": image[..., None].astype(np.uint8), "mask": mask}
    codec = fit_mask_codec(rows, 2)
    assert codec.appearance == "row"  # found out by itself
    x, told = codec.encode(rows), codec.condition(rows)["appearance"]
    np.testing.assert_allclose(x.std((1, 2, 3), correction=0), 1, rtol=1e-3)
    assert told.shape == (40, 4) and bool((told[:30, :2] < told[30:, :2].min()).all())
    np.testing.assert_array_equal(codec.decode(x, drawn(codec, rows))["image"], rows["image"])


def test_a_class_that_a_mask_does_not_have_is_not_told_of():
    mask = np.zeros((6, 8, 8), np.uint8)
    mask[3:, :4] = 1
    image = np.random.Generator(np.random.Philox(2)).integers(0, 255, (6, 8, 8, 3)).astype(np.uint8)
    codec = fit_mask_codec({"image": image, "mask": mask}, 2, "row")
    assert codec.told == 12
    asked = {"mask": mask, "appearance": np.full((6, 4, 3), 0.25, np.float32)}
    told = codec.condition(asked)["appearance"].reshape(6, 4, 3)
    assert bool((told[:3, 1] == 0).all()) and bool((told[3:, 1] != 0).all())
    assert bool((told[:, 2] == 0).all()) and bool(told.isfinite().all())


def test_descriptors_tell_copies_from_new_rows(case):
    codec, rows = case
    found = codec.describe(rows)
    assert found.dtype == np.float32 and found.shape[0] == 20 and found.shape[1] <= 256
    near = rows["image"].astype(int)
    near[:, ::3] += 1
    moved = codec.describe({"image": near.clip(0, 255).astype(np.uint8)})
    own = np.linalg.norm(found - moved, axis=1)
    other = np.linalg.norm(found[:-1] - found[1:], axis=1)
    assert own.max() < other.min()


def test_a_codec_is_the_same_from_disk(case, tmp_path):
    codec, _ = case
    codec.save(tmp_path / "codec.json")
    assert load_image_codec(tmp_path / "codec.json") == codec


def test_pictures_of_one_kind_share_their_colours(case):
    _, rows = case
    assert fit_mask_codec(rows, 3).appearance == "shared"


@pytest.mark.parametrize("names", [("flip",), ("turn",), ("shift",), ("warp",), ("flip", "turn", "shift", "warp")])
def test_masks_go_along_with_their_images(names):
    generator = torch.Generator().manual_seed(3)
    mask = torch.randint(0, 5, (64, 28, 28), generator=generator)
    x, condition = augment_images(mask[:, None].float(), {"mask": mask}, names, generator)
    assert torch.equal(x[:, 0], condition["mask"].float())
    assert not torch.equal(condition["mask"], mask)


def test_rows_that_are_not_square_are_turned_by_halves():
    x = torch.arange(64 * 6.0).view(64, 1, 2, 3)
    turned, condition = augment_images(x, {}, ("turn",), torch.Generator().manual_seed(0))
    half = condition["augmented"][:, 1] < -1
    assert torch.equal(turned[half], x[half].flip((2, 3))) and torch.equal(turned[~half], x[~half])
    assert 0.2 < half.float().mean() < 0.8


def test_augmentation_follows_the_generator_and_leaves_labels_alone():
    x, label = torch.arange(2 * 36.0).view(2, 1, 6, 6), torch.tensor([0, 1])
    names = ("flip", "turn", "shift")
    one, two = (augment_images(x, {"label": label}, names, torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(one[0], two[0]) and torch.equal(one[1]["label"], label)
    plain, _ = augment_images(x, {"label": label}, (), torch.Generator())
    assert torch.equal(plain, x)


def test_the_net_is_told_how_a_row_was_changed():
    x = torch.arange(256 * 35.0).view(256, 1, 5, 7)
    for names in (("flip",), ("shift",), ("warp",)):
        changed, condition = augment_images(x, {}, names, torch.Generator().manual_seed(0))
        same = (condition["augmented"] == 0).all(1)
        torch.testing.assert_close(changed[same], x[same], rtol=1e-4, atol=0.01)
        assert 0.3 < same.float().mean() < 0.95
        assert not any(torch.allclose(a, b) for a, b in zip(changed[~same], x[~same], strict=True))
    assert "augmented" not in augment_images(x, {}, (), torch.Generator())[1]


def test_a_turn_does_not_shear_images_that_are_not_square():
    wide = torch.zeros(200, 1, 24, 72)
    wide[:, :, 8:16, 32:40] = 1
    turned, condition = augment_images(wide, {}, ("warp",), torch.Generator().manual_seed(0))
    mass = turned[:, 0] / turned.sum((1, 2, 3)).view(-1, 1, 1)
    y, x = torch.arange(24) - 11.5, torch.arange(72) - 35.5
    across, down = (mass.sum(1) * x**2).sum(1), (mass.sum(2) * y**2).sum(1)
    shear = (mass * y[:, None] * x).sum((1, 2)) / across
    assert (condition["augmented"][:, 5].abs() > 0.5).any()  # some are turned far
    assert shear.abs().max() < 0.15 and (across / down).min() > 0.5 and (across / down).max() < 2
