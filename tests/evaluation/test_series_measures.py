"""Measures are near their ideal for rows of the same kind, and large for rows that differ as each one says."""

from functools import cache

import numpy as np
import pytest

from synthgen.evaluation.series_measures import (
    MEANINGS,
    autocorrelation,
    compare_series,
    correlation_difference,
    correlations,
    log_spectrum,
)
from synthgen.types import Columns, Data, Origin

ORIGIN = Origin("made up", "CC0-1.0", "none", "by construction", "none")
STEPS = 24


def make_rows(rows: int, seed: int) -> Columns:
    """Two waves with a common phase and one channel that never varies, autocorrelated noise."""
    generator = np.random.Generator(np.random.Philox(seed))
    phase = generator.uniform(0, 2 * np.pi, (rows, 1))
    wave = np.sin(np.arange(STEPS) / 2 + phase) + 0.1 * generator.standard_normal((rows, STEPS))
    series = np.stack([wave, -0.5 * wave, np.full((rows, STEPS), 4.0)], 2)
    return {"series": series.astype(np.float32)}


@cache
def make_data() -> Data:
    return Data(make_rows(300, 0), make_rows(20, 1), make_rows(300, 2), ("any",), ORIGIN)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TELL_STEPS": 60, "FORECAST_STEPS": 40, "SEEDS": 1}.items():
        monkeypatch.setattr(f"synthgen.evaluation.series_measures.{name}", value)


def test_rows_of_the_same_kind_are_near_the_ideal():
    data = make_data()
    found = compare_series(data.heldout, make_rows(300, 3), data, seed=0)
    assert set(found) < set(MEANINGS)
    assert all(np.isfinite(value) for value in found.values())
    assert max(found[f"discriminative_score{which}"] for which in ("", "_train", "_real")) < 0.15
    assert found["predictive_score"] == pytest.approx(found["predictive_score_real"], rel=0.15)
    assert found["context_frechet"] < 0.05
    assert found["autocorrelation_difference"] < 0.03
    assert found["spectrum_difference"] < 0.1
    assert found["correlation_difference"] < 0.02
    assert found["rows"] == 300
    assert compare_series(data.heldout, make_rows(300, 3), data, seed=0) == found


def test_rows_shuffled_in_time_are_found_out():
    data = make_data()
    shuffled = np.random.Generator(np.random.Philox(5)).permuted(make_rows(300, 3)["series"], axis=1)
    found = compare_series(data.heldout, {"series": shuffled}, data, seed=0)
    assert min(found["discriminative_score"], found["discriminative_score_train"]) > 0.35
    assert found["discriminative_score_real"] < 0.15
    assert found["predictive_score"] > 1.5 * found["predictive_score_real"]
    assert found["context_frechet"] > 0.3
    assert found["autocorrelation_difference"] > 0.2
    assert found["spectrum_difference"] > 0.3
    assert found["correlation_difference"] > 0.2


def test_few_long_and_constant_rows_give_numbers():
    rows = {"series": np.zeros((3, 300, 2), np.float32)}
    found = compare_series(rows, rows, Data(rows, rows, rows, ("any",), ORIGIN), seed=0)
    assert all(np.isfinite(value) for value in found.values())
    assert found["spectrum_difference"] == found["autocorrelation_difference"] == found["correlation_difference"] == 0


def test_autocorrelation_of_an_autoregressive_series_falls_by_its_coefficient():
    noise = np.random.Generator(np.random.Philox(0)).standard_normal((200, 400, 1))
    series = np.zeros_like(noise)
    for step in range(1, 400):
        series[:, step] = 0.8 * series[:, step - 1] + noise[:, step]
    found = autocorrelation(series.astype(np.float32))
    assert found.shape == (64, 1)
    assert found[:6, 0] == pytest.approx(0.8 ** np.arange(1, 7), abs=0.04)


def test_spectrum_has_its_peak_at_the_frequency_and_no_unit():
    wave = np.sin(2 * np.pi * 5 * np.arange(100) / 100)[None, :, None].astype(np.float32)
    logs = log_spectrum(wave)
    assert logs[:, 0].argmax() == 4 and logs.shape == (50, 1)
    assert np.allclose(log_spectrum(wave * 7 + 3), logs, atol=1e-3)
    assert np.ptp(log_spectrum(np.ones((2, 30, 1), np.float32))) == 0


def test_correlations_are_those_of_numpy():
    series = make_rows(40, 0)["series"]
    wanted = np.corrcoef(series.reshape(-1, 3)[:, :2], rowvar=False)
    assert correlations(series)[:2, :2] == pytest.approx(wanted, abs=1e-6)
    assert not correlations(series)[2].any()
    assert correlation_difference(series, series * np.array([1, -1, 1], np.float32)) == pytest.approx(2 / 3, abs=0.02)
    assert correlation_difference(series[..., :1], series[..., :1]) == 0
