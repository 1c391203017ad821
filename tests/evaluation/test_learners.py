"""The learners: metrics against hand-made counts, determinism, and that augmentation moves image and mask together."""

import math

import numpy as np
import pytest
import torch

from synthgen.evaluation.augmentation import vary_labelled, vary_masked
from synthgen.evaluation.learners import (
    ImageClassifierLearner,
    ImageSegmenterLearner,
    confusion,
    intersection_over_union,
)
from synthgen.networks.supervised import IGNORED
from synthgen.types import Data, Origin

ORIGIN = Origin("made up", "CC0-1.0", "none", "by construction", "none")


def blobs(rows: int, seed: int) -> dict[str, np.ndarray]:
    """Bright discs on a dark ground, and the disc as the mask."""
    generator = np.random.Generator(np.random.Philox(seed))
    y, x = np.mgrid[:16, :16]
    at = generator.uniform(4, 12, (rows, 2, 1, 1))
    mask = ((y - at[:, 0]) ** 2 + (x - at[:, 1]) ** 2 < 14).astype(np.uint8)
    image = (mask[..., None] * 120 + generator.integers(0, 80, (rows, 16, 16, 3))).astype(np.uint8)
    return {"image": image, "mask": mask}


def shades(rows: int, seed: int) -> dict[str, np.ndarray]:
    """Two classes that differ in brightness; the third has no row."""
    generator = np.random.Generator(np.random.Philox(seed))
    label = np.arange(rows) % 2
    image = (label[:, None, None, None] * 120 + generator.integers(0, 80, (rows, 8, 8, 1))).astype(np.uint8)
    return {"image": image, "label": label}


def as_data(columns: dict[str, np.ndarray], classes: int, ignore: int | None = None) -> Data:
    return Data(columns, columns, columns, tuple("abcdef"[:classes]), ORIGIN, ignore)


def test_confusion_counts_by_true_and_found_and_leaves_out_the_ignored():
    true, found = np.array([0, 0, 1, 2, IGNORED]), np.array([0, 1, 1, 0, 2])
    assert confusion(true, found, 3).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]


def test_iou_is_of_summed_counts_and_leaves_out_classes_without_a_true_pixel():
    score = intersection_over_union(np.array([[6, 2, 1], [1, 4, 0], [0, 0, 0]]))
    assert score.per_class[:2] == pytest.approx((6 / 10, 4 / 7))
    assert math.isnan(score.per_class[2])
    assert score.value == pytest.approx((6 / 10 + 4 / 7) / 2)
    assert math.isnan(intersection_over_union(np.zeros((2, 2), int)).value)


@pytest.mark.parametrize("augment", [False, True])
def test_classifier_learner_learns_and_repeats_itself(augment):
    data = as_data(shades(64, 0), classes=3)
    learner = ImageClassifierLearner(data)
    test = shades(30, 1)
    scores = [
        learner.measure(data.train, test, steps=25, batch_size=16, seed=seed, augment=augment) for seed in (4, 4, 5)
    ]
    assert repr(scores[0]) == repr(scores[1])
    assert all(score.value > 0.8 for score in scores)
    assert math.isnan(scores[0].per_class[2])
    assert np.mean(scores[0].per_class[:2]) == pytest.approx(scores[0].value)


def test_classifier_learner_cannot_learn_shuffled_labels():
    rows = shades(64, 0)
    rows = {**rows, "label": np.random.Generator(np.random.Philox(2)).permutation(rows["label"])}
    score = ImageClassifierLearner(as_data(rows, 2)).measure(
        rows, shades(60, 1), steps=25, batch_size=16, seed=0, augment=False
    )
    assert score.value < 0.8


def test_segmenter_learner_learns_and_repeats_itself():
    data = as_data(blobs(64, 0), classes=2)
    learner = ImageSegmenterLearner(data)
    score, again = (
        learner.measure(data.train, blobs(20, 1), steps=60, batch_size=8, seed=0, augment=False) for _ in range(2)
    )
    assert score == again
    assert score.value > 0.8


def test_segmenter_learner_counts_ignored_pixels_nowhere():
    train, test = blobs(32, 0), blobs(20, 1)
    learner = ImageSegmenterLearner(as_data(train, classes=2, ignore=255))
    hidden = np.where(test["mask"] == 1, 255, 0).astype(np.uint8)
    score = learner.measure(
        train, {"image": test["image"], "mask": hidden}, steps=5, batch_size=8, seed=0, augment=True
    )
    assert math.isnan(score.per_class[1])
    assert score.value == score.per_class[0]


@pytest.mark.parametrize("size", [(16, 16), (16, 24)])
def test_image_and_mask_are_moved_together(size):
    generator = torch.Generator().manual_seed(0)
    mask = torch.zeros(8, *size, dtype=torch.long)
    mask[:, 3:10, 5:14] = 1
    x = (mask.float() * 1.6 - 0.8)[:, None]
    moved, turned = vary_masked(x, mask, generator)
    assert not torch.equal(turned, mask)
    middle = (moved.amax((1, 2, 3)) + moved.amin((1, 2, 3))) / 2
    agree = (moved[:, 0] > middle[:, None, None]) == (turned == 1)
    assert agree.float().mean() > 0.97
    assert set(turned.unique().tolist()) == {0, 1}


def test_ignored_pixels_stay_ignored_when_moved():
    mask = torch.full((4, 16, 16), IGNORED)
    assert (vary_masked(torch.zeros(4, 3, 16, 16), mask, torch.Generator().manual_seed(0))[1] == IGNORED).all()


def test_labelled_images_are_never_mirrored():
    x = -torch.ones(64, 1, 16, 16)
    x[:, :, 2:14, 2:5] = 1.0  # a bar on the left
    moved, labels = vary_labelled(x, torch.arange(64), torch.Generator().manual_seed(0))
    assert labels.tolist() == list(range(64))
    assert (moved[..., :8].sum((1, 2, 3)) > moved[..., 8:].sum((1, 2, 3))).all()
    assert len({tuple(row.flatten().tolist()) for row in moved}) == 64
    assert moved.abs().max() <= 1


def test_descriptions_name_the_model_and_the_augmentation():
    for learner in (ImageClassifierLearner(as_data(shades(4, 0), 2)), ImageSegmenterLearner(as_data(blobs(4, 0), 2))):
        assert " k parameters" in learner.description
        assert "augmented:" in learner.description
        assert learner.default_steps > 0 and learner.default_batch_size > 0
