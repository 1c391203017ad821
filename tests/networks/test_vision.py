"""The vision networks: shapes at any size, and no dependence on the batch or on a global seed."""

import numpy as np
import pytest
import torch

from synthgen.networks.supervised import (
    IGNORED,
    Schedule,
    as_pixels,
    as_targets,
    draw,
    fit,
    infer,
    normalise,
    ramp,
    rows_at_once,
)
from synthgen.networks.vision import Classifier, Segmenter


@pytest.mark.parametrize(
    ("channels", "height", "width"), [(1, 8, 8), (1, 28, 28), (3, 33, 20), (3, 64, 64), (3, 256, 256)]
)
def test_classifier_reads_any_size(channels, height, width):
    net = Classifier(channels, max(height, width), 5).eval()
    logits, features = net.both(torch.zeros(2, channels, height, width))
    assert logits.shape == (2, 5)
    assert features.shape == (2, net.feature_width)
    assert 64 <= net.feature_width <= 128


@pytest.mark.parametrize(("height", "width"), [(8, 8), (64, 64), (33, 50), (100, 72)])
def test_segmenter_gives_a_logit_per_pixel_at_any_size(height, width):
    net = Segmenter(3, 4).eval()
    logits, features = net.both(torch.zeros(2, 3, height, width))
    assert logits.shape == (2, 4, height, width)
    assert features.shape == (2, net.feature_width)


def test_padding_repeats_the_edge_and_the_segmenter_cuts_it_off():
    net = Segmenter(1, 2).eval()
    x = torch.rand(1, 1, 13, 9)
    padded = torch.cat([x, x[..., -1:, :].expand(1, 1, 3, 9)], 2)
    padded = torch.cat([padded, padded[..., -1:].expand(1, 1, 16, 7)], 3)
    assert torch.equal(net(x), net(padded)[..., :13, :9])


def test_draw_shows_every_row_before_any_comes_again():
    batches = draw(10, 4, torch.Generator().manual_seed(3))
    rows = torch.cat([next(batches) for _ in range(5)])
    assert sorted(rows[:10].tolist()) == sorted(rows[10:].tolist()) == list(range(10))
    assert rows[:10].tolist() != rows[10:].tolist()


def test_ramp_climbs_then_falls_and_is_never_zero():
    schedule = Schedule(steps=100, batch_size=1)
    rates = [ramp(step, schedule) for step in range(100)]
    assert max(rates) == pytest.approx(1.0)
    assert all(a < b for a, b in zip(rates[:19], rates[1:20], strict=True))
    assert all(a > b for a, b in zip(rates[20:-1], rates[21:], strict=True))
    assert 0 < rates[-1] < 0.02
    assert 0 < ramp(0, Schedule(steps=1, batch_size=1)) <= 1


def stripes(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Class 0: horizontal stripes, 1: vertical; with noise."""
    generator = np.random.Generator(np.random.Philox(0))
    labels = np.arange(rows) % 2
    lines = np.broadcast_to(np.arange(8) % 4 // 2 * 160, (rows, 8, 8))
    images = np.where(labels[:, None, None] == 0, lines.transpose(0, 2, 1), lines)
    return (images + generator.integers(0, 90, images.shape)).astype(np.uint8), labels


def test_fit_learns_and_depends_on_its_seed_alone():
    images, labels = stripes(64)
    schedule = Schedule(steps=30, batch_size=16)
    torch.manual_seed(1)
    first = fit(Classifier(1, 8, 2, width=8), images, as_targets(labels), schedule, seed=5)
    torch.manual_seed(2)
    again = fit(Classifier(1, 8, 2, width=8), images, as_targets(labels), schedule, seed=5)
    other = fit(Classifier(1, 8, 2, width=8), images, as_targets(labels), schedule, seed=6)
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True))
    assert not torch.equal(first.head.weight, other.head.weight)
    found = torch.cat([logits.argmax(1) for _, logits, _ in infer(first, images)])
    assert (found.numpy() == labels).mean() > 0.95


def test_fit_on_a_batch_without_one_known_pixel_stays_finite():
    images = np.zeros((4, 8, 8, 1), np.uint8)
    targets = as_targets(np.full((4, 8, 8), 255, np.uint8), ignore=255)
    assert (targets == IGNORED).all()
    net = fit(Segmenter(1, 2, width=8), images, targets, Schedule(steps=3, batch_size=2), seed=0)
    assert all(torch.isfinite(value).all() for value in net.state_dict().values())


@pytest.mark.parametrize("net", [Classifier(3, 24, 3), Segmenter(3, 3)], ids=["classifier", "segmenter"])
def test_infer_says_the_same_of_a_row_whatever_is_beside_it(net):
    generator = np.random.Generator(np.random.Philox(1))
    images = generator.integers(0, 256, (300, 24, 24, 3), dtype=np.uint8)
    net.eval()
    whole = torch.cat([torch.cat([logits.flatten(1), features], 1) for _, logits, features in infer(net, images)])
    some = generator.permutation(300)[:37]
    part = torch.cat([torch.cat([logits.flatten(1), features], 1) for _, logits, features in infer(net, images[some])])
    assert len(whole) == 300
    assert torch.equal(part, whole[torch.from_numpy(some)])


def test_pixels_lie_in_minus_one_to_one_and_batches_keep_to_a_budget():
    images = np.array([0, 255], np.uint8).reshape(2, 1, 1)
    assert normalise(as_pixels(images)).flatten().tolist() == [-1.0, 1.0]
    assert [rows_at_once(torch.empty(1, 1, side, side)) for side in (8, 28, 64, 256, 2000)] == [256, 128, 32, 2, 1]


def test_statistics_stand_still_once_frozen():
    images, labels = stripes(32)
    halves = [
        fit(Classifier(1, 8, 2, width=8), images, as_targets(labels), Schedule(10, 8, frozen=share), seed=0)
        for share in (0.0, 1.0)
    ]
    untouched, moved = (net.stem[0][1].running_mean for net in halves)
    assert torch.equal(untouched, torch.zeros_like(untouched))
    assert not torch.equal(moved, untouched)
