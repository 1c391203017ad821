"""Short trainings for `test_processes.py`, by as many processes as a launcher started.

python lessons.py FOLDER BATCH_SIZE
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

sys.path.append(str(Path(__file__).parents[1]))
from bases import write_base

from synthgen import task as tasks
from synthgen.training.loop import train
from synthgen.training.options import EarlyStopOptions, TrainOptions
from synthgen.training.processes import Processes, join
from synthgen.types import Data, take_rows

OPTIONS = TrainOptions(
    seconds=None, steps=12, precision="fp32", validate_every=0.25, drop=0.2,
    early_stop=EarlyStopOptions(patience=None, nearest_ratio=0.5),
)  # fmt: skip
CLASSES = {"widths": (8, 16), "blocks": 1}
TEXTS = {"pieces": 300, "width": 32, "depth": 1}
# name -> task, options of its model, changed options of the training
LESSONS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "images": ("classification", CLASSES, {"accumulate": 2, "augment": ("shift", "warp")}),
    "plain images": ("classification", CLASSES, {"optimizer": "adamw", "ema": 0.0}),  # parameters without a use
    "texts": ("translation", TEXTS, {}),  # rows of several widths, tokens
    "base": ("translation", {"base": "modernbert"}, {"steps": 4}),
    "ends early": ("classification", CLASSES, {"steps": 40}),
    "ends badly": ("classification", CLASSES, {"learning_rate": 10.0, "optimizer": "adamw", "clip": 1000.0}),
}


@cache
def load(name: str) -> Data:
    task = tasks.find(name)
    whole = task.load(task.source_options(kind="builtin", name=next(iter(task.builtins))), 0)
    parts = {part: take_rows(getattr(whole, part), slice(0, 150)) for part in ("train", "validation", "heldout")}
    return replace(whole, **parts)


def teach(name: str, folder: Path, batch_size: int, processes: Processes) -> dict[str, Any]:
    """What came of it; the weights are then in the folder."""
    found, model, changes = LESSONS[name]
    task = tasks.find(found)
    if "base" in model:
        model = {"base": str(folder / "base" if processes.index else write_base(model["base"], folder / "base"))}
        processes.tell(0)
    data, options = load(found), task.model_options(**model)
    codec = task.codec(data, options, None)
    torch.manual_seed(processes.index)  # process 0's weights count
    net = task.network(data, codec, options)

    def look(current: torch.nn.Module, step: int) -> float:
        assert processes.leads
        return 0.1 if step >= 20 else 0.9

    told = OPTIONS.model_copy(update={**changes, "batch_size": batch_size})
    result = train(
        net, codec, data, told, seed=0, folder=folder / name, augment=task.augment, look=look, processes=processes
    )
    if processes.leads:
        save_file({n: p.detach().contiguous() for n, p in net.named_parameters()}, folder / f"{name}.safetensors")
    return {"stopped": result.stopped, "step": result.step, "rows": result.rows, "history": result.history}


def main() -> None:
    folder, batch_size = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    with join() as processes:
        told = processes.invite(True) and {name: teach(name, folder, batch_size, processes) for name in LESSONS}
    (folder / f"told-{processes.index}.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main()
