"""Replicas of Ray Serve against threads of one process, and what the driver of many replicas can take.

The digits are trained once; then the same shards are made by threads, by one replica and by two. The driver is held
against replicas that only sleep.

    python benchmarks/serve.py
"""

from __future__ import annotations

import argparse
import time
from statistics import median, stdev

from _record import command_line, judge, make_run, write

from synthgen.hardware import cores
from synthgen.pipeline import name_run, open_maker
from synthgen.recipe import load
from synthgen.sampling.engine import Engine, Orders, Shard
from synthgen.sampling.local import LocalEngine
from synthgen.sampling.serve import RayEngine, RayOptions

SHARDS, ROUNDS = 24, 5
SLEEPERS, EACH, SHORT, LONG = 8, 8, 0.1, 1.0  # 64 that sleep, in eight processes; seconds of a shard


class Sleeper:
    """A maker whose shards take their time and hold nothing."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def make_shard(self, number: int) -> Shard:
        time.sleep(self.seconds)
        return bytes(100_000), {"sample": self.seconds}

    def time_bare(self, seconds: float) -> float:
        return 1.0


def rate(engine: Engine, shards: int) -> float:
    """Shards per second."""
    numbers = iter(range(shards))
    orders = Orders(lambda in_flight: next(numbers, None), lambda number: False, lambda number, data, seconds: None)
    began = time.perf_counter()
    made = list(engine.produce(orders))
    assert made == list(range(shards))
    return shards / (time.perf_counter() - began)


def rates(engine: Engine) -> list[float]:
    rate(engine, 4)
    return [rate(engine, SHARDS) for _ in range(ROUNDS)]


def busy(seconds: float, shards: int) -> float:
    """Share of the time in which sleeping replicas sleep."""
    with RayEngine(Sleeper, seconds, RayOptions((SLEEPERS, SLEEPERS), EACH)) as engine:
        rate(engine, SLEEPERS * EACH)
        return rate(engine, shards) * seconds / (SLEEPERS * EACH)


def main() -> None:
    options = command_line("serve", __doc__).parse_args()
    run = make_run("serve", "classification", argparse.Namespace(**vars(options)), "count=500", "train.seconds=20",
                   "evaluate.seeds=1", "evaluate.gates=false", "evaluate.baseline=false")  # fmt: skip
    recipe = load(str(run.folder / "dataset" / "recipe.yaml"))
    what = name_run(recipe, run.folder)
    found: dict[str, list[float]] = {}
    local = LocalEngine(open_maker(what), cores(), cores())
    with RayEngine(open_maker, what, RayOptions((1, 1), 2)) as engine:
        rate(local, 4), rate(engine, 4)
        pairs = [(rate(local, SHARDS), rate(engine, SHARDS)) for _ in range(ROUNDS)]  # in turn: the machine drifts
    found["local"], found["one of two threads"] = (list(part) for part in zip(*pairs, strict=True))
    for name, replicas, threads in (("one of one", 1, 1), ("two of one", 2, 1)):
        with RayEngine(open_maker, what, RayOptions((replicas, replicas), threads)) as engine:
            found[name] = rates(engine)
    same = [a / b for a, b in zip(found["one of two threads"], found["local"], strict=True)]
    twice = [a / b for a, b in zip(found["two of one"], found["one of one"], strict=True)]
    ceiling = busy(SHORT, 6400) * SLEEPERS * EACH / SHORT
    measures = [
        judge(
            "serve.same", median(same), stdev(same), "rounds", note=f"{SHARDS * recipe.sample.shard_size} rows a round"
        ),
        judge("serve.twice", median(twice), stdev(twice), "rounds"),
        judge("serve.driver", busy(LONG, 640), note=f"{ceiling:.0f} shards/s with shards of {SHORT:g} s"),
    ]
    write("serve", measures, options, {"shards_per_second": found, "ceiling": ceiling})


if __name__ == "__main__":
    main()
