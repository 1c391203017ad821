"""The memory of a LoRA training against that of full fine-tuning, on a tiny SDXL scaled until its weights dominate.

Each training is one of the digits in a process of its own, by what `synthgen run` calls: from loading the base to the
saved model, with looks, checkpoints and the judge. What the process has before (libraries, data) is taken off: it first
trains the tiny base itself, then its peak (VmHWM) is set back. Beside it stands what `synthgen validate` estimates.
Linux only.

    python benchmarks/adapters.py
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from _record import ROOT, command_line, environment, judge, refuse, spread, write

WIDTHS = (192, 384)  # of the U-Net, which has 16 and 32 else
HOW = ("lora", "full")
RECIPE = """
name: adapters
task: classification
count: 8
source: {kind: builtin, name: digits}
train: {seconds: null, steps: 3, batch_size: 4, optimizer: adamw, learning_rate: 0.0001, precision: fp32,
  validate_every: 0.5}
sample: {steps: 2, batch_size: 16, precision: fp32}
"""


def write_bases(folder: Path, widths: tuple[int, ...]) -> None:
    """The tiny SDXL in `tiny`, and in `wide` the same with a U-Net of those widths."""
    sys.path.insert(0, str(ROOT / "tests"))
    from diffusers import UNet2DConditionModel
    from pipelines import write_pipeline

    for name in ("tiny", "wide"):
        write_pipeline("sdxl", folder / name)
    config = json.loads((folder / "wide" / "unet" / "config.json").read_text())
    net = UNet2DConditionModel.from_config({**config, "block_out_channels": widths})
    net.save_pretrained(folder / "wide" / "unet", safe_serialization=True)
    (folder / "recipe.yaml").write_text(RECIPE)


def train(folder: Path, how: str) -> dict[str, Any]:
    """MiB of one training in this process: before it, at its peak, and as estimated."""
    from synthgen import budget, pipeline
    from synthgen.recipe import load

    def ask(base: str) -> Any:
        changes = [f"model.base={folder / base}", f"model.adapt={how}", "model.size=16"]
        return load(str(folder / "recipe.yaml"), changes)

    with tempfile.TemporaryDirectory(prefix="synthgen-adapters-") as temporary:
        pipeline.prepare(ask("tiny"), Path(temporary, "tiny"))
        before = memory("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew: man 5 proc
        pipeline.prepare(ask("wide"), Path(temporary, "wide"))
        peak = memory("VmHWM")
    needs = budget.estimate_needs(ask("wide"), classes=10)
    assert needs is not None
    return {
        "before": before, "peak": peak, "estimated": needs.grown / 2**20,
        "parameters": needs.parameters, "trained": needs.trained,
    }  # fmt: skip


def memory(field: str) -> float:
    """MiB, from the kernel's account of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))


def measure(folder: Path, turns: int) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {how: [] for how in HOW}
    for turn in range(turns):
        for how in HOW:
            command = [sys.executable, __file__, "--one", how, "--bases", str(folder)]
            told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment()).stdout
            one = json.loads(told.splitlines()[-1])
            found[how].append(one)
            told = f"{one['peak']:.0f} MiB at the peak, {one['before']:.0f} before, {one['estimated']:.0f} estimated"
            print(f"turn {turn + 1}, {how}: {told}", flush=True)
    return found


def report(found: dict[str, list[dict[str, Any]]], options: argparse.Namespace, tried: bool) -> None:
    grown = {how: [run["peak"] - run["before"] for run in runs] for how, runs in found.items()}
    lora, full = (median(grown[how]) for how in HOW)
    first = {how: found[how][0] for how in HOW}
    estimated = first["lora"]["estimated"] / first["full"]["estimated"]
    note = (
        f"{lora:.0f} and {full:.0f} MiB beside {median(run['before'] for run in found['lora']):.0f} MiB of libraries "
        f"and data; estimated {first['lora']['estimated']:.0f} and {first['full']['estimated']:.0f}, {estimated:.2f}; "
        f"{first['full']['parameters'] / 1e6:.0f} M parameters, {first['lora']['trained'] / 1e6:.2f} M trained by LoRA"
    )
    ratios = [a / b for a, b in zip(grown["lora"], grown["full"], strict=True)]
    measured = judge("adapters.memory", lora / full, spread(ratios), "turns", note=note)
    write("adapters", [measured], options, {"mebibytes": found}, tried=tried)


def main() -> None:
    parser = command_line("adapters", __doc__, recipe=False, out=False)
    parser.add_argument("--turns", type=int, default=3, help="how often each is trained; default: 3")
    parser.add_argument("--widths", type=int, nargs=2, default=WIDTHS, help="of the U-Net, for a try")
    parser.add_argument("--one", choices=HOW, help=argparse.SUPPRESS)
    parser.add_argument("--bases", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        return print(json.dumps(train(options.bases, options.one)))
    if not Path("/proc/self/clear_refs").exists():
        refuse("the peak memory of a process can be set back on Linux only; run it there")
    with tempfile.TemporaryDirectory(prefix="synthgen-adapters-") as temporary:
        command = [sys.executable, "-c", "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; "
                   "import adapters; adapters.write_bases(Path(sys.argv[2]), tuple(map(int, sys.argv[3:])))",
                   str(Path(__file__).parent), temporary, *map(str, options.widths)]  # fmt: skip
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL, env=environment())
        found = measure(Path(temporary), max(1, options.turns))
    report(found, options, tuple(options.widths) != WIDTHS or options.turns < 3)


if __name__ == "__main__":
    main()
