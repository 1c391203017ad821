"""The learner of shapes: its metric against hand-made counts, determinism, and augmentation that keeps parts right."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from solids import CLASSES, PARTS, make_solids

from synthgen.evaluation.shape_learners import ShapeLearner, confuse_shapes, score_shapes, vary_points

DATA = make_solids(180, 128)
TOLD = {"steps": 50, "batch_size": 16, "seed": 0}


@pytest.mark.parametrize("augment", [False, True])
def test_it_learns_and_repeats_itself(augment):
    learner = ShapeLearner(DATA)
    one, two = (learner.measure(DATA.train, DATA.heldout, **TOLD, augment=augment) for _ in range(2))
    assert one == two
    assert one.value > 0.6 and len(one.per_class) == len(CLASSES)
    net = learner.train(DATA.train, **TOLD, augment=augment)
    accuracy, part_miou = score_shapes(net, DATA.heldout)
    assert one.value == pytest.approx((accuracy + part_miou) / 2)
    assert np.mean(one.per_class) == pytest.approx(accuracy)  # the classes have equally many rows
    untaught = learner.measure(DATA.train, DATA.heldout, **{**TOLD, "steps": 1}, augment=augment)
    assert untaught.value < one.value - 0.2


def test_part_miou_is_of_summed_points_and_of_the_parts_that_are_there():
    net = ShapeLearner(DATA).train(DATA.train, **{**TOLD, "steps": 10}, augment=False)
    chairs = {name: values[DATA.heldout["label"] == 1] for name, values in DATA.heldout.items()}
    classes, parts = confuse_shapes(net, chairs)
    assert classes.sum() == len(chairs["label"]) and parts.sum() == chairs["part"].size
    assert np.array_equal(parts.sum(1), np.bincount(chairs["part"].ravel(), minlength=len(PARTS)))
    each = [parts[k, k] / (parts[k].sum() + parts[:, k].sum() - parts[k, k]) for k in np.unique(chairs["part"])]
    assert score_shapes(net, chairs) == pytest.approx((classes[1, 1] / classes.sum(), np.mean(each)))


def test_what_there_is_only_one_of_does_not_count():
    rows = {name: {**getattr(DATA, name), "part": np.zeros((60, 128), np.uint8)} for name in ("train", "heldout")}
    without = replace(DATA, **rows, details={"parts": ("object",), "points": 128})
    learner = ShapeLearner(without)
    score = learner.measure(without.train, without.heldout, **TOLD, augment=False)
    assert learner.metric == "accuracy" and score.value == pytest.approx(np.mean(score.per_class))
    rows = {name: {**getattr(DATA, name), "label": np.zeros(60, np.int64)} for name in ("train", "heldout")}
    single = replace(DATA, **rows, classes=("object",))
    learner = ShapeLearner(single)
    net = learner.train(single.train, **TOLD, augment=False)
    score = learner.measure(single.train, single.heldout, **TOLD, augment=False)
    assert learner.metric == "part mIoU" and score.value == score_shapes(net, single.heldout)[1]


def test_augmented_points_keep_their_part_and_nearly_their_place():
    points, part = torch.from_numpy(DATA.train["points"]), torch.from_numpy(DATA.train["part"]).long()
    moved, turned = vary_points(points, part, torch.Generator().manual_seed(0))
    kept = (turned == part) & ((moved[..., 2] - points[..., 2]).abs() < 0.15)
    assert 0.85 < float(kept.float().mean()) < 1
    mirrored = ((moved[..., 0] * points[..., 0]).sum(1) < 0).float().mean()
    assert 0.3 < float(mirrored) < 0.7  # about half of the rows
    assert not torch.equal(moved[0], moved[3])
    dropped = (moved == moved[:, :1]).all(2)
    assert (turned[dropped] == part[:, :1].expand_as(part)[dropped]).all() and dropped.sum() > 60


def test_the_description_names_the_net_and_the_augmentation():
    learner = ShapeLearner(DATA)
    assert " k parameters" in learner.description and "augmented:" in learner.description
    assert learner.metric == "shape score"
