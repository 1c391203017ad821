"""The point network: blind to the order of points, the same in any company, and it learns."""

import numpy as np
import torch
from solids import CLASSES, PARTS, make_rows

from synthgen.networks.points import PointNet, build_optimisers, fit_points, infer_points, thin_points
from synthgen.networks.supervised import Schedule

TRAIN, TEST = make_rows(96, 128, seed=0), make_rows(48, 128, seed=1)
SHORT = Schedule(steps=80, batch_size=16, rate=1e-2, muon_rate=0.1)


def fitted(seed: int = 0, steps: int = 80) -> PointNet:
    schedule = Schedule(steps, 16, 1e-2, 0.1)
    net = PointNet(len(CLASSES), len(PARTS), width=16)
    return fit_points(net, TRAIN["points"], TRAIN["label"], TRAIN["part"], schedule, seed=seed)


def test_it_learns_classes_and_parts():
    right, found = 0, 0.0
    for rows, class_logits, part_logits, _ in infer_points(fitted(), TEST["points"]):
        right += int((class_logits.argmax(1).numpy() == TEST["label"][rows]).sum())
        found += float((part_logits.argmax(1).numpy() == TEST["part"][rows]).mean()) * len(class_logits)
    assert right / 48 > 0.9 and found / 48 > 0.75  # by chance a third, and at most a half


def test_points_may_come_in_any_order():
    net = PointNet(3, 5).eval()
    x, order = torch.rand(4, 50, 3), torch.randperm(50)
    one, two = net(x), net(x[:, order])
    for a, b in ((one[0], two[0]), (one[1][:, :, order], two[1]), (one[2], two[2])):
        torch.testing.assert_close(a, b)
    assert [tuple(found.shape) for found in one] == [(4, 3), (4, 5, 50), (4, net.feature_width)]


def test_a_row_is_seen_the_same_in_any_company():
    net = fitted(steps=3)
    points = np.concatenate([TRAIN["points"], TEST["points"]])[:70]
    whole = [torch.cat(found) for found in zip(*(found[1:] for found in infer_points(net, points)), strict=True)]
    some = [3, 69, 40]
    part = next(iter(infer_points(net, points[some])))[1:]
    assert all(torch.equal(a[some], b) for a, b in zip(whole, part, strict=True))


def test_the_same_seed_gives_the_same_weights():
    one, two, other = (fitted(seed, steps=3).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["classify.weight"], other["classify.weight"])


def test_every_weight_has_one_optimiser():
    net = PointNet(3, 5)
    groups = [group for optimiser, _ in build_optimisers(net, SHORT) for group in optimiser.param_groups]
    owned = [id(p) for group in groups for p in group["params"]]
    assert sorted(owned) == sorted(id(p) for p in net.parameters())


def test_augmentation_is_given_points_with_their_parts():
    seen = []

    def remember(points, part, generator):
        seen.append((points.clone(), part.clone()))
        return points, part

    net = PointNet(3, len(PARTS), width=16)
    points = np.repeat(TRAIN["part"][..., None], 3, 2).astype(np.float32)  # places that name the part
    fit_points(net, points, TRAIN["label"], TRAIN["part"], Schedule(2, 8), seed=0, augment=remember)
    assert len(seen) == 2 and all(torch.equal(x[..., 0].long(), y) for x, y in seen)


def test_thinning_keeps_first_and_last():
    values = np.arange(20).reshape(2, 10)
    assert thin_points(values, 4)[0].tolist() == [0, 3, 6, 9]
    assert thin_points(values, 10) is values
