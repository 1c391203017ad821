"""Against closed forms, brute force, and sets whose answer is known."""

import numpy as np
import pytest
from scipy import linalg
from scipy.spatial.distance import cdist

import synthgen.evaluation.fidelity as fidelity
from synthgen.evaluation.fidelity import frechet_distance, measure_fidelity


def gaussian(rows: int, width: int, seed: int, mean: float = 0.0, sd: float = 1.0) -> np.ndarray:
    return (mean + sd * np.random.default_rng(seed).standard_normal((rows, width))).astype(np.float32)


def with_moments(rows: int, mean: np.ndarray, covariance: np.ndarray, seed: int) -> np.ndarray:
    """Rows whose sample mean and covariance are exactly these."""
    x = np.random.default_rng(seed).standard_normal((rows, len(mean)))
    x -= x.mean(0)
    x = linalg.solve_triangular(np.linalg.cholesky(np.cov(x, rowvar=False)), x.T, lower=True).T
    return x @ np.linalg.cholesky(covariance).T + mean


def test_frechet_of_two_gaussians_is_the_closed_form() -> None:
    rng = np.random.default_rng(0)
    roots = rng.standard_normal((2, 6, 6))
    first, second = roots @ roots.transpose(0, 2, 1) + 0.1 * np.eye(6)
    means = rng.standard_normal((2, 6))
    a, b = with_moments(50, means[0], first, 1), with_moments(70, means[1], second, 2)
    cross = linalg.sqrtm(first @ second).real
    expected = np.sum((means[0] - means[1]) ** 2) + np.trace(first + second - 2 * cross)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("rows", "width"), [(5, 200), (300, 64), (2, 3), (40, 1)])
def test_frechet_is_sound_for_few_rows_and_many_features(rows: int, width: int) -> None:
    a = gaussian(rows, width, 0)
    assert frechet_distance(a, a) == pytest.approx(0.0, abs=1e-8)
    assert frechet_distance(a, a + 2) == pytest.approx(4 * width, rel=1e-5)
    assert frechet_distance(a, gaussian(rows, width, 1)) == pytest.approx(
        frechet_distance(gaussian(rows, width, 1), a), rel=1e-9
    )


def test_identical_sets_are_perfect() -> None:
    x = gaussian(200, 16, 0)
    found = measure_fidelity(x, x, seed=3)
    assert found["precision"] == found["recall"] == found["coverage"] == 1.0
    assert found["density"] >= 1.0
    assert found["frechet"] == pytest.approx(0.0, abs=1e-8)


def test_disjoint_sets_share_nothing() -> None:
    found = measure_fidelity(gaussian(100, 8, 0), gaussian(100, 8, 1, mean=100), seed=0)
    assert [found[name] for name in ("precision", "recall", "density", "coverage")] == [0, 0, 0, 0]


def test_same_distribution_is_near_one_and_the_far_offset_does_not_matter() -> None:
    real, synthetic = gaussian(800, 8, 0), gaussian(800, 8, 1)
    found = measure_fidelity(real, synthetic, seed=0)
    assert found["density"] == pytest.approx(1.0, abs=0.1)
    assert found["coverage"] > 0.9
    far = measure_fidelity(real.astype(np.float64) + 1e4, synthetic.astype(np.float64) + 1e4, seed=0)
    assert far["precision"] == found["precision"]
    assert far["coverage"] == found["coverage"]


def test_a_collapsed_generator_is_precise_but_recalls_nothing() -> None:
    found = measure_fidelity(gaussian(400, 8, 0), gaussian(400, 8, 1, sd=0.05), seed=0)
    assert found["precision"] > 0.95
    assert found["recall"] < 0.05


def test_measures_equal_brute_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fidelity, "BLOCK", 700)
    real, synthetic, k = gaussian(60, 5, 0), gaussian(60, 5, 1, mean=0.4), 3
    found = measure_fidelity(real, synthetic, k=k, seed=0)
    across = cdist(real, synthetic)
    real_radius = np.sort(cdist(real, real), 1)[:, k]
    synthetic_radius = np.sort(cdist(synthetic, synthetic), 1)[:, k]
    inside = across <= real_radius[:, None]
    assert found["precision"] == inside.any(0).mean()
    assert found["recall"] == (across <= synthetic_radius[None]).any(1).mean()
    assert found["density"] == pytest.approx(inside.sum() / (k * 60))
    assert found["coverage"] == (across.min(1) <= real_radius).mean()


def test_sets_are_cut_to_equal_size_by_the_seed() -> None:
    real, synthetic = gaussian(300, 4, 0), gaussian(120, 4, 1)
    found = measure_fidelity(real, synthetic, seed=5, limit=100)
    assert found["rows"] == 100
    assert found == measure_fidelity(real, synthetic, seed=5, limit=100)
    assert found != measure_fidelity(real, synthetic, seed=6, limit=100)


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_rows_are_nan_and_two_are_enough(rows: int) -> None:
    assert np.isnan(measure_fidelity(gaussian(50, 4, 0), gaussian(rows, 4, 1), seed=0)["recall"])
    assert measure_fidelity(gaussian(50, 4, 0), gaussian(2, 4, 1), seed=0)["k"] == 1
