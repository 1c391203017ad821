"""Judges tell wrong labels from right ones, mind no company, and come back from a folder only unaltered."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from synthgen.errors import UserError
from synthgen.judges.classifier import choose_schedule, fit_classifier_judge, probability
from synthgen.judges.ensemble import fingerprint, split_folds
from synthgen.judges.segmenter import balanced_agreement, fit_segmenter_judge
from synthgen.networks.supervised import IGNORED, Schedule
from synthgen.types import Data, Origin, take_rows

ORIGIN = Origin("made up", "CC0-1.0", "none", "by construction", "none")
SHORT = Schedule(steps=40, batch_size=8, rate=1e-2)


def make_data(rows: int = 48) -> Data:
    """Discs in the upper half (class 0) or the lower half (class 1) of 16x16 images, with the disc as the mask."""
    generator = np.random.Generator(np.random.Philox(7))
    label = np.arange(rows) % 2
    y, x = np.mgrid[:16, :16]
    down, right = 4 + 8 * label[:, None, None], generator.uniform(4, 12, (rows, 1, 1))
    mask = ((y - down) ** 2 + (x - right) ** 2 < 14).astype(np.uint8)
    image = (mask[..., None] * 120 + generator.integers(0, 80, (rows, 16, 16, 3))).astype(np.uint8)
    columns = {"image": image, "mask": mask, "label": label}
    train, rest = take_rows(columns, slice(0, rows // 2)), take_rows(columns, slice(rows // 2, None))
    return Data(train, rest, rest, ("up", "down"), ORIGIN)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synthgen.judges.segmenter.SCHEDULE", SHORT)
    monkeypatch.setattr("synthgen.judges.classifier.choose_schedule", lambda rows: SHORT)


FITS = pytest.mark.parametrize("fit", [fit_classifier_judge, fit_segmenter_judge], ids=["classifier", "segmenter"])


@FITS
def test_wrong_labels_agree_less(fit):
    data = make_data()
    judge = fit(data, 0, None)
    right = judge.examine(data.validation)
    wrong = judge.examine(
        {**data.validation, "label": 1 - data.validation["label"], "mask": 1 - data.validation["mask"]}
    )
    assert right.agreement.dtype == right.features.dtype == np.float32
    assert ((right.agreement >= 0) & (right.agreement <= 1)).all()
    assert right.agreement.mean() > wrong.agreement.mean() + 0.3
    assert judge.reference.shape == (len(data.train["label"]),)
    assert judge.reference.mean() > 0.5


@FITS
def test_a_row_is_seen_the_same_in_any_company(fit):
    data = make_data()
    judge = fit(data, 0, None)
    whole = judge.examine(data.train)
    some = np.array([20, 3, 11])
    part = judge.examine(take_rows(data.train, some))
    assert np.array_equal(part.agreement, whole.agreement[some])
    assert np.array_equal(part.features, whole.features[some])
    none = judge.examine(take_rows(data.train, slice(0, 0)))
    assert none.agreement.shape == (0,) and none.features.shape == (0, whole.features.shape[1])


@FITS
def test_a_judge_comes_back_from_its_folder_bit_for_bit(fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = make_data()
    judge = fit(data, 3, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["judge.json", "judge.safetensors"]
    monkeypatch.setattr("synthgen.judges.ensemble.fit", None)  # fitting again would fail
    again = fit(data, 3, tmp_path)
    assert np.array_equal(again.reference, judge.reference)
    assert np.array_equal(again.examine(data.validation).agreement, judge.examine(data.validation).agreement)
    assert again.record == judge.record


@FITS
def test_a_judge_that_was_altered_or_is_of_other_data_is_fitted_again(fit, tmp_path: Path):
    data = make_data()
    judge = fit(data, 0, tmp_path)
    weights = tmp_path / "judge.safetensors"
    sound = weights.read_bytes()
    for broken in (sound[:-4], sound[:-1] + bytes([sound[-1] ^ 1])):
        weights.write_bytes(broken)
        assert np.array_equal(fit(data, 0, tmp_path).reference, judge.reference)
        assert weights.read_bytes() == sound
    (tmp_path / "judge.json").write_text("{")
    fit(data, 0, tmp_path)
    before = json.loads((tmp_path / "judge.json").read_text())["fingerprint"]
    fit(data, 1, tmp_path)
    assert json.loads((tmp_path / "judge.json").read_text())["fingerprint"] != before


def test_the_fingerprint_follows_whatever_the_judge_is_made_from():
    data = make_data()
    image = data.train["image"].copy()
    image[0, 0, 0, 0] ^= 1
    others = [
        (replace(data, train={**data.train, "image": image}), 0),
        (replace(data, classes=("up", "low")), 0),
        (replace(data, ignore=255), 0),
        (data, 1),
    ]
    marks = {fingerprint(one, seed, "label") for one, seed in others} | {fingerprint(data, 0, "label")}
    assert len(marks) == 5
    assert fingerprint(replace(data, heldout={}), 0, "label") == fingerprint(data, 0, "label")


def test_folds_are_even_in_every_class():
    labels = np.array([0] * 10 + [1] * 4 + [2] * 6)
    folds = split_folds(labels, seed=0)
    assert all(np.bincount(folds[labels == k]).tolist() == [sum(labels == k) // 2] * 2 for k in range(3))
    assert np.array_equal(folds, split_folds(labels, seed=0))
    assert not np.array_equal(folds, split_folds(labels, seed=1))


def test_one_row_is_too_few():
    with pytest.raises(UserError, match="source: 1 training row is too few"):
        split_folds(np.zeros(1, int), seed=0)


def test_probability_is_the_softmax_of_the_tempered_logits():
    logits = torch.tensor([[2.0, 0.0, -1.0]])
    expected = np.exp(1.0) / (np.exp(1.0) + 1 + np.exp(-0.5))
    assert probability(logits, torch.tensor([0]), temperature=2.0).item() == pytest.approx(expected)


def test_balanced_agreement_weighs_classes_alike_and_skips_the_ignored():
    targets = torch.tensor([[[0, 0, 0, 1]], [[0, 0, 0, IGNORED]], [[IGNORED] * 4]])
    logits = torch.zeros(3, 2, 1, 4)
    logits[:, 0] = np.log(9.0)  # class 0 everywhere with probability 0.9
    found = balanced_agreement(logits, targets)
    assert found.tolist() == pytest.approx([np.sqrt(0.9 * 0.1), 0.9, 1.0], rel=1e-5)


def test_the_schedule_grows_with_the_rows_within_bounds():
    shown = [choose_schedule(rows) for rows in (10, 2_000, 60_000)]
    assert [schedule.steps * schedule.batch_size for schedule in shown] == [12_800, 24_000, 64_000]
