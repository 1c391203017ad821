"""What synthetic rows are worth: a learner trained on them, scored on real rows that nothing else has seen.

Knows the `Learner` protocol and sets of rows: not how a learner learns, nor where scores are kept.

    utility = measure_utility(data, synthetic, learner, options, steps=500, recall=memo, progress=print_line)
    utility["worth"]     # train-synthetic ÷ train-real
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

import numpy as np

from ..types import Columns, Data, Learner, Score, count_rows, join_rows, take_rows
from .options import EvaluateOptions

Recall = Callable[[str, Callable[[], Score]], Score]  # (key, compute) -> the score, computed once and kept
Progress = Callable[[str, int, int], None]  # (what was done, learners done, learners in all)
Job = tuple[str, Callable[[], Score]]  # what `recall` takes
Spread = Callable[[Callable[[Job], Score], Sequence[Job]], Iterable[Score]]  # `map`, or the map of a thread pool

REGIMES = ("train_real", "train_synthetic", "train_both", "baseline_augmentation")
KEYS = {
    "train_real": "train_real_test_real",
    "train_synthetic": "train_synthetic_test_real",
    "train_both": "train_both_test_real",
    "baseline_augmentation": "baseline_augmentation",
}
GATE_SEEDS = 1  # a hint for each gate, not a measurement to rest on; more would take longer than the run


def measure_utility(
    data: Data,
    synthetic: Columns,
    learner: Learner,
    options: EvaluateOptions,
    *,
    steps: int,
    recall: Recall,
    progress: Progress,
    spread: Spread = map,
) -> dict[str, Any]:
    """Score of fresh learners per regime, at equal optimiser steps, over `options.seeds` seeds.

    In train-both at least half of the rows are real, repeated where there are fewer of them than synthetic ones.

    Each regime holds mean, sd (n - 1; None for one seed), values (by seed), rows (distinct rows × repeats shown) and
    per_class (class -> mean; None where no held-out row has the class); also, where the learner gives further metrics:
    {name: {mean, sd, values}}. worth: mean train-synthetic ÷ mean train-real;
    gain: mean of train-both − train-real, paired by seed. An absent baseline is None.
    """
    regimes = _regimes(data, synthetic, options)
    batch_size = _batch_size(options)
    asked = [(name, seed) for seed in range(options.seeds) for name in regimes]
    jobs: list[Job] = [
        (
            f"{name}/{seed}",
            prepare(learner, regimes[name], data.heldout, steps, batch_size, seed, name == REGIMES[3]),
        )
        for name, seed in asked
    ]
    scores: dict[str, list[Score]] = {name: [] for name in regimes}
    found = spread(lambda job: recall(*job), jobs)
    for done, ((name, seed), score) in enumerate(zip(asked, found, strict=True), start=1):
        scores[name].append(score)
        progress(f"learner {name}, seed {seed}", done, len(jobs))
    summary: dict[str, Any] = {KEYS[name]: None for name in REGIMES}
    for name, values in scores.items():
        summary[KEYS[name]] = {**summarize(values, data.classes), "rows": count_rows(regimes[name])}
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
    spread: Spread = map,
) -> dict[str, dict[str, Any]]:
    """What each gate gives: score with all gates − score with that gate off, on one seed.

    `without` holds, by gate, the rows that would be in without it; they are cut to as many as `accepted` has. The
    scores with all gates are train_synthetic's own, so they are recalled and not computed again. A gate that changed
    no row is worth 0 without training anything.
    """
    seeds, batch_size = min(GATE_SEEDS, options.seeds), _batch_size(options)
    base = _shown(data.train, accepted, options.rows)
    found: dict[str, dict[str, Any]] = {}
    jobs: list[Job] = []
    asked: list[tuple[str, int]] = []
    for gate, rows in without.items():
        other = _shown(data.train, rows, count_rows(base))
        found[gate] = {**_spread([0.0] * seeds), "rows": count_rows(other)}
        if not _equal(base, other):
            asked += [(gate, seed) for seed in range(seeds)]
            jobs += [
                (f"without_{gate}/{seed}", prepare(learner, other, data.heldout, steps, batch_size, seed, False))
                for seed in range(seeds)
            ]
    gains: dict[str, list[float]] = {gate: [] for gate, _ in asked}
    for (gate, seed), without_gate in zip(asked, spread(lambda job: recall(*job), jobs), strict=True):
        compute = prepare(learner, base, data.heldout, steps, batch_size, seed, False)
        gains[gate].append(recall(f"train_synthetic/{seed}", compute).value - without_gate.value)
    for number, gate in enumerate(without):
        if gate in gains:
            found[gate].update(_spread(gains[gate]))
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
        # every repeat of a real row is augmented anew by the learner
        regimes["baseline_augmentation"] = take_rows(real, np.resize(np.arange(count_rows(real)), count_rows(both)))
    return regimes


def _shown(real: Columns, synthetic: Columns, rows: int | None) -> Columns:
    """The first `rows` synthetic rows, in the columns that real rows have too."""
    shared = [name for name in real if name in synthetic]
    assert shared and count_rows(synthetic) > 0, "no synthetic row to show to a learner"
    return {name: synthetic[name][:rows] for name in shared}


def prepare(
    learner: Learner, train: Columns, test: Columns, steps: int, batch_size: int, seed: int, augment: bool
) -> Callable[[], Score]:
    def compute() -> Score:
        return learner.measure(train, test, steps=steps, batch_size=batch_size, seed=seed, augment=augment)

    return compute


def summarize(scores: Sequence[Score], classes: Sequence[str]) -> dict[str, Any]:
    columns = zip(*(score.per_class for score in scores), strict=True)
    per_class = {name: _finite_mean(values) for name, values in zip(classes, columns, strict=True)}
    shared = [name for name in scores[0].also if all(name in score.also for score in scores)]
    also = {name: _spread([float(score.also[name]) for score in scores]) for name in shared}
    return {**_spread([score.value for score in scores]), "per_class": per_class, **({"also": also} if also else {})}


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
