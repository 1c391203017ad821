"""What became of what a model knew before it went on learning: the worth of its old classes before and after.

Both models draw rows to the same labels from the same noise, without any gate, and the same learner with the same seeds
is trained on either and scored on held-out real rows of the old classes. Knows sets of rows, not models.

    found = measure_forgetting(old, after, learner, options, steps=500, recall=memo)
    found["kept"]       # after ÷ before
"""

from __future__ import annotations

from typing import Any

from ..types import Columns, Data, Learner, Score, count_rows
from .options import EvaluateOptions
from .utility import Job, Recall, Spread, prepare, summarize

TIMES = ("before", "after")


def measure_forgetting(
    old: Data, after: Columns, learner: Learner, options: EvaluateOptions, *, steps: int, batch_size: int,
    recall: Recall, spread: Spread = map,
) -> dict[str, Any]:  # fmt: skip
    """`old`: rows that the earlier model drew, as train, and real ones of its source, as heldout; `after`: what the new
    model drew to the same labels.

    Gives metric, classes, rows, heldout_rows, seeds, before and after as {mean, sd, values, per_class}, and kept: the
    mean after ÷ the mean before (None if that is 0).
    """
    shared = [name for name in old.heldout if name in old.train and name in after]
    sets = {"before": old.train, "after": after}
    jobs: list[tuple[str, Job]] = [
        (time, (f"forgetting_{time}/{seed}", prepare(
            learner, {name: sets[time][name] for name in shared}, old.heldout, steps, batch_size, seed, False
        )))
        for seed in range(options.seeds) for time in TIMES
    ]  # fmt: skip
    scores: dict[str, list[Score]] = {time: [] for time in TIMES}
    for (time, _), score in zip(jobs, spread(lambda job: recall(*job), [job for _, job in jobs]), strict=True):
        scores[time].append(score)
    told = {time: summarize(found, old.classes) for time, found in scores.items()}
    base = told["before"]["mean"]
    return {
        "metric": learner.metric, "classes": list(old.classes), "rows": count_rows(after),
        "heldout_rows": count_rows(old.heldout), "seeds": options.seeds, **told,
        "kept": told["after"]["mean"] / base if base else None,
    }  # fmt: skip
