import numpy as np
import pytest
from scipy import ndimage

from synthgen.errors import UserError
from synthgen.labels.fields import smooth, spline_weights
from synthgen.labels.mask_bank import MaskBank, known_masks
from synthgen.labels.masks import build_masks
from synthgen.labels.objects import annotate_masks
from synthgen.labels.options import MaskConditionOptions
from synthgen.labels.warped import WarpedMasks
from synthgen.types import Data, Origin

ORIGIN = Origin("x", "x", "x", "x", "x")
KINDS = ["recombine", "regions"]


def discs(count, size=48, seed=0):
    """Masks of a few round nuclei (class 1) that do not touch, over a tissue (2) or background (0) left and right."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    masks = np.zeros((count, size, size), np.uint8)
    for mask in masks:
        mask[:, : rng.integers(size // 6, size - size // 6)] = 2
        for cy, cx in rng.permutation([(i, j) for i in (8, 24, 40) for j in (8, 24, 40)])[: rng.integers(2, 6)]:
            mask[(y - cy) ** 2 + (x - cx) ** 2 <= rng.uniform(3, 5) ** 2] = 1
    return masks


def data(masks, classes=3, ignore=None):
    return Data({"mask": masks}, {}, {}, tuple(f"class {k}" for k in range(classes)), ORIGIN, ignore)


def build(real, seed=0, **options):
    return build_masks(data(real), MaskConditionOptions(**options), seed)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_depends_on_seed_and_index_alone(kind):
    generator = build(discs(40), masks=kind)
    whole = generator.draw(np.arange(100))["mask"]
    assert whole.shape == (100, 48, 48) and whole.dtype == np.uint8
    for rows in (np.array([3]), np.array([70, 7, 99]), np.arange(30, 65)):
        np.testing.assert_array_equal(whole[rows], generator.draw(rows)["mask"])
    np.testing.assert_array_equal(whole, build(discs(40), masks=kind).draw(np.arange(100))["mask"])
    assert (whole != build(discs(40), masks=kind, seed=1).draw(np.arange(100))["mask"]).any()
    assert generator.draw(np.zeros(0, np.int64))["mask"].shape == (0, 48, 48)


def test_another_seed_draws_as_a_generator_of_that_seed():
    generator = build(discs(40), masks="recombine")
    other = build(discs(40), masks="recombine", seed=1).draw(np.arange(20))["mask"]
    np.testing.assert_array_equal(generator.with_seed(1).draw(np.arange(20))["mask"], other)
    assert (generator.draw(np.arange(20))["mask"] != other).any()


def test_another_seed_keeps_the_grid_that_regions_were_fitted_with():
    generator = build(discs(40), masks="regions")
    other = generator.with_seed(1)
    assert other.knots == generator.knots
    assert (other.draw(np.arange(20))["mask"] != generator.draw(np.arange(20))["mask"]).any()


@pytest.mark.parametrize("kind", KINDS)
def test_masks_vary_and_keep_the_real_class_shares(kind):
    real = discs(200)
    drawn = build(real, masks=kind).draw(np.arange(400))["mask"]
    assert len(np.unique(drawn.reshape(400, -1), axis=0)) == 400
    shares = [np.bincount(m.ravel(), minlength=3) / m.size for m in (real, drawn)]
    np.testing.assert_allclose(shares[1], shares[0], atol=0.03)
    for wild in drawn[:20]:
        assert (wild != real).mean((1, 2)).min() > 0.01


def test_recombined_masks_keep_the_number_and_size_of_objects():
    real, drawn = discs(200), build(discs(200)).draw(np.arange(300))["mask"]
    areas = [[o["area"] for row in annotate_masks(m == 1, 2) for o in row] for m in (real, drawn)]
    assert len(areas[1]) / 300 == pytest.approx(len(areas[0]) / 200, rel=0.2)
    assert np.median(areas[1]) == pytest.approx(np.median(areas[0]), rel=0.15)


def test_joining_cuts_no_object():
    """Without warp, zoom, turn and mirror only shift and boundary are left: away from the border discs stay discs."""
    real = discs(60)
    options = {"warp": 0, "zoom": 0, "turn": False, "mirror": False, "join": 1}
    smallest = min(o["area"] for row in annotate_masks(real == 1, 2) for o in row)
    drawn = build(real, **options).draw(np.arange(300))["mask"]
    inner, cut = 0, 0
    for row in annotate_masks((drawn == 1).astype(np.uint8), 2):
        for each in row:
            x, y, width, height = each["box"]
            if min(x, y) > 0 and max(x + width, y + height) < 48:
                inner += 1
                cut += each["area"] < smallest
    assert inner > 500
    assert cut == 0


def test_a_mask_alone_and_unchanged_is_a_shifted_real_mask():
    real = discs(1)
    drawn = build(real, warp=0, zoom=0, turn=False, mirror=False, join=0).draw(np.arange(5))["mask"]
    for mask in drawn:
        shifts = [(dy, dx) for dy in range(-5, 6) for dx in range(-5, 6)]
        inner = np.s_[6:-6, 6:-6]
        assert any((np.roll(real[0], shift, (0, 1))[inner] == mask[inner]).all() for shift in shifts)


@pytest.mark.parametrize(
    ("turn", "mirror", "distinct"), [(False, False, 1), (False, True, 2), (True, False, 4), (True, True, 8)]
)
def test_turns_and_mirrors_are_those_that_are_allowed(turn, mirror, distinct):
    letter = np.zeros((1, 32, 32), np.uint8)
    letter[0, 8:12, 8:24] = 1
    letter[0, 12:24, 8:12] = 2
    images = [np.rot90(each, k) for each in (letter[0], letter[0][:, ::-1]) for k in range(4)]
    shifts = [(dy, dx) for dy in range(-4, 5) for dx in range(-4, 5)]
    known = {np.roll(image, by, (0, 1)).tobytes(): k for k, image in enumerate(images) for by in shifts}
    drawn = build(letter, warp=0, zoom=0, turn=turn, mirror=mirror, join=0).draw(np.arange(80))["mask"]
    assert len({known[mask.tobytes()] for mask in drawn}) == distinct


@pytest.mark.parametrize("kind", KINDS)
def test_masks_that_are_not_square(kind):
    masks = discs(30)[:, :32]
    drawn = build(masks, masks=kind).draw(np.arange(40))["mask"]
    assert drawn.shape == (40, 32, 48)
    assert drawn.max() <= 2


@pytest.mark.parametrize("kind", KINDS)
def test_ignored_pixels_take_the_nearest_class_and_are_never_drawn(kind):
    masks = discs(20)
    masks[:, 10:20] = 255
    masks[3] = 255
    drawn = build_masks(data(masks, ignore=255), MaskConditionOptions(masks=kind), 0).draw(np.arange(50))["mask"]
    assert drawn.max() <= 2
    known, rows = known_masks(masks, 3, 255)
    assert len(known) == 19
    np.testing.assert_array_equal(rows, np.delete(np.arange(20), 3))
    np.testing.assert_array_equal(known[0, 10], known[0, 9])
    np.testing.assert_array_equal(masks[3], 255)


@pytest.mark.parametrize("masks", [np.zeros((0, 8, 8), np.uint8), np.full((3, 8, 8), 255, np.uint8)])
def test_without_an_annotated_pixel_the_user_is_told(masks):
    with pytest.raises(UserError, match="source: no training mask has an annotated pixel"):
        build_masks(data(masks, ignore=255), MaskConditionOptions(), 0)


def test_many_classes_fit_16_bits():
    masks = np.random.default_rng(0).integers(0, 900, size=(30, 4, 4)).astype(np.uint16).repeat(8, 1).repeat(8, 2)
    for kind in KINDS:
        drawn = build_masks(data(masks, 900), MaskConditionOptions(masks=kind), 0).draw(np.arange(20))["mask"]
        assert drawn.dtype == np.uint16
        assert set(np.unique(drawn)) <= set(np.unique(masks))


def test_regions_of_equal_masks_without_any_border():
    drawn = build(np.ones((5, 16, 16), np.uint8), masks="regions").draw(np.arange(4))["mask"]
    assert (drawn == 1).all()
    assert (build(np.ones((5, 16, 16), np.uint8)).draw(np.arange(4))["mask"] == 1).all()


def test_small_regions_are_told_from_large_ones_and_know_what_is_around_them():
    mask = np.zeros((1, 20, 20), np.uint8)
    mask[0, :, 10:] = 2
    mask[0, 4:7, 3:6] = 1  # in background
    mask[0, 4:7, 13:16] = 1  # in tissue
    bank = MaskBank.fit(mask, 3, None)
    regions = bank.regions[0]
    assert bank.small[regions[0, 0]] == bank.small[regions[0, 19]] == False  # noqa: E712
    assert bank.small[regions[5, 4]] and bank.small[regions[5, 14]]
    assert bank.ground[regions[5, 4]] == 0 and bank.ground[regions[5, 14]] == 2


def test_partners_have_objects_of_similar_size():
    small = np.zeros((50, 32, 32), np.uint8)
    small[:, 4::8, 4::8] = 1
    large = np.zeros((50, 32, 32), np.uint8)
    large[:, 8:20, 8:20] = 1
    bank = MaskBank.fit(np.concatenate([small, large]), 2, None)
    uniform = np.random.default_rng(0).random((1000, 2))
    chosen = bank.choose(uniform)
    assert set(chosen.ravel()) == set(range(100))
    assert (((chosen < 50)[:, 0]) == ((chosen < 50)[:, 1])).mean() > 0.9


def test_smooth_fields_are_normal_at_every_pixel_and_smooth():
    fields = smooth(np.random.default_rng(0).standard_normal((4000, 6, 6)), (20, 30))
    assert fields.shape == (4000, 20, 30) and fields.dtype == np.float32
    np.testing.assert_allclose(fields.std(0), 1, atol=0.06)
    assert np.abs(np.diff(fields, axis=1)).mean() < 0.2


def test_spline_weights_reproduce_a_constant_and_equal_scipy_inside():
    weights = spline_weights(40, 8)
    raw = weights / weights.sum(1, keepdims=True)
    at = (np.arange(40) + 0.5) / 40 * 5 + 1
    coefficients = np.random.default_rng(0).normal(size=8)
    expected = ndimage.map_coordinates(coefficients, [at], order=3, prefilter=False, mode="mirror")
    np.testing.assert_allclose(raw @ coefficients, expected, atol=1e-5)


def test_warped_masks_of_a_bank_that_is_larger_than_a_chunk():
    generator = WarpedMasks(MaskBank.fit(discs(3, size=16), 3, None), MaskConditionOptions(), 7)
    drawn = generator.draw(np.arange(1000, 1100))["mask"]
    assert drawn.shape == (100, 16, 16)
