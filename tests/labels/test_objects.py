import numpy as np
from scipy import ndimage

from synthgen.labels.objects import annotate_masks, find_objects, number_regions


def test_objects_of_a_small_mask():
    mask = np.array(
        [
            [1, 1, 0, 2],
            [0, 1, 0, 2],
            [0, 0, 1, 0],
            [255, 3, 0, 0],
        ],
        np.uint8,
    )
    assert find_objects(mask, classes=3) == [
        {"class": 1, "box": [0, 0, 2, 2], "area": 3},
        {"class": 2, "box": [3, 0, 1, 2], "area": 2},
        {"class": 1, "box": [2, 2, 1, 1], "area": 1},  # touches the first only at a corner
    ]


def oracle(mask, classes):
    """One scipy labelling a class."""
    found = []
    for k in range(1, classes):
        numbers, count = ndimage.label(mask == k)
        for n in range(1, count + 1):
            y, x = np.nonzero(numbers == n)
            box = [x.min(), y.min(), x.max() - x.min() + 1, y.max() - y.min() + 1]
            found.append((y[0] * mask.shape[1] + x[0], {"class": k, "box": [int(v) for v in box], "area": len(y)}))
    return [each for _, each in sorted(found, key=lambda pair: pair[0])]


def test_objects_equal_an_oracle_in_raster_order_mask_by_mask():
    rng = np.random.default_rng(0)
    masks = np.kron(rng.integers(0, 4, size=(9, 8, 5)), np.ones((2, 3))).astype(np.uint8)
    masks[4] = masks[3]  # neighbours of equal content may not join
    objects = annotate_masks(masks, classes=4)
    assert objects.shape == (9,)
    for mask, found in zip(masks, objects, strict=True):
        assert found == oracle(mask, 4)
        assert sum(each["area"] for each in found) == (mask > 0).sum()


def test_masks_without_objects_and_no_masks():
    assert annotate_masks(np.zeros((2, 4, 4), np.uint8), 2).tolist() == [[], []]
    assert annotate_masks(np.full((1, 4, 4), 255, np.uint8), 2).tolist() == [[]]
    assert annotate_masks(np.zeros((0, 4, 4), np.uint8), 2).shape == (0,)


def test_masks_of_equal_objects_stay_apart():
    masks = np.ones((3, 4, 4), np.uint8)
    assert [each[0]["area"] for each in annotate_masks(masks, 2)] == [16, 16, 16]


def test_values_are_plain_numbers_for_json():
    each = find_objects(np.eye(3, dtype=np.uint16), 2)[0]
    assert all(type(v) is int for v in [each["class"], each["area"], *each["box"]])


def test_region_numbers_rise_in_raster_order_over_all_masks():
    masks = np.random.default_rng(1).integers(0, 3, size=(4, 6, 6)).astype(np.uint8)
    flat = number_regions(masks).ravel()
    numbers, first = np.unique(flat, return_index=True)
    assert numbers.tolist() == list(range(1, len(numbers) + 1))
    assert (np.diff(first) > 0).all()
