"""Which mask generator's rows are worth most: the choice behind the default of `conditions.masks`.

The run of tissue.py gives one trained image model. Each generator asks it for as many rows, nothing is refused, and
learners are trained on them alone and together with the real rows. They are scored on *validation* rows: this is a
choice, so the held-out rows stay out of it.

    python benchmarks/masks.py
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from _record import command_line, judge, spread, table, write
from speed import our_sampler, own_run

from synthgen.hardware import cores
from synthgen.pipeline import Workshop, open_workshop
from synthgen.progress import Silent
from synthgen.recipe import Recipe, load
from synthgen.run_folder import RunFolder
from synthgen.types import Columns, count_rows, join_rows, take_rows

KINDS = ("recombine", "diffusion", "regions")
ROWS, SEEDS = 2000, 3


def draw_rows(shop: Workshop, recipe: Recipe, kind: str, rows: int) -> tuple[Columns, float]:
    """(rows of that mask generator, seconds until it could draw its first mask)."""
    conditions: Any = recipe.conditions
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        options = conditions.model_copy(update={"masks": kind})
        labels = shop.task.labels(shop.data, options, recipe.seed, Path(folder) / "masks")
        ready = time.perf_counter() - began
        maker = replace(shop.maker, labels=labels)
        return our_sampler(replace(shop, maker=maker), recipe)(np.arange(rows)), ready


def score(shop: Workshop, sets: dict[str, Columns], seeds: int) -> dict[str, list[float]]:
    """Validation scores by seed of learners trained on each set, one learner a core."""
    learner = shop.task.learner(shop.data)

    def measure(job: tuple[str, int]) -> float:
        steps, batch_size = learner.default_steps, learner.default_batch_size
        plan: dict[str, Any] = {"steps": steps, "batch_size": batch_size, "seed": job[1], "augment": False}
        return learner.measure(sets[job[0]], shop.data.validation, **plan).value

    jobs = [(name, seed) for name in sets for seed in range(seeds)]
    set_threads: Callable[[int], None] = torch.set_num_threads
    with ThreadPoolExecutor(cores(), initializer=set_threads, initargs=(1,)) as pool:
        values = list(pool.map(measure, jobs))
    return {name: [v for (n, _), v in zip(jobs, values, strict=True) if n == name] for name in sets}


def main() -> None:
    options = command_line("masks", __doc__, out=False).parse_args()
    folder = own_run("tissue", "segmentation", options)
    recipe = load(str(folder / "dataset" / "recipe.yaml"))
    with RunFolder(folder, recipe, fresh=False) as place:
        shop = open_workshop(recipe, place, Silent())
    real = shop.data.train
    sets, ready = {"real": real}, {}
    for kind in KINDS:
        drawn, ready[kind] = draw_rows(shop, recipe, kind, ROWS)
        shown = {name: drawn[name] for name in real}
        repeated = take_rows(real, np.resize(np.arange(count_rows(real)), max(ROWS, count_rows(real))))
        sets |= {kind: shown, f"{kind} and real": join_rows(repeated, shown)}
    scores = score(shop, sets, SEEDS)
    rows = [(name, f"{fmean(values):.4f}", f"{spread(values):.4f}") for name, values in scores.items()]
    print("\n" + table(("learner trained on", "validation mIoU", "sd"), rows))
    best = max(KINDS[:2], key=lambda kind: fmean(scores[kind]))
    ahead = [a - b for a, b in zip(scores["recombine"], scores["diffusion"], strict=True)]
    measured = judge("masks.default", fmean(ahead), spread(ahead), note=f"of those two the best is {best}")
    write("masks", [measured], options, {"scores": scores, "seconds_to_first_mask": ready})


if __name__ == "__main__":
    main()
