"""The judge of series tells wrong classes and untypical rows, minds no company, and comes back only unaltered."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from synthgen.errors import UserError
from synthgen.judges.rocket import BLOCKS, calibrate, fingerprint, fit_rocket_judge, probability, split_in_time
from synthgen.types import Columns, Data, Origin, take_rows

ORIGIN = Origin("made up", "CC0-1.0", "none", "by construction", "none")


def make_rows(rows: int, seed: int, noise: float = 0.3) -> Columns:
    """Slow waves (class 0) or fast ones (class 1), in two channels of 32 steps."""
    generator = np.random.Generator(np.random.Philox(seed))
    label = np.arange(rows) % 2
    phase = generator.uniform(0, 2 * np.pi, (rows, 1, 2))
    speed = np.where(label == 0, 1.0, 1.8)[:, None, None]
    series = np.sin(speed * np.arange(32)[:, None] / 3 + phase) + noise * generator.standard_normal((rows, 32, 2))
    return {"series": series.astype(np.float32), "label": label, "start": np.zeros(rows), "series_id": np.arange(rows)}


def make_data(rows: int = 60, classes: tuple[str, ...] = ("slow", "fast")) -> Data:
    parts = [make_rows(rows, seed) for seed in range(3)]
    if len(classes) == 1:
        parts = [{**part, "label": np.zeros(rows, np.int64)} for part in parts]
    return Data(*parts, classes, ORIGIN)


def test_wrong_labels_agree_less():
    data = make_data()
    judge = fit_rocket_judge(data, 0, None)
    right = judge.examine(data.heldout).agreement
    wrong = judge.examine({**data.heldout, "label": 1 - data.heldout["label"]}).agreement
    assert right.mean() > 0.8 > 0.2 > wrong.mean()
    assert judge.reference.shape == (60,) and judge.reference.dtype == np.float32
    assert abs(np.median(judge.reference) - np.median(right)) < 0.1


def test_without_classes_untypical_rows_agree_less_and_real_rows_are_spread_evenly():
    data = make_data(200, ("any",))
    judge = fit_rocket_judge(data, 0, None)
    real = judge.examine(data.heldout).agreement
    noise = np.random.Generator(np.random.Philox(9)).standard_normal((200, 32, 2)).astype(np.float32)
    made = judge.examine({**data.heldout, "series": noise}).agreement
    assert np.quantile(judge.reference, [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.03)
    assert np.median(real) == pytest.approx(0.5, abs=0.15)
    assert np.mean(made < np.quantile(judge.reference, 0.05)) > 0.9
    assert made.min() > 0 and real.max() <= 1


@pytest.mark.parametrize("classes", [("slow", "fast"), ("any",)])
def test_an_opinion_does_not_depend_on_the_other_rows(classes):
    data = make_data(60, classes)
    judge = fit_rocket_judge(data, 0, None)
    whole = judge.examine(data.heldout)
    assert whole.features.dtype == whole.agreement.dtype == np.float32
    assert whole.features.shape[1] <= 128
    for part in (slice(7, 8), slice(20, 41)):
        alone = judge.examine(take_rows(data.heldout, part))
        assert np.array_equal(alone.features, whole.features[part])
        assert np.array_equal(alone.agreement, whole.agreement[part])


def test_features_are_in_units_of_the_spread_of_training_rows():
    data = make_data(200)
    features = fit_rocket_judge(data, 0, None).examine(data.train).features
    assert features.var(0).sum() == pytest.approx(1, abs=0.15)


def test_the_judge_comes_back_from_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = make_data()
    judge = fit_rocket_judge(data, 0, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["judge.json", "judge.safetensors"]
    monkeypatch.setattr("synthgen.judges.rocket.fit_reader", None)
    again = fit_rocket_judge(data, 0, tmp_path)
    assert np.array_equal(again.reference, judge.reference)
    for a, b in zip(
        vars(again.examine(data.heldout)).values(), vars(judge.examine(data.heldout)).values(), strict=True
    ):
        assert np.array_equal(a, b)


def test_altered_judges_and_those_of_other_data_are_fitted_anew(tmp_path: Path):
    data = make_data(24)
    judge = fit_rocket_judge(data, 0, tmp_path)
    path = tmp_path / "judge.safetensors"
    sound = path.read_bytes()
    path.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    assert np.array_equal(fit_rocket_judge(data, 0, tmp_path).reference, judge.reference)
    assert path.read_bytes() == sound
    described = json.loads((tmp_path / "judge.json").read_text())
    fit_rocket_judge(data, 1, tmp_path)
    assert json.loads((tmp_path / "judge.json").read_text())["fingerprint"] != described["fingerprint"]


def test_the_fingerprint_is_of_series_labels_classes_and_seed():
    data = make_data(8)
    other = replace(data, train={**data.train, "label": 1 - data.train["label"]})
    moved = replace(data, train={**data.train, "series": data.train["series"] + np.float32(1e-6)})
    marks = [
        fingerprint(*x) for x in ((data, 0), (other, 0), (moved, 0), (data, 1), (replace(data, classes=("a", "b")), 0))
    ]
    assert len(set(marks)) == 5 and fingerprint(make_data(8), 0) == marks[0]


@pytest.mark.parametrize("classes", [("slow", "fast"), ("any",)])
def test_few_or_constant_rows_are_judged(classes):
    data = make_data(4, classes)
    flat = replace(data, train={**data.train, "series": np.zeros((4, 32, 2), np.float32)})
    for one in (data, flat):
        judge = fit_rocket_judge(one, 0, None)
        opinion = judge.examine(one.heldout)
        assert np.isfinite(opinion.features).all() and np.isfinite(judge.reference).all()
        assert ((opinion.agreement >= 0) & (opinion.agreement <= 1)).all()
    with pytest.raises(UserError, match="too few"):
        fit_rocket_judge(replace(data, train=take_rows(data.train, slice(0, 1))), 0, None)


def test_the_temperature_fits_and_never_grows_certain_of_few_rows():
    generator = np.random.Generator(np.random.Philox(3))
    logits = generator.normal(0, 2, (4000, 3))
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (chances.cumsum(1) < generator.uniform(size=(4000, 1))).sum(1).clip(max=2)
    assert calibrate((logits / 5).astype(np.float32), labels) == pytest.approx(0.2, rel=0.1)
    sure = np.array([[1.0, -1.0], [-1.0, 1.0]] * 5, np.float32)
    told = np.array([0, 1] * 5)
    assert probability(sure, told, calibrate(sure, told)).max() < 0.95


def test_windows_of_one_recording_go_to_the_folds_in_blocks_of_time():
    draw = np.random.default_rng(0)
    shuffled = draw.permutation(400)
    rows = {"label": np.arange(400) // 300, "start": np.arange(400) % 200 * 0.5, "series_id": np.arange(400) // 200}
    folds = np.empty(400, np.int64)
    folds[shuffled] = split_in_time({name: values[shuffled] for name, values in rows.items()}, seed=3)
    for label in (0, 1):
        own = folds[rows["label"] == label]
        assert abs(np.diff(np.bincount(own))) <= 2 * BLOCKS
        assert np.count_nonzero(np.diff(own)) == 2 * BLOCKS - 1
    apart = {"label": np.zeros(40, np.int64), "start": np.zeros(40), "series_id": np.arange(40)}
    assert np.count_nonzero(np.diff(split_in_time(apart, seed=3))) > 2 * BLOCKS


def test_a_judge_of_overlapping_windows_takes_new_rows_of_the_kind_for_typical():
    draw = np.random.default_rng(0)

    def record(rows):
        steps = np.cumsum(draw.normal(0, 0.1, rows * 4 + 32))
        wave = np.sin(np.arange(len(steps)) / 3 + steps)[:, None]
        series = np.lib.stride_tricks.sliding_window_view(wave, 32, 0)[::4][:rows].swapaxes(1, 2)
        noisy = series + draw.normal(0, 0.02, series.shape)
        zeros = np.zeros(rows, np.int64)
        columns = {"series": noisy.astype(np.float32), "label": zeros, "start": np.arange(rows) * 4.0}
        return {**columns, "series_id": zeros}

    judge = fit_rocket_judge(Data(record(600), {}, {}, ("any",), ORIGIN), 0, None)
    said = judge.examine(record(300)).agreement
    assert (said >= np.quantile(judge.reference, 0.05)).mean() > 0.7
