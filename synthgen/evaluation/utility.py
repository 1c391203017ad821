"""What synthetic rows are worth: a learner trained on them, scored on real rows that nothing else has seen.

Knows the `Learner` protocol and sets of rows: not how a learner learns, nor where scores are kept.

    utility = measure_utility(data, synthetic, learner, options, steps=500, recall=memo, progress=print_line)
    utility["worth"]     # train-synthetic ÷ train-real
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

import numpy as np

from ..types import Columns, Data, Learner, Score, count_rows, join_rows, take_rows
from .options import EvaluateOptions

Recall = Callable[[str, Callable[[], Score]], Score]  # (key, compute) -> the score, computed once and kept
Progress = Callable[[str, int, int], None]  # (what was done, learners done, learners in all)

REGIMES = ("train_real", "train_synthetic", "train_both", "baseline_augmentation")
KEYS = {
    "train_real": "train_real_test_real",
    "train_synthetic": "train_synthetic_test_real",
    "train_both": "train_both_test_real",
    "baseline_augmentation": "baseline_augmentation",
}
GATE_SEEDS = 2


def measure_utility(
    data: Data,
    synthetic: Columns,
    learner: Learner,
    options: EvaluateOptions,
    *,
    steps: int,
    recall: Recall,
    progress: Progress,
) -> dict[str, Any]:
    """Score of fresh learners per regime, at equal optimiser steps, over `options.seeds` seeds.

    In train-both at least half of the rows are real, repeated where there are fewer of them than synthetic ones.

    Each regime holds mean, sd (n - 1; None for one seed), values (by seed), rows (distinct rows × repeats shown) and
    per_class (class -> mean; None where no held-out row has the class). worth: mean train-synthetic ÷ mean train-real;
    gain: mean of train-both − train-real, paired by seed. An absent baseline is None.
    """
    regimes = _regimes(data, synthetic, options)
    total, done, batch_size = len(regimes) * options.seeds, 0, _batch_size(options)
    scores: dict[str, list[Score]] = {name: [] for name in regimes}
    for seed in range(options.seeds):
        for name, rows in regimes.items():
            compute = _measurement(learner, rows, data.heldout, steps, batch_size, seed, name == REGIMES[3])
            scores[name].append(recall(f"{name}/{seed}", compute))
            done += 1
            progress(f"learner {name}, seed {seed}", done, total)
    summary: dict[str, Any] = {KEYS[name]: None for name in REGIMES}
    for name, found in scores.items():
        summary[KEYS[name]] = {**_summary(found, data.classes), "rows": count_rows(regimes[name])}
    head = {"metric": learner.metric, "learner": learner.description, "seeds": options.seeds, "steps": steps}
    held = {"batch_size": batch_size, "heldout_rows": count_rows(data.heldout)}
    return {**head, **held, **summary, **_comparisons(scores)}


def measure_gate_worth(
    data: Data,
    accepted: Columns,
    without: Mapping[str, Columns],
    learner: Learner,
    options: EvaluateOptions,
    *,
    steps: int,
    recall: Recall,
    progress: Progress,
) -> dict[str, dict[str, Any]]:
    """What each gate gives: score with all gates − score with that gate off, on at most two seeds.

    `without` holds, by gate, the rows that would be in without it; they are cut to as many as `accepted` has. The
    scores with all gates are train_synthetic's own, so they are recalled and not computed again. A gate that changed
    no row is worth 0 without training anything.
    """
    seeds, batch_size = min(GATE_SEEDS, options.seeds), _batch_size(options)
    base = _shown(data.train, accepted, options.rows)
    found: dict[str, dict[str, Any]] = {}
    for number, (gate, rows) in enumerate(without.items()):
        other = _shown(data.train, rows, count_rows(base))
        gains = [0.0] * seeds if _equal(base, other) else []
        for seed in range(len(gains), seeds):
            with_gate = _measurement(learner, base, data.heldout, steps, batch_size, seed, False)
            without_gate = _measurement(learner, other, data.heldout, steps, batch_size, seed, False)
            score = recall(f"train_synthetic/{seed}", with_gate)
            gains.append(score.value - recall(f"without_{gate}/{seed}", without_gate).value)
        found[gate] = {**_spread(gains), "rows": count_rows(other)}
        progress(f"worth of gate {gate}", number + 1, len(without))
    return found


def _batch_size(options: EvaluateOptions) -> int:
    assert options.batch_size is not None, "the caller fills in the learner's own batch size"
    return options.batch_size


def _regimes(data: Data, synthetic: Columns, options: EvaluateOptions) -> dict[str, Columns]:
    shown = _shown(data.train, synthetic, options.rows)
    real = {name: data.train[name] for name in shown}
    # half of what the learner sees is real: a few real rows would drown among many synthetic ones
    both = join_rows(
        take_rows(real, np.resize(np.arange(count_rows(real)), max(map(count_rows, (real, shown))))), shown
    )
    regimes = {"train_real": real, "train_synthetic": shown, "train_both": both}
    if options.baseline:
        # every repeat of a real row is turned, flipped and shifted anew by the learner
        regimes["baseline_augmentation"] = take_rows(real, np.resize(np.arange(count_rows(real)), count_rows(both)))
    return regimes


def _shown(real: Columns, synthetic: Columns, rows: int | None) -> Columns:
    """The first `rows` synthetic rows, in the columns that real rows have too."""
    shared = [name for name in real if name in synthetic]
    assert shared and count_rows(synthetic) > 0, "no synthetic row to show to a learner"
    return {name: synthetic[name][:rows] for name in shared}


def _measurement(
    learner: Learner, train: Columns, test: Columns, steps: int, batch_size: int, seed: int, augment: bool
) -> Callable[[], Score]:
    def compute() -> Score:
        return learner.measure(train, test, steps=steps, batch_size=batch_size, seed=seed, augment=augment)

    return compute


def _summary(scores: Sequence[Score], classes: Sequence[str]) -> dict[str, Any]:
    columns = zip(*(score.per_class for score in scores), strict=True)
    per_class = {name: _finite_mean(values) for name, values in zip(classes, columns, strict=True)}
    return {**_spread([score.value for score in scores]), "per_class": per_class}


def _spread(values: Sequence[float]) -> dict[str, Any]:
    sd = stdev(values) if len(values) > 1 else None
    return {"mean": fmean(values), "sd": sd, "values": list(values)}


def _finite_mean(values: Sequence[float]) -> float | None:
    known = [float(value) for value in values if not math.isnan(value)]
    return fmean(known) if known else None


def _comparisons(scores: Mapping[str, Sequence[Score]]) -> dict[str, Any]:
    values = {name: [score.value for score in found] for name, found in scores.items()}
    real = fmean(values["train_real"])
    gains = [both - alone for both, alone in zip(values["train_both"], values["train_real"], strict=True)]
    worth = fmean(values["train_synthetic"]) / real if real > 0 else None
    return {"worth": worth, "gain": _spread(gains)}


def _equal(a: Columns, b: Columns) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)
