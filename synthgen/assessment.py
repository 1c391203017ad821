"""What the accepted rows are worth, how close they are to real ones, and whether they give anyone away.

It asks the measures in turn and keeps what is measured, so that an interrupted evaluation goes on. It writes no page.

    findings = assess(run, recipe.evaluate, recipe.seed, maker, harvest, progress)
    findings["utility"]["worth"]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch

from .continuing import measuring_seed, own_rows, read_memory
from .evaluation.fidelity import measure_fidelity
from .evaluation.forgetting import measure_forgetting
from .evaluation.options import EvaluateOptions
from .evaluation.privacy import measure_privacy, membership_auc
from .evaluation.utility import Job, measure_gate_worth, measure_utility
from .hardware import cores
from .harvest import Harvest
from .production import Maker
from .progress import Progress
from .run_folder import RunFolder
from .training.loop import denoising_losses
from .types import Columns, Score, count_rows, take_rows

MOST_ROWS = 100_000  # synthetic rows held in memory for the learners
SAMPLE = 5000  # rows of each kind for fidelity and privacy
EXPLANATIONS = {
    "agreement": "a judge trained on real rows alone doubts that the row fits its label",
    "copies": "the row lies closer to one training row than unseen real rows do",
    "duplicates": "the row repeats an earlier accepted row",
    "quota": "the row's class already has the share that was asked for",
}
MEMBERS = 500  # rows of each kind for the membership test


def assess(
    run: RunFolder, options: EvaluateOptions, seed: int, maker: Maker, harvest: Harvest, progress: Progress
) -> dict[str, Any]:
    """utility, fidelity, privacy and gates of report.json."""
    synthetic = harvest.rows(harvest.kept, options.rows or MOST_ROWS)
    learner = maker.task.learner(maker.data)
    options = options.model_copy(update={"batch_size": options.batch_size or learner.default_batch_size})
    steps = options.steps or learner.default_steps
    told: dict[str, Any] = {"learner": learner, "options": options, "steps": steps, "recall": _scores(run)}
    told["spread"] = _side_by_side
    gates = _refusals(harvest)
    active = [name for name, gate in gates.items() if options.gates and gate["rejected"]]
    progress.stage("evaluate", (4 if options.baseline else 3) * options.seeds + len(active) + 2)

    def tick(what: str, done: int, of: int) -> None:
        run.log("measured", what=what)
        progress.advance()

    utility = measure_utility(maker.data, synthetic, progress=tick, **told)
    forgetting = _forgetting(run, maker, steps, options)
    if forgetting is not None:
        utility["forgetting"] = forgetting
    without = {name: _rows_without(harvest, name, count_rows(synthetic)) for name in active}
    worths = measure_gate_worth(maker.data, synthetic, without, progress=tick, **told)
    for name, worth in worths.items():
        gates[name]["worth"] = worth
    fidelity = run.recall("fidelity", lambda: _fidelity(maker, synthetic, seed))
    progress.advance()
    privacy = run.recall("privacy", lambda: _privacy(*_of_the_source(run, maker, synthetic), options.membership, seed))
    progress.advance()
    return {"utility": utility, "fidelity": fidelity, "privacy": privacy, "gates": gates}


def _forgetting(run: RunFolder, maker: Maker, steps: int, options: EvaluateOptions) -> dict[str, Any] | None:
    """What became of the classes of a model that went on learning; None where it did not."""
    memory = read_memory(run.recipe, run)
    if memory is None:
        return None
    old = replace(
        maker.data, classes=tuple(memory.facts["classes"]), train=memory.before, heldout=memory.heldout
    )  # fmt: skip
    count = count_rows(memory.conditions)
    seeds = np.full(count, measuring_seed(run.recipe), np.int64)
    after = maker.sampler.sample(memory.conditions, np.arange(count), seeds=seeds)
    assert options.batch_size is not None
    found = measure_forgetting(
        old, after, maker.task.learner(old), options, steps=steps, batch_size=options.batch_size, recall=_scores(run),
        spread=_side_by_side,
    )  # fmt: skip
    return {**found, "replay": memory.facts["replay"]}


def _side_by_side(measure: Callable[[Job], Score], jobs: Sequence[Job]) -> Iterator[Score]:
    """A learner on each core, one thread each: the scores do not depend on the number of cores."""
    pool = ThreadPoolExecutor(cores(), "learner", initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield from pool.map(measure, jobs)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # Ctrl-C shall not wait for learners


def _scores(run: RunFolder) -> Callable[[str, Callable[[], Score]], Score]:
    def recall(key: str, compute: Callable[[], Score]) -> Score:
        kept = run.recall(f"score-{key}", lambda: asdict(compute()))
        also = kept.get("also") or {}  # absent from what earlier versions kept
        return Score(kept["value"], tuple(float("nan") if v is None else v for v in kept["per_class"]), also)

    return recall


def _refusals(harvest: Harvest) -> dict[str, dict[str, Any]]:
    """Per gate that is on: rows refused and seconds spent; `worth` is filled in where it was measured."""
    assert harvest.selection is not None
    rejected, alone, shared = harvest.selection.rejected, harvest.seconds(), harvest.selection.seconds
    told = {check.name: check.explanation for check in harvest.maker.gates.checks} | EXPLANATIONS
    return {
        name: {
            "rejected": rejected[name], "seconds": alone.get(f"gate {name}", 0.0) + shared[name],
            "explanation": told[name], "worth": None,
        }
        for name in harvest.gates()
    }  # fmt: skip


def _rows_without(harvest: Harvest, gate: str, count: int) -> Columns:
    """The first `count` candidates that would be in if that one gate were off."""
    return harvest.rows(harvest.kept | (harvest.gate == gate), count)


def _fidelity(maker: Maker, synthetic: Columns, seed: int) -> dict[str, Any]:
    """Synthetic against held-out rows in the judge's features; `real`: as many training rows against held-out ones.

    `own`: what only this kind of rows has, such as the discriminative score of series.
    """
    data, task, judge = maker.data, maker.task, maker.judge
    as_many = min(SAMPLE, count_rows(synthetic))
    shown = (_thin(data.heldout, SAMPLE, seed), _thin(synthetic, SAMPLE, seed), _thin(data.train, as_many, seed))
    true, made, real = (judge.examine(rows).features for rows in shown)
    own = {} if task.compare is None else task.compare(shown[0], shown[1], data, seed)
    if task.probe is not None:
        own |= task.probe(maker.sampler.sample, maker.labels, data)
    found: dict[str, Any] = measure_fidelity(true, made, seed=seed)
    return {**found, "real": measure_fidelity(true, real, seed=seed), **({"own": own} if own else {})}


def _of_the_source(run: RunFolder, maker: Maker, synthetic: Columns) -> tuple[Maker, Columns]:
    """What may give away a real row of this source: of a model that went on learning, neither the rows that an earlier
    one drew nor those of its classes alone."""
    memory = read_memory(run.recipe, run)
    if memory is None or not memory.train:
        return maker, synthetic
    data = own_rows(maker.data)
    if "label" in data.train:
        synthetic = take_rows(synthetic, np.isin(synthetic["label"], data.train["label"]))
    return replace(maker, data=data), synthetic


def _privacy(maker: Maker, synthetic: Columns, membership: bool, seed: int) -> dict[str, Any]:
    data, sampler = maker.data, maker.sampler
    codec = sampler.codec
    train, heldout, made = (codec.describe(rows) for rows in (data.train, data.heldout, synthetic))
    labels = (data.heldout["label"], synthetic["label"]) if "label" in synthetic else None
    found: dict[str, Any] = dict(
        measure_privacy(train, heldout, made, seed=seed, labels=labels, note=data.origin.splits)
    )
    if membership and any(p.requires_grad for p in sampler.net.parameters()):  # else nothing was learnt of any row
        together = min(64, sampler.options.batch_size)
        losses = [
            denoising_losses(sampler.net, codec, _thin(rows, MEMBERS, seed), seed, sampler.device, together).numpy()
            for rows in (data.train, data.heldout)
        ]
        found.update(membership_auc(losses[0], losses[1], seed=seed))
    return found


def _thin(rows: Columns, limit: int, seed: int) -> Columns:
    total = count_rows(rows)
    if total <= limit:
        return rows
    chosen = np.random.Generator(np.random.Philox(seed)).choice(total, limit, replace=False)
    return take_rows(rows, np.sort(chosen))
