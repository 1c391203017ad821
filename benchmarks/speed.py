"""Rows a second of our sampler against the obvious peer: a diffusers pipeline over the same weights.

The peer is `RowPipeline.from_pretrained("<run>/model")` with its defaults: 50 Euler steps, fp32, torch's threads. Ours
is the sampler as the recipe sets it, on the threads that `synthgen run` uses. Both draw rows for the same conditions,
in turns, and decode them to pixels; gates and files are left out on both sides. Then learners are trained on either
side's rows and scored on the held-out real ones: the peer may not be ahead by more than the learners' spread.

    python benchmarks/speed.py --run runs/segmentation
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median
from typing import Any

import diffusers
import numpy as np
import torch
from _record import RECIPES, Measure, command_line, default_folder, difference, judge, make_run, refuse, spread, write

from synthgen.hardware import cores
from synthgen.pipeline import Workshop, open_workshop
from synthgen.progress import Silent
from synthgen.recipe import Recipe, load
from synthgen.run_folder import RunFolder
from synthgen.sampling.local import produce
from synthgen.sampling.pretrained import RowPipeline
from synthgen.types import Columns, join_rows

ROWS, SEEDS = 2048, 3
OWN_RUNS = {"digits": "classification", "tissue": "segmentation"}
Draw = Callable[[np.ndarray], Columns]


def our_sampler(shop: Workshop, recipe: Recipe) -> Draw:
    """Rows of given indices, drawn as the local engine draws them."""
    maker, size, workers = shop.maker, recipe.sample.batch_size, cores()

    def draw(numbers: np.ndarray) -> Columns:
        parts = [numbers[start : start + size] for start in range(0, len(numbers), size)]
        waiting = iter(range(len(parts)))

        def make(part: int) -> Columns:
            return maker.sampler.sample(maker.labels.draw(parts[part]), parts[part])

        return join_rows(*produce(make, lambda _: next(waiting, None), workers, workers))

    return draw


def peer_pipeline(shop: Workshop, recipe: Recipe, folder: Path) -> Draw:
    """The same conditions through the saved pipeline, with its own defaults."""
    maker, size = shop.maker, recipe.sample.batch_size
    diffusers.utils.logging.disable_progress_bar()
    pipeline = RowPipeline.from_pretrained(str(folder / "model"), use_safetensors=True).to(maker.sampler.device)
    pipeline.denoiser.eval()

    def draw(numbers: np.ndarray) -> Columns:
        parts = []
        for start in range(0, len(numbers), size):
            chosen = numbers[start : start + size]
            conditions = maker.labels.draw(chosen)
            told = {name: v.to(maker.sampler.device) for name, v in maker.sampler.codec.condition(conditions).items()}
            x = pipeline(told, generator=torch.Generator().manual_seed(recipe.seed + int(chosen[0])))
            parts.append(maker.sampler.codec.decode(x.cpu(), conditions))
        return join_rows(*parts)

    return draw


def race(sides: dict[str, Draw], rows: int, turn: int) -> tuple[dict[str, list[float]], dict[str, Columns]]:
    """Rows a second of each side in each turn of `turn` rows, and the rows; who begins changes from turn to turn."""
    rates: dict[str, list[float]] = {name: [] for name in sides}
    made: dict[str, list[Columns]] = {name: [] for name in sides}
    for draw in sides.values():
        draw(np.arange(turn))  # first calls prepare kernels
    for number in range(0, rows, turn):
        numbers = np.arange(number, number + turn)
        for name, draw in list(sides.items())[:: 1 if number // turn % 2 else -1]:
            began = time.perf_counter()
            made[name].append(draw(numbers))
            rates[name].append(turn / (time.perf_counter() - began))
        print("  ".join(f"{name} {rates[name][-1]:.1f} rows/s" for name in sides), flush=True)
    return rates, {name: join_rows(*parts) for name, parts in made.items()}


def worth(shop: Workshop, rows: Columns, seeds: int, steps: int | None) -> list[float]:
    """Scores on held-out real rows of learners trained on `rows`."""
    learner = shop.task.learner(shop.data)
    shown = {name: rows[name] for name in shop.data.train}
    plan: dict[str, Any] = {"steps": steps or learner.default_steps, "batch_size": learner.default_batch_size}
    scored = (learner.measure(shown, shop.data.heldout, seed=seed, augment=False, **plan) for seed in range(seeds))
    return [score.value for score in scored]


def compare(folder: Path, options: argparse.Namespace) -> tuple[Measure, dict[str, Any]]:
    recipe = load(str(folder / "dataset" / "recipe.yaml"))
    with RunFolder(folder, recipe, fresh=False) as place:
        shop = open_workshop(recipe, place, Silent())
    torch.set_num_threads(cores())  # the peer's; our workers set their own
    sides = {"ours": our_sampler(shop, recipe), "peer": peer_pipeline(shop, recipe, folder)}
    turn = cores() * recipe.sample.batch_size if options.turn is None else options.turn
    rates, rows = race(sides, options.rows, turn)
    scores = {name: worth(shop, rows[name], options.seeds, options.steps) for name in sides}
    ahead, sd = difference(scores["peer"], scores["ours"])
    level = ahead <= (sd or 0.0)
    ratios = [a / b for a, b in zip(rates["ours"], rates["peer"], strict=True)]
    note = (
        f"{median(rates['ours']):.1f} against {median(rates['peer']):.1f} rows/s; utility {mean(scores['ours']):.4f} "
        f"against {mean(scores['peer']):.4f}" + ("" if level else ": the peer's rows are worth more")
    )
    value = median(rates["ours"]) / median(rates["peer"])
    measured = judge(f"speed.{recipe.task}", value, spread(ratios), "turns", note=note, only=level)
    details = {"rows_per_second": rates, "utility": scores, "peer_ahead": {"mean": ahead, "sd": sd}, "turn_rows": turn}
    shipped = load(str(RECIPES / f"{recipe.task}.yaml")).sha256 == recipe.sha256
    return measured, {recipe.task: {**details, "shipped_recipe": shipped, "recipe": recipe.resolved()}}


def own_run(name: str, recipe: str, options: argparse.Namespace) -> Path:
    """The folder of the run that the measurement `name` left; made now if there is none of the same recipe."""
    wanted, kept = load(recipe, options.changes), default_folder(name, options) / "state" / "recipe.json"
    same = kept.is_file() and json.loads(kept.read_text()) == wanted.resolved()
    return make_run(name, recipe, options, keep=same).folder


def main() -> None:
    parser = command_line("speed", __doc__, out=False)
    parser.add_argument("--run", type=Path, action="append", help="a finished run; default: those of digits and tissue")
    parser.add_argument("--rows", type=int, default=ROWS, help=f"rows of each side; not {ROWS}: it counts as a try")
    parser.add_argument("--turn", type=int, help="rows of one turn; default: one batch a core")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"learners of each side; default: {SEEDS}")
    parser.add_argument("--steps", type=int, help="learners' optimiser steps; default: the learner's own")
    options = parser.parse_args()
    for folder in options.run or []:
        if not (folder / "dataset" / "report.json").is_file():
            refuse(f"--run: {str(folder)!r} is not the folder of a finished run; make one with synthgen run")
    folders = options.run or [own_run(name, recipe, options) for name, recipe in OWN_RUNS.items()]
    found = [compare(folder, options) for folder in folders]
    tried = (options.rows, options.seeds, options.steps) != (ROWS, SEEDS, None)
    tried = tried or not all(facts["shipped_recipe"] for _, part in found for facts in part.values())
    details = {task: facts for _, part in found for task, facts in part.items()}
    write("speed", [measure for measure, _ in found], options, details, tried=tried)


if __name__ == "__main__":
    main()
