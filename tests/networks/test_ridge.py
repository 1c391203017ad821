"""Ridge regression is scikit-learn's, with its penalty, and equal rows count as one."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeClassifierCV

from synthgen.networks.ridge import PENALTIES, choose_penalty, decompose, fit_ridge, multiply, one_against_rest


def make_rows(rows: int, features: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.Generator(np.random.Philox(4))
    labels = np.arange(rows) % 3
    x = generator.standard_normal((rows, features)).astype(np.float32)
    x[:, :3] += 1.2 * (labels[:, None] == np.arange(3))
    return x, labels


@pytest.mark.parametrize(("rows", "features"), [(40, 120), (120, 40)])
def test_penalty_and_decisions_are_those_of_scikit_learn(rows, features):
    x, labels = make_rows(rows, features)
    spectrum, targets = decompose(x), one_against_rest(labels, 3)
    scaled = (x - spectrum.center) / spectrum.scale
    reference = RidgeClassifierCV(PENALTIES).fit(scaled, labels)
    penalty = choose_penalty(spectrum, targets)
    assert penalty == reference.alpha_
    decisions = fit_ridge(spectrum, targets, penalty).decide(x)
    assert np.abs(decisions - reference.decision_function(scaled)).max() < 1e-4


@pytest.mark.parametrize(("rows", "features"), [(20, 50), (50, 20)])
def test_weights_are_repeats(rows, features):
    x, labels = make_rows(rows, features)
    weights = 1 + np.arange(rows) % 4
    targets = one_against_rest(labels, 3)
    repeated = decompose(np.repeat(x, weights, 0))
    weighted = decompose(x, weights)
    a = fit_ridge(repeated, np.repeat(targets, weights, 0), 2.0)
    b = fit_ridge(weighted, targets, 2.0)
    assert np.abs(a.decide(x) - b.decide(x)).max() < 1e-4


def test_a_repeated_row_cannot_vouch_for_itself():
    x, _ = make_rows(30, 200)
    targets = one_against_rest(np.random.Generator(np.random.Philox(1)).integers(2, size=30), 2)
    assert choose_penalty(decompose(np.repeat(x, 5, 0)), np.repeat(targets, 5, 0)) < 1
    assert choose_penalty(decompose(x, np.full(30, 5)), targets) > 100


def test_axes_are_the_principal_ones():
    x, _ = make_rows(60, 30)
    spectrum = decompose(x)
    reference = PCA(5).fit((x - spectrum.center) / spectrum.scale)
    assert np.allclose(spectrum.singular[:5], reference.singular_values_, rtol=1e-5)
    assert np.allclose(np.abs(np.sum(spectrum.axes[:, :5].T * reference.components_, 1)), 1, atol=1e-5)


def test_rows_that_are_all_the_same_give_the_mean_of_the_targets():
    spectrum = decompose(np.ones((6, 4), np.float32))
    targets = one_against_rest(np.array([0, 0, 0, 0, 1, 1]), 2)
    decisions = fit_ridge(spectrum, targets, choose_penalty(spectrum, targets)).decide(np.ones((1, 4), np.float32))
    assert decisions[0].tolist() == pytest.approx([1 / 3, -1 / 3])


def test_a_product_does_not_depend_on_the_rows_beside():
    rows, matrix = make_rows(700, 90)[0], make_rows(90, 7)[0]
    whole = multiply(rows, matrix)
    assert all(np.array_equal(multiply(rows[i : i + 1], matrix)[0], whole[i]) for i in range(0, 700, 37))
    assert np.allclose(whole, rows @ matrix, atol=1e-4)
