"""A small real learner (nearest class mean, fitted by steps) in each regime; the memo is asked once a key."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from synthgen.evaluation.options import EvaluateOptions
from synthgen.evaluation.utility import measure_gate_worth, measure_utility
from synthgen.types import Columns, Data, Origin, Score, count_rows, take_rows

CLASSES = ("left", "right", "never")
ORIGIN = Origin("toy", "CC0-1.0", "none", "by construction", "drawn apart")


def points(count: int, seed: int, gap: float = 2.0, flipped: float = 0.0) -> Columns:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, count)
    x = rng.normal(0, 1, (count, 2)) + gap * (label[:, None] - 0.5)
    return {"x": x, "label": np.where(rng.random(count) < flipped, 1 - label, label)}


class NearestMean:
    metric = "accuracy"
    description = "nearest of the class means of steps × batch_size drawn rows"

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def measure(self, train: Columns, test: Columns, *, steps: int, batch_size: int, seed: int, augment: bool) -> Score:
        self.calls.append({"rows": count_rows(train), "steps": steps, "seed": seed, "augment": augment})
        rng = np.random.default_rng(seed)
        drawn = take_rows(train, rng.integers(0, count_rows(train), steps * batch_size))
        means = np.stack([drawn["x"][drawn["label"] == k].mean(0) for k in (0, 1)])
        guess = np.square(test["x"][:, None] - means).sum(-1).argmin(1)
        right = guess == test["label"]
        return Score(float(right.mean()), (*(float(right[test["label"] == k].mean()) for k in (0, 1)), float("nan")))


class Memo:
    def __init__(self) -> None:
        self.kept: dict[str, Score] = {}
        self.computed: list[str] = []

    def __call__(self, key: str, compute: Callable[[], Score]) -> Score:
        if key not in self.kept:
            self.computed.append(key)
            self.kept[key] = compute()
        return self.kept[key]


@pytest.fixture
def data() -> Data:
    train = {**points(60, 0), "source": np.arange(60)}
    return Data(train, points(20, 1), points(500, 2), CLASSES, ORIGIN)


def measure(data: Data, synthetic: Columns, memo: Memo, learner: NearestMean, **options: Any) -> dict[str, Any]:
    chosen = EvaluateOptions(**{"seeds": 3, "batch_size": 8, **options})
    ticks: list[tuple[str, int, int]] = []
    found = measure_utility(
        data, synthetic, learner, chosen, steps=5, recall=memo, progress=lambda *tick: ticks.append(tick)
    )
    assert [done for _, done, _ in ticks] == list(range(1, ticks[-1][2] + 1))
    return found


def test_every_regime_is_measured_at_equal_steps(data: Data) -> None:
    learner, memo = NearestMean(), Memo()
    found = measure(data, points(200, 3), memo, learner)
    regimes = ("train_real_test_real", "train_synthetic_test_real", "train_both_test_real", "baseline_augmentation")
    assert [found[name]["rows"] for name in regimes] == [60, 200, 400, 400]
    assert {call["steps"] for call in learner.calls} == {5}
    assert [call["augment"] for call in learner.calls] == [False, False, False, True] * 3
    assert [call["seed"] for call in learner.calls] == [0] * 4 + [1] * 4 + [2] * 4
    assert memo.computed[:4] == ["train_real/0", "train_synthetic/0", "train_both/0", "baseline_augmentation/0"]
    assert (found["metric"], found["seeds"], found["steps"]) == ("accuracy", 3, 5)


def test_numbers_are_means_and_sample_deviations_of_the_scores(data: Data) -> None:
    memo = Memo()
    found = measure(data, points(200, 3), memo, NearestMean())
    values = [memo.kept[f"train_synthetic/{seed}"].value for seed in range(3)]
    regime = found["train_synthetic_test_real"]
    assert regime["values"] == values
    assert regime["mean"] == pytest.approx(np.mean(values))
    assert regime["sd"] == pytest.approx(np.std(values, ddof=1))
    first = [memo.kept[f"train_synthetic/{seed}"].per_class[0] for seed in range(3)]
    assert regime["per_class"] == {
        "left": pytest.approx(np.mean(first)),
        "right": regime["per_class"]["right"],
        "never": None,
    }
    assert found["worth"] == pytest.approx(regime["mean"] / found["train_real_test_real"]["mean"])
    gains = [memo.kept[f"train_both/{seed}"].value - memo.kept[f"train_real/{seed}"].value for seed in range(3)]
    assert found["gain"]["values"] == pytest.approx(gains)


def test_further_metrics_are_summed_up_where_every_seed_has_them(data: Data) -> None:
    class Scored(NearestMean):
        def measure(self, *rows: Any, **options: Any) -> Score:
            score = super().measure(*rows, **options)
            also = {"error": 1 - score.value} | ({} if options["seed"] == 2 else {"seldom": 1.0})
            return Score(score.value, score.per_class, also)

    plain, found = (measure(data, points(200, 3), Memo(), learner) for learner in (NearestMean(), Scored()))
    regime = found["train_synthetic_test_real"]
    assert set(regime["also"]) == {"error"}
    assert regime["also"]["error"]["values"] == pytest.approx([1 - value for value in regime["values"]])
    assert regime["also"]["error"]["sd"] == pytest.approx(regime["sd"])
    assert "also" not in plain["train_synthetic_test_real"] and regime.pop("also")
    assert regime == plain["train_synthetic_test_real"]


def test_wrong_labels_are_worth_less(data: Data) -> None:
    good = measure(data, points(200, 3), Memo(), NearestMean())
    bad = measure(data, points(200, 3, flipped=1.0), Memo(), NearestMean())
    assert good["worth"] > 0.9
    assert bad["worth"] < 0.3


def test_an_interrupted_evaluation_goes_on(data: Data) -> None:
    whole = measure(data, points(200, 3), Memo(), NearestMean())
    memo = Memo()
    measure(data, points(200, 3), memo, NearestMean(), seeds=1)
    learner = NearestMean()
    assert measure(data, points(200, 3), memo, learner) == whole
    assert len(learner.calls) == 8


def test_options_bound_rows_seeds_and_baseline(data: Data) -> None:
    learner = NearestMean()
    found = measure(data, points(200, 3), Memo(), learner, rows=50, seeds=1, baseline=False)
    assert found["train_synthetic_test_real"]["rows"] == 50
    assert found["train_both_test_real"]["rows"] == 110  # 60 real rows, 50 synthetic
    assert found["baseline_augmentation"] is None
    assert found["train_real_test_real"]["sd"] is None
    assert len(learner.calls) == 3


def test_gate_worth_is_the_difference_it_makes(data: Data) -> None:
    learner, memo = NearestMean(), Memo()
    accepted = points(200, 3)
    measure(data, accepted, memo, learner)
    before = len(learner.calls)
    without = {"agreement": points(300, 4, flipped=0.6), "idle": points(200, 3)}
    found = measure_gate_worth(
        data,
        accepted,
        without,
        learner,
        EvaluateOptions(seeds=3, batch_size=8),
        steps=5,
        recall=memo,
        progress=lambda *_: None,
    )
    assert found["agreement"]["mean"] > 0.3
    assert found["agreement"]["rows"] == 200
    assert len(found["agreement"]["values"]) == 1
    assert found["idle"] == {"mean": 0.0, "sd": None, "values": [0.0], "rows": 200}
    assert memo.computed[-1] == "without_agreement/0"
    assert len(learner.calls) == before + 1
