"""The judge of points tells wrong classes, parts and loose clouds from sound ones, and comes back unaltered only."""

import json
from dataclasses import replace

import numpy as np
import pytest
from solids import PARTS, make_solids

from synthgen.judges.points import (
    PointsRecord,
    choose_schedule,
    find_limits,
    fingerprint_points,
    fit_points_judge,
    measure_overlap,
    measure_solidity,
    measure_stray,
)
from synthgen.networks.supervised import Schedule
from synthgen.types import take_rows

DATA = make_solids(180, 128)
SHORT = Schedule(steps=60, batch_size=16, rate=1e-2, muon_rate=0.1)


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr("synthgen.judges.points.choose_schedule", lambda rows: SHORT)


@pytest.fixture(scope="module")
def judge():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("synthgen.judges.points.choose_schedule", lambda rows: SHORT)
        return fit_points_judge(DATA, 0, None)


def scatter(rows, share):
    """`rows` with a share of the points at random places."""
    draw = np.random.default_rng(0)
    loose = draw.random(rows["part"].shape) < share
    points = np.where(loose[..., None], draw.uniform(-0.9, 0.9, rows["points"].shape), rows["points"])
    return {**rows, "points": points.astype(np.float32)}


def test_what_is_wrong_agrees_less(judge):
    rows = DATA.validation
    right = judge.examine(rows)
    assert right.agreement.dtype == right.features.dtype == np.float32
    assert right.features.shape[1] <= 128
    assert ((right.agreement >= 0) & (right.agreement <= 1)).all()
    swapped = np.where(rows["part"] == rows["part"].max(1, keepdims=True), rows["part"].min(1, keepdims=True), 1)
    for wrong in ({**rows, "label": (rows["label"] + 1) % 3}, {**rows, "part": swapped}, scatter(rows, 0.15)):
        assert judge.examine(wrong).agreement.mean() < right.agreement.mean() - 0.25
    assert judge.reference.shape == (60,) and judge.reference.mean() == pytest.approx(right.agreement.mean(), abs=0.1)


def test_a_row_is_seen_the_same_in_any_company(judge):
    whole, some = judge.examine(DATA.train), np.array([20, 3, 59])
    part = judge.examine(take_rows(DATA.train, some))
    assert np.array_equal(part.agreement, whole.agreement[some])
    assert np.array_equal(part.features, whole.features[some])
    none = judge.examine(take_rows(DATA.train, slice(0, 0)))
    assert none.agreement.shape == (0,) and none.features.shape == (0, whole.features.shape[1])


def test_without_parts_the_class_alone_counts():
    parts = {name: {**getattr(DATA, name), "part": np.zeros((60, 128), np.uint8)} for name in ("train", "validation")}
    data = replace(DATA, **parts, details={"parts": ("object",), "points": 128})
    judge = fit_points_judge(data, 0, None)
    right = judge.examine(data.validation).agreement
    wrong = judge.examine({**data.validation, "label": (data.validation["label"] + 1) % 3}).agreement
    assert right.mean() > wrong.mean() + 0.5


def test_a_judge_comes_back_from_its_folder_unless_altered(tmp_path, monkeypatch):
    judge = fit_points_judge(DATA, 3, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["judge.json", "judge.safetensors"]
    with monkeypatch.context() as patch:
        patch.setattr("synthgen.judges.points.fit_points", None)  # fitting again would fail
        again = fit_points_judge(DATA, 3, tmp_path)
    assert again.record == judge.record and np.array_equal(again.reference, judge.reference)
    rows = DATA.validation
    assert np.array_equal(again.examine(rows).agreement, judge.examine(rows).agreement)
    described = tmp_path / "judge.json"
    kept = json.loads(described.read_text())
    described.write_text(json.dumps({name: value for name, value in kept.items() if name != "stray"}))
    fit_points_judge(DATA, 3, tmp_path)
    assert json.loads(described.read_text()) == kept


def test_the_fingerprint_follows_whatever_the_judge_is_made_from():
    points = DATA.train["points"].copy()
    points[0, 0, 0] += 1e-3
    others = [
        (replace(DATA, train={**DATA.train, "points": points}), 0),
        (replace(DATA, details={**DATA.details, "parts": tuple(reversed(PARTS))}), 0),
        (DATA, 1),
        (DATA, 0),
    ]
    assert len({fingerprint_points(data, seed) for data, seed in others}) == 4
    assert fingerprint_points(replace(DATA, heldout={}), 0) == fingerprint_points(DATA, 0)


def test_stray_points_are_those_that_stand_alone():
    flat = np.stack(np.meshgrid(np.arange(10), np.arange(10), [0]), -1).reshape(1, 100, 3).astype(np.float32) / 10
    assert measure_stray(flat).tolist() == [0]
    flat[0, :3] = [[0, 0, 0.35], [0, 0, 3], [3, 0, 0]]  # the first is less than 4 x 0.1 away from a point of the plane
    assert measure_stray(flat) == pytest.approx([0.02])
    assert measure_stray(np.zeros((2, 1, 3), np.float32)).tolist() == [0, 0]
    assert measure_stray(np.zeros((1, 50, 3), np.float32)).tolist() == [0]


def test_overlapping_points_are_deep_inside_the_box_of_another_part():
    draw = np.random.default_rng(0)
    cube = draw.uniform(-0.5, 0.5, (3, 90, 3)).astype(np.float32)
    part = np.tile(np.repeat([2, 0], 45), (3, 1)).astype(np.uint8)
    cube[0, 45:] += 2  # beside one another
    cube[1, 45:] *= 0.1  # one inside the other
    assert measure_overlap(cube, part)[:2] == pytest.approx([0, 0.5])
    assert measure_overlap(cube, part)[2] > 0.4  # both in the same place
    assert measure_overlap(cube, np.zeros_like(part)).tolist() == [0, 0, 0]
    assert measure_overlap(cube[:0], part[:0]).shape == (0,)


def test_only_what_real_rows_do_not_show_costs_agreement():
    record = PointsRecord("", {}, ("a", "b"), 0, 1.0, 1.0, stray=(0.0, 0.1), overlap=(0.49, 0.0))
    stray, overlap = np.array([0.01, 0.02, 0.11, 0.22]), np.array([0.5, 1.0, 0.0, 0.02])
    found = measure_solidity((stray, overlap), np.array([0, 0, 1, 1]), record)
    assert found == pytest.approx([1, 0.25, 1, 0.25])
    assert find_limits(np.array([0.0, 1.0, 5.0]), np.array([0, 0, 2]), 3) == pytest.approx((0.99, 4.92, 5.0))


def test_the_schedule_grows_with_the_rows_within_bounds():
    assert [choose_schedule(rows).steps for rows in (10, 2_000, 100_000)] == [250, 500, 1000]
