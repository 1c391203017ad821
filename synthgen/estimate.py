"""What a recipe will cost on a machine: seconds, disk and memory. Rough, from counts and one micro-benchmark.

It counts the multiplications of a U-Net from the recipe's numbers and takes the rest to be in proportion. It knows
nothing of the data: where the recipe gives no size, 32×32 is assumed. Expect it to be right within a factor of two.

    estimate(recipe, look(), speed()).seconds
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .hardware import Hardware
from .recipe import Recipe

START = 15.0  # seconds: imports, reading the data, fitting the judge of a small set
SIDE = {"digits": 8, "tissue": 64}  # the built-in sources have sizes of their own
UNKNOWN_SIDE = 32
WIDTHS, BLOCKS = (64, 128), 2  # where the model's options do not say
BACKWARD = 3.0  # forward and backward against forward
OVERHEAD = 1.2  # measured against counted time of the small U-Net
BF16 = 1.7  # speed against float32, where the processor multiplies bfloat16
LEARNER = 250.0  # GFLOP to train one learner at 64×64
ACCEPTED = 0.85  # share of candidates that the gates let pass
EFFICIENCY = 0.85  # bare denoiser against the whole of sampling


@dataclass(frozen=True)
class Estimate:
    """Seconds by stage; bytes of disk and memory."""

    train: float
    sample: float
    evaluate: float
    disk: int
    memory: int

    @property
    def seconds(self) -> float:
        return START + self.train + self.sample + self.evaluate


def estimate(recipe: Recipe, machine: Hardware, speed: float) -> Estimate:
    """The cost of `recipe` on the cores of `machine`, each of `speed` float32 GFLOP/s."""
    pixels = _pixels(recipe.source.model_dump())
    power = machine.cores * speed * (BF16 if machine.bf16 else 1.0)
    row = _work(recipe.model.model_dump(), pixels) * OVERHEAD / power
    candidates = recipe.count / ACCEPTED
    calls = recipe.sample.steps * (1 + (recipe.sample.solver == "heun")) * (1 + (recipe.sample.guidance > 1))
    options = recipe.evaluate
    trainings = options.seeds * (3 + options.baseline) + 4 * options.gates
    learner = LEARNER * (0.25 + 0.75 * min(pixels / 64**2, 16.0)) / power
    return Estimate(
        train=_train(recipe, row),
        sample=candidates * row * calls / EFFICIENCY,
        evaluate=trainings * learner,
        disk=int(100e6 + 2 * candidates * (pixels * 2.5 + 500)),  # shards and dataset; half a kB of provenance a row
        memory=int(0.9e9 + 3e5 * pixels),
    )


def count_workers(recipe: Recipe, machine: Hardware) -> int:
    """Threads that draw side by side where nobody says how many: as many as there are cores. A pretrained base fills a
    GPU by itself, and each thread has a batch there: then two, so that it does not wait for gates and files."""
    return 2 if machine.gpus and getattr(recipe.model, "base", None) is not None else machine.cores


def _train(recipe: Recipe, row: float) -> float:
    options = recipe.train
    by_steps = options.steps and options.steps * options.batch_size * options.accumulate * row * BACKWARD
    bounds = [bound for bound in (options.seconds, by_steps) if bound is not None]
    return min(bounds, default=0.0)


def _work(model: dict[str, Any], pixels: int) -> float:
    """GFLOP of one row and evaluation: two 3×3 convolutions a block, down and (wider by the skips) up."""
    side = pixels**0.5
    patch = model.get("patch") or (1 if side <= 16 else 2 if side <= 32 else 4)
    widths, blocks = model.get("widths") or WIDTHS, model.get("blocks") or BLOCKS
    cell = sum(2 * 9 * 2 * width**2 * 2.5 * blocks / 4**level for level, width in enumerate(widths))
    return cell * pixels / patch**2 / 1e9


def _pixels(source: dict[str, Any]) -> int:
    size = source.get("size") or SIDE.get(source.get("name") or "", UNKNOWN_SIDE)
    height, width = (size, size) if isinstance(size, int) else size
    return int(height * width)
