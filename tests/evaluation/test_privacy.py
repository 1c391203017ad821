"""Copies that were planted are found, chance is not called a copy, and the attack is scored as scikit-learn would."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics import roc_auc_score

import synthgen.evaluation.privacy as privacy
from synthgen.evaluation.privacy import measure_privacy, membership_auc, nearest_distances


def rows(count: int, seed: int, width: int = 12) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)


@pytest.mark.parametrize("block", [1, 500, 2**23])
def test_nearest_distances_equal_brute_force(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(privacy, "BLOCK", block)
    queries, bank = rows(40, 0), rows(90, 1)
    expected = np.sort(cdist(queries.astype(np.float64), bank.astype(np.float64)), 1)[:, :3]
    np.testing.assert_allclose(nearest_distances(queries, bank, k=3), expected, rtol=1e-12)


def test_equal_rows_are_exactly_zero_apart_even_far_from_the_origin() -> None:
    bank = rows(200, 0) * 1e-3 + 1e3
    assert (nearest_distances(bank[::7], bank)[:, 0] == 0).all()


def test_a_small_bank_leaves_infinite_distances() -> None:
    found = nearest_distances(rows(3, 0), rows(1, 1))
    assert np.isfinite(found[:, 0]).all() and np.isinf(found[:, 1]).all()
    assert np.isinf(nearest_distances(rows(3, 0), rows(0, 1))).all()
    assert nearest_distances(rows(0, 0), rows(4, 1)).shape == (0, 2)


def test_planted_copies_are_found() -> None:
    train, heldout, fresh = rows(600, 0), rows(300, 1), rows(400, 2)
    noisy = train[:25] + 0.01 * rows(25, 3)
    found = measure_privacy(train, heldout, np.concatenate([fresh, noisy, train[30:35]]), seed=0)
    chance = measure_privacy(train, heldout, fresh, seed=0)
    assert found["copies"] == chance["copies"] + 30
    assert found["exact_copies"] == 5
    assert chance["copies"] <= 0.02 * 400
    assert 0 <= chance["copies_expected"] <= 0.011 * 400


def test_nearest_ratio_is_one_for_fresh_rows_and_falls_for_memorised_ones() -> None:
    train, heldout = rows(600, 0), rows(400, 1)
    fresh = measure_privacy(train, heldout, rows(400, 2), seed=0)
    assert fresh["nearest_ratio_low"] < 1 < fresh["nearest_ratio_high"]
    assert fresh["nearest_ratio_low"] < fresh["nearest_ratio"] < fresh["nearest_ratio_high"]
    near = measure_privacy(train, heldout, train[:400] + 0.2 * rows(400, 3), seed=0)
    assert near["nearest_ratio_high"] < 0.6


def test_same_seed_same_numbers_and_the_note_is_handed_on() -> None:
    args = rows(100, 0), rows(50, 1), rows(60, 2)
    assert measure_privacy(*args, seed=4, note="n") == measure_privacy(*args, seed=4, note="n")
    assert measure_privacy(*args, seed=4, note="n")["note"] == "n"


def test_absent_or_degenerate_rows_give_none_and_not_nan() -> None:
    train = rows(50, 0)
    assert measure_privacy(train, rows(0, 1), train[:3], seed=0)["copies"] == 3
    assert measure_privacy(train, rows(0, 1), rows(5, 2), seed=0)["nearest_ratio"] is None
    assert measure_privacy(train, train, rows(5, 2), seed=0)["nearest_ratio"] is None
    assert measure_privacy(train, rows(9, 1), rows(0, 2), seed=0)["copies"] == 0


def test_training_rows_that_exist_twice_do_not_make_copies() -> None:
    train = np.concatenate([rows(100, 0), rows(100, 0)])
    heldout, fresh = rows(200, 1), rows(200, 2)
    assert measure_privacy(train, heldout, fresh, seed=0)["copies"] <= 4


def test_a_row_near_a_crowd_of_training_rows_is_no_copy_of_one() -> None:
    crowd = rows(1, 5) + 0.3 * rows(300, 6)
    train, heldout = np.concatenate([rows(300, 0), crowd]), rows(300, 1)
    found = measure_privacy(train, heldout, rows(1, 5) + 0.3 * rows(100, 7), seed=0)
    assert found["nearest_ratio"] < 0.5
    assert found["copies"] <= 5


@pytest.mark.parametrize("shift", [0.0, 0.5, -1.0])
def test_auc_is_that_of_scikit_learn(shift: float) -> None:
    rng = np.random.default_rng(0)
    members, others = rng.normal(0, 1, 150).round(1), rng.normal(shift, 1, 90).round(1)
    truth = np.concatenate([np.ones(150), np.zeros(90)])
    expected = roc_auc_score(truth, -np.concatenate([members, others]))
    found = membership_auc(members, others)
    assert found["membership_auc"] == pytest.approx(expected)
    assert found["membership_auc_low"] <= expected <= found["membership_auc_high"]


def test_auc_extremes_and_absence() -> None:
    low, high = np.linspace(0, 1, 200), np.linspace(2, 3, 200)
    assert membership_auc(low, high)["membership_auc"] == membership_auc(low, high)["membership_tpr"] == 1.0
    assert membership_auc(high, low)["membership_auc"] == membership_auc(high, low)["membership_tpr"] == 0.0
    assert membership_auc(np.ones(20), np.ones(30))["membership_auc"] == 0.5
    assert set(membership_auc(np.array([np.nan]), high).values()) == {None}
