"""Learners of series learn, repeat themselves also in threads, and score as a closed form says."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_curve

from synthgen.evaluation.series_augmentation import draw_times, read_at, vary_series
from synthgen.evaluation.series_learners import (
    EventDetectorLearner,
    ForecastLearner,
    RocketLearner,
    build_series_learner,
    count_equal,
    find_bar,
    recall_at,
)
from synthgen.types import Columns, Data, Origin, Score, take_rows

ORIGIN = Origin("made up", "CC0-1.0", "none", "by construction", "none")


def make_rows(rows: int, seed: int, events: bool = False) -> Columns:
    """Slow waves (class 0) or fast ones (class 1), two channels of 32 steps; events add a level to the second."""
    generator = np.random.Generator(np.random.Philox(seed))
    label = np.arange(rows) % 2
    phase = generator.uniform(0, 2 * np.pi, (rows, 1, 2))
    speed = np.where(label == 0, 1.0, 1.8)[:, None, None]
    series = np.sin(speed * np.arange(32)[:, None] / 3 + phase) + 0.3 * generator.standard_normal((rows, 32, 2))
    marks = np.zeros((rows, 32), np.uint8)
    if events:
        starts = generator.integers(24, size=rows)
        inside = (np.arange(32) >= starts[:, None]) & (np.arange(32) < starts[:, None] + 8)
        marks[inside] = 1
        series[..., 1] += 1.5 * marks
    return {"series": series.astype(np.float32), "label": label, "events": marks}


def make_data(rows: int = 40, kinds: tuple[str, ...] = (), classes: tuple[str, ...] = ("slow", "fast")) -> Data:
    parts = [make_rows(rows, seed, bool(kinds)) for seed in range(3)]
    if len(classes) == 1:
        parts = [{**part, "label": np.zeros(rows, np.int64)} for part in parts]
    details = {"channels": ("x", "y"), "kinds": kinds, "rate_hz": None, "length": 32}
    return Data(*parts, classes, ORIGIN, details=details)


def test_the_data_choose_the_learner():
    assert isinstance(build_series_learner(make_data(kinds=("rise",))), EventDetectorLearner)
    assert isinstance(build_series_learner(make_data()), RocketLearner)
    assert isinstance(build_series_learner(make_data(classes=("any",))), ForecastLearner)
    quiet = make_data(kinds=("rise",))
    quiet.train["events"][:] = 0
    assert isinstance(build_series_learner(quiet), RocketLearner)


@pytest.mark.parametrize(
    "kinds, classes, bar", [(("rise",), ("a", "b"), 0.8), ((), ("a", "b"), 0.95), ((), ("any",), 0.85)]
)
@pytest.mark.parametrize("augment", [False, True])
def test_learners_learn_and_repeat_themselves_in_threads(kinds, classes, bar, augment):
    data = make_data(60, kinds, classes)
    learner = build_series_learner(data)

    def measure(seed: int) -> Score:
        told = {"steps": 40, "batch_size": 16, "seed": seed, "augment": augment}
        return learner.measure(data.train, data.heldout, **told)

    alone = measure(1)
    with ThreadPoolExecutor(2, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        scores = list(pool.map(measure, [1, 2, 1]))
    assert repr(scores[0]) == repr(scores[2]) and scores[0].value == pytest.approx(alone.value, abs=1e-3)
    assert all(bar < score.value <= 1 for score in scores)
    assert len(scores[0].per_class) == len(classes)
    assert np.mean(scores[0].per_class) == pytest.approx(scores[0].value, abs=0.02)


def test_nothing_is_learned_from_events_and_labels_that_tell_nothing():
    data = make_data(60, ("rise",))
    generator = np.random.Generator(np.random.Philox(1))
    rows = {
        **data.train,
        "events": generator.permutation(data.train["events"]),
        "label": generator.permutation(data.train["label"]),
    }
    told = {"steps": 60, "batch_size": 16, "seed": 0, "augment": False}
    assert EventDetectorLearner(data).measure(rows, data.heldout, **told).value < 0.4
    assert RocketLearner(data).measure(rows, data.heldout, **told).value < 0.75


def test_equal_rows_change_nothing_for_the_classifier():
    data = make_data(40)
    learner = RocketLearner(data)
    repeated = take_rows(data.train, np.resize(np.arange(40), 120))
    told = {"steps": 1, "batch_size": 32, "seed": 0, "augment": False}
    assert learner.measure(repeated, data.heldout, **told) == learner.measure(data.train, data.heldout, **told)
    first, counts = count_equal(repeated["series"], repeated["label"])
    assert first.tolist() == list(range(40)) and counts.tolist() == [3] * 40
    other = np.concatenate([data.train["label"], 1 - data.train["label"]])
    assert len(count_equal(np.concatenate([data.train["series"]] * 2), other)[0]) == 80


@pytest.mark.parametrize("levels", [0, 7, 1])
def test_recall_at_false_alarms_is_read_from_the_roc_curve(levels):
    generator = np.random.Generator(np.random.Philox(2))
    without, within = generator.normal(0, 1, 333), generator.normal(1.5, 1, 77)
    if levels:
        without, within = np.rint(without * levels / 3), np.rint(within * levels / 3)
    if levels == 1:
        without, within = without * 0, within * 0
    alarms, recall, _ = roc_curve(
        np.repeat([0, 1], [333, 77]), np.concatenate([without, within]), drop_intermediate=False
    )
    wanted = np.interp(0.05, alarms, recall)
    assert recall_at(within, *find_bar(without)) == pytest.approx(wanted, abs=1 / 77)


def test_without_events_or_quiet_steps_there_is_no_recall():
    data = make_data(8, ("rise",))
    learner = EventDetectorLearner(data)
    told = {"steps": 2, "batch_size": 4, "seed": 0, "augment": False}
    for value in (0, 1):
        rows = {**data.heldout, "events": np.full_like(data.heldout["events"], value)}
        score = learner.measure(data.train, rows, **told)
        assert math.isnan(score.value) and all(math.isnan(x) for x in score.per_class)


def test_a_forecast_of_constant_series_is_exact():
    data = make_data(8, classes=("any",))
    flat = {**data.train, "series": np.full((8, 32, 2), 3.0, np.float32)}
    learner = ForecastLearner(Data(flat, flat, flat, ("any",), ORIGIN, details=data.details))
    assert learner.measure(flat, flat, steps=60, batch_size=4, seed=0, augment=False).value > 0.98


def test_a_long_series_is_learned_by_windows():
    long = np.repeat(make_rows(8, 0)["series"], 20, 1)
    rows = {"series": long, "label": np.zeros(8, np.int64), "events": (long[..., 0] > 0).astype(np.uint8)}
    data = Data(rows, rows, rows, ("any",), ORIGIN, details={"kinds": ("high",), "channels": ("x", "y")})
    score = EventDetectorLearner(data).measure(rows, rows, steps=40, batch_size=4, seed=0, augment=True)
    assert score.value > 0.8


def test_events_move_with_their_steps():
    rows = make_rows(64, 0, events=True)
    level = np.repeat(rows["events"][..., None], 2, 2).astype(np.float32) * 10
    series, events = vary_series(level, rows["events"], np.random.Generator(np.random.Philox(0)))
    assert np.mean((series[..., 0] > series[..., 0].mean(1, keepdims=True)) == (events == 1)) > 0.95
    assert not np.array_equal(events, rows["events"])
    assert series.dtype == np.float32 and events.dtype == np.uint8


def test_times_rise_and_values_are_read_between_steps():
    places = draw_times(50, 40, np.random.Generator(np.random.Philox(0)))
    assert (np.diff(places) > 0).all() and places.min() >= 0 and places.max() <= 39
    line = np.arange(40, dtype=np.float32)[None, :, None].repeat(50, 0)
    assert np.abs(read_at(line, places)[..., 0] - places).max() < 1e-4


def test_augmentation_follows_its_generator_and_keeps_the_level():
    rows = make_rows(16, 0)
    a, b = (vary_series(rows["series"], rows["events"], np.random.Generator(np.random.Philox(1)))[0] for _ in range(2))
    assert np.array_equal(a, b)
    shifted = vary_series(rows["series"] + 1000, rows["events"], np.random.Generator(np.random.Philox(1)))[0]
    assert np.abs(shifted - 1000 - a).max() < 1e-2
