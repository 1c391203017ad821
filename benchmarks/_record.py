"""What every measurement shares: the bars, the runs it asks of `synthgen`, the table on the screen and the JSON.

It knows the bars that the README quotes and how a result is kept; it measures nothing.

    options = command_line("digits", __doc__).parse_args()
    run = make_run("digits", "classification", options)
    write("digits", [judge("digits.gap", 0.5, 0.1)], options, {"report": run.report})
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent
RUNS = HERE / "runs"
RESULTS = HERE / "results"
RECIPES = ROOT / "recipes"
PACKAGES = ("synthgen", "torch", "diffusers", "accelerate", "datasets", "pyarrow", "numpy", "pydantic", "typer")


@dataclass(frozen=True)
class Bar:
    """What a measurement must reach."""

    title: str
    sign: str  # how the measured value must stand to the limit: ≤, ≥ or >
    limit: float
    unit: str = ""
    digits: int = 3
    aim: float | None = None


BARS = {
    "tissue.seconds": Bar("tissue: `synthgen run` to 2,000 rows with their report, seconds", "≤", 300, " s", 0),
    "tissue.ratio": Bar("tissue: train-synthetic ÷ train-real, mIoU", "≥", 0.97),
    "tissue.gain": Bar("tissue: train-both − train-real, mIoU", "≥", 0, "", 4),
    "tissue.efficiency": Bar("tissue: efficiency of sampling", "≥", 0.85),
    "nuclei.ratio": Bar("nuclei: train-synthetic ÷ train-real, foreground IoU", "≥", 0.90),
    "nuclei.gain": Bar("nuclei, 10 real images: train-both − train-real, mIoU", ">", 0, "", 4),
    "digits.gap": Bar("digits: train-real − train-synthetic accuracy, 5,000 rows", "≤", 0.7, " points", 2),
    "digits.gain": Bar("digits: train-both − train-real accuracy", "≥", 0, " points", 2),
    "digits.efficiency": Bar("digits: efficiency of sampling", "≥", 0.85),
    "fashion.gap": Bar("Fashion-MNIST: train-real − train-synthetic accuracy, 10,000 rows", "≤", 8, " points", 2, 4),
    "speed.segmentation": Bar("tissue: rows/s ÷ rows/s of a 50-step fp32 diffusers pipeline", "≥", 4, "×", 2),
    "speed.classification": Bar("digits: rows/s ÷ rows/s of a 50-step fp32 diffusers pipeline", "≥", 4, "×", 2),
    "memory.ratio": Bar("peak memory of sampling 20,000 rows ÷ 2,000 rows", "≤", 1.1),
    "adapters.memory": Bar("tiny SDXL, widened: memory of a LoRA training ÷ full fine-tuning", "≤", 0.5, "", 2),
    "masks.default": Bar("tissue, validation rows: mIoU with masks recombined − drawn by diffusion", "≥", 0, "", 4),
    "series.motions.seconds": Bar(
        "motions: `synthgen run` to 1,000 series with their report, seconds", "≤", 300, " s", 0
    ),
    "series.motions.ratio": Bar("motions: train-synthetic ÷ train-real accuracy (MiniRocket)", "≥", 0.95),
    "series.motions.nearest": Bar("motions: nearest-neighbour ratio", "≥", 0.8),
    "series.motions.copies": Bar("motions: copies of training rows", "≤", 0, "", 0),
    "series.motions.efficiency": Bar("motions: efficiency of sampling", "≥", 0.85),
    "series.power.ratio": Bar("power: train-synthetic ÷ train-real accuracy (MiniRocket)", "≥", 0.95),
    "series.power.nearest": Bar("power: nearest-neighbour ratio", "≥", 0.8),
    "series.power.few": Bar("power, 5 real rows a class: train-both − train-real accuracy", ">", 0, "", 4),
    "series.motions.few": Bar("motions, 5 real rows a class: train-both − train-real accuracy", ">", 0, "", 4),
    "series.etth1.discriminative": Bar("ETTh1, 24 steps: discriminative score", "≤", 0.10),
    "episodes.all": Bar("episodes in recordings: train-both − train-real recall at 5 % false alarms", "≥", 0, "", 4),
    "episodes.rare": Bar("the same with every tenth real episode", ">", 0, "", 4),
    "shapes.seconds": Bar("3d: `synthgen run` to 600 objects with their report, seconds", "≤", 300, " s", 0),
    "shapes.accuracy": Bar("3d: train-synthetic ÷ train-real class accuracy", "≥", 0.98),
    "shapes.parts": Bar("3d: train-synthetic ÷ train-real part mIoU", "≥", 0.97),
    "shapes.one_nna": Bar("3d: 1-NNA against held-out (Chamfer), %", "≤", 65, " %", 1),
    "shapes.nearest": Bar("3d: nearest-neighbour ratio", "≥", 0.95),
    "shapes.copies": Bar("3d: copies of training rows", "≤", 0, "", 0),
    "shapes.efficiency": Bar("3d: efficiency of sampling", "≥", 0.85),
    "translation.seconds": Bar("phrases: `synthgen run` to 1,500 pairs with their report, seconds", "≤", 300, " s", 0),
    "translation.given": Bar("phrases, target given an unseen source: exact share before gates", "≥", 0.85),
    "translation.before": Bar("phrases, new pairs: exact share before gates", "≥", 0.85),
    "translation.after": Bar("phrases, new pairs: exact share after gates", "≥", 0.97),
    "translation.new": Bar("phrases, new pairs: share not among the training rows", "≥", 0.80),
    "translation.exact": Bar("phrases: train-synthetic ÷ train-real, exact share", "≥", 0.80),
    "translation.chrf": Bar("phrases: train-synthetic ÷ train-real, chrF", "≥", 0.95),
    "translation.speed": Bar("phrases: rows/s ÷ rows/s of an autoregressive model, token by token", "≥", 2, "×", 2),
    "questions.seconds": Bar("questions: `synthgen run` to 1,200 rows with their report, seconds", "≤", 300, " s", 0),
    "questions.new": Bar("questions, new answers: right territory and fact before gates", "≥", 0.90),
    "questions.seen": Bar("questions, held-out answers, names seen in training: right before gates", "≥", 0.90),
    "questions.unseen": Bar("questions, held-out answers, names never seen: right before gates", "≥", 0.80),
    "questions.distinct": Bar("questions: distinct share", "≥", 0.85),
    "questions.ratio": Bar("questions: train-synthetic ÷ train-real, F1 among distractors", "≥", 0.90),
    "questions.few": Bar("questions, 5 % of the real rows: train-both − train-real, F1", ">", 0, "", 4),
    "conversation.seconds": Bar("dialogues: `synthgen run` to 800 rows with their report, seconds", "≤", 300, " s", 0),
    "conversation.facts": Bar("dialogues: the assistant's facts right after the gates", "≥", 0.97),
    "conversation.intents": Bar("dialogues: train-synthetic ÷ train-real, intent accuracy", "≥", 0.95),
    "serve.same": Bar("shards/s of a Ray replica of two threads ÷ two threads of one process", "≥", 0.92),
    "serve.twice": Bar("shards/s of two Ray replicas ÷ one, a thread each", "≥", 1.8, "×", 2),
    "serve.driver": Bar("64 replicas that sleep 1 s a shard: share of the time that they sleep", "≥", 0.95),
    "service.batching": Bar("/v1/generate: rows/s of 16 clients of 4 rows ÷ one of 64", "≥", 0.8, "×", 2),
    "service.overhead": Bar("/v1/generate, one row: median over HTTP − through the handle", "≤", 10, " ms", 1),
    "service.health": Bar("ten times the capacity, 5 min: p99 of /healthz; all answers 200 or 429", "<", 1, " s", 2),
    "service.memory": Bar("the same: growth of the service's memory a minute", "≤", 5, " MB", 1),
    "families.all": Bar(
        "tiny bases of every family: loss falls in 20 steps, same rows in a fresh process and on Ray", "≥", 1
    ),
    "bases.start": Bar(
        "digits, 50 real rows: accuracy with rows from a Fashion-MNIST base − from scratch", ">", 0, " points", 2
    ),
    "bases.scratch": Bar("digits, 50 real rows: from scratch − no synthetic rows", ">", 0, " points", 2),
    "forgetting.kept": Bar("digits 0–4, then 5–9 with replay: old classes' utility, after ÷ before", "≥", 0.97),
    "startup.ratio": Bar("`synthgen --help` ÷ `python -c 'import typer'`, wall time", "≤", 1.5),
}


@dataclass(frozen=True)
class Measure:
    """A value against its bar. `sd` is over what `spread_over` names; None where there is one value only."""

    key: str
    title: str
    value: float
    sd: float | None
    spread_over: str
    bar: str
    met: bool
    note: str


@dataclass(frozen=True)
class Run:
    """A finished run of `synthgen run` and the wall time of the command."""

    folder: Path
    seconds: float
    report: dict[str, Any]

    def values(self, kind: str) -> list[float]:
        """Scores by learner seed after training on `real`, `synthetic` or `both` rows."""
        return list(self.report["utility"][f"train_{kind}_test_real"]["values"])

    def class_values(self, kind: str, number: int) -> list[float]:
        """The same for one class; the run keeps every learner's score in its state folder."""
        seeds = range(self.report["utility"]["seeds"])
        kept = [self.folder / "state" / "memory" / f"score-train_{kind}-{seed}.json" for seed in seeds]
        return [float(json.loads(path.read_text())["per_class"][number]) for path in kept]


def command_line(
    name: str, about: str, *, recipe: bool = True, out: bool = True, data: Path | None = None, trainings: bool = False
) -> argparse.ArgumentParser:
    """The words that measurements share: --set where a recipe is run, --out for its folder, --data with its default,
    --trainings where it is run several times."""
    parser = argparse.ArgumentParser(
        prog=f"benchmarks/{name}.py", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(changes=[], out=None)
    if recipe:
        parser.add_argument(
            "--set", dest="changes", metavar="A.B=C", action="append", default=[],
            help="change a field of the recipe; the result then counts as a try and stays out of benchmarks/results",
        )  # fmt: skip
    if out:
        parser.add_argument("--out", type=Path, help="folder of the run; default: below benchmarks/runs")
    if trainings:
        parser.add_argument("--trainings", type=int, default=3, help="runs, each with a seed of its own; default: 3")
    if data:
        parser.add_argument("--data", type=Path, default=data, help=f"default: {data}")
    return parser


def refuse(sentence: str) -> None:
    """Leave with exit code 2: the measurement cannot be made here."""
    print(f"{Path(sys.argv[0]).name}: {sentence}", file=sys.stderr)
    raise SystemExit(2)


def need_data(folder: Path, origin: str) -> Path:
    """The folder, absolute; leaves with a sentence if its Parquet files are not there."""
    if not (folder / "train.parquet").is_file():
        refuse(f"--data: {str(folder)!r} has no train.parquet; this measurement needs {origin}")
    return folder.resolve()


def synthgen(*words: str) -> list[str]:
    """The command as a user has it; from a checkout that is not installed, as a module."""
    script = Path(sys.executable).with_name("synthgen")
    return [*([str(script)] if script.is_file() else [sys.executable, "-m", "synthgen"]), *words]


def environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path}


def default_folder(name: str, options: argparse.Namespace) -> Path:
    """Where a run of this measurement lies; tries lie apart."""
    return options.out or (RUNS / "tries" / name if options.changes else RUNS / name)


def make_run(name: str, recipe: str, options: argparse.Namespace, *own: str, keep: bool = False) -> Run:
    """`synthgen run` from the beginning, with the measurement's `own` changes and those of the user, and its report.

    With `keep`, what the folder holds is gone on with. Leaves with the command's exit code if it fails.
    """
    folder = default_folder(name, options)
    changes = [word for change in (*own, *options.changes) for word in ("--set", change)]
    words = [str(RECIPES / f"{recipe}.yaml"), *changes, "--out", str(folder), *([] if keep else ["--fresh"])]
    command = synthgen("run", *words)
    print("$ " + shlex.join(command), flush=True)
    began = time.perf_counter()
    code = subprocess.run(command, env=environment()).returncode
    seconds = time.perf_counter() - began
    if code:
        raise SystemExit(code)
    return Run(folder, seconds, json.loads((folder / "dataset" / "report.json").read_text()))


def make_runs(name: str, recipe: str, options: argparse.Namespace) -> list[Run]:
    """As many runs as --trainings says, each with a seed of its own."""
    runs = []
    for seed in range(options.trainings):
        place = argparse.Namespace(**vars(options))
        if seed:
            folder = default_folder(name, options)
            place.out = folder.with_name(f"{folder.name}-{seed}")
        runs.append(make_run(name, recipe, place, *([f"seed={seed}"] if seed else [])))
    return runs


def measure_beside(script: str, run: Run) -> dict[str, Any]:
    """The line of JSON that another script of this folder prints last about a run, in a process of its own."""
    command = [sys.executable, str(HERE / script), str(run.folder)]
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment())
    return dict(json.loads(found.stdout.splitlines()[-1]))


def judge(
    key: str, value: float, sd: float | None = None, over: str = "learner seeds", *, note: str = "", only: bool = True
) -> Measure:
    """`value` against the bar of that name; `only`: what else must hold for the bar to be met."""
    bar = BARS[key]
    stands = {"≤": value <= bar.limit, "≥": value >= bar.limit, ">": value > bar.limit, "<": value < bar.limit}[
        bar.sign
    ]
    if bar.aim is not None:
        note = "; ".join(filter(None, [note, f"the aim of {bar.aim:g} is {'met' if value <= bar.aim else 'missed'}"]))
    spread = None if sd is None or math.isnan(sd) else sd
    text = f"{bar.sign} {bar.limit:g}{bar.unit}"
    return Measure(key, bar.title, value, spread, over if spread is not None else "", text, stands and only, note)


def judge_all(key: str, values: Sequence[float], *, note: str = "") -> Measure:
    """The mean of what was measured of several trainings, and its spread."""
    return judge(key, fmean(values), spread(values), "trainings", note=note)


def ratio(above: Sequence[float], below: Sequence[float]) -> tuple[float, float | None]:
    """Mean ÷ mean, and the sd of the ratios of each seed."""
    return sum(above) / sum(below), spread([a / b for a, b in zip(above, below, strict=True)])


def difference(first: Sequence[float], second: Sequence[float]) -> tuple[float, float | None]:
    """Mean of first − second by seed, and its sd."""
    gaps = [a - b for a, b in zip(first, second, strict=True)]
    return sum(gaps) / len(gaps), spread(gaps)


def spread(values: Sequence[float]) -> float | None:
    return stdev(values) if len(values) > 1 else None


def show(measure: Measure) -> str:
    """The value with its spread and unit, as tables print it."""
    bar = BARS[measure.key]
    told = f"{measure.value:.{bar.digits}f}" + ("" if measure.sd is None else f" ± {measure.sd:.{bar.digits}f}")
    return told + bar.unit


def write(
    name: str, measures: Sequence[Measure], options: argparse.Namespace, details: dict[str, Any], tried: bool = False
) -> None:
    """Print the table and write the JSON: benchmarks/results/<name>.json, or beside the run if it was only a try."""
    tried = tried or bool(options.changes)
    folder = RUNS / "tries" if tried else RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "benchmark": name,
        "measurement": not tried,  # False: made with changed settings, so that it says nothing about the bars
        "command": shlex.join(["python", f"benchmarks/{name}.py", *sys.argv[1:]]),
        "overrides": options.changes,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "measures": [asdict(measure) for measure in measures],
        "details": details,
        "versions": versions(),
        "hardware": hardware(),
    }
    path = folder / f"{name}.json"
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    rows = [(m.title.replace("`", ""), m.bar, show(m), "met" if m.met else "MISSED", m.note) for m in measures]
    print("\n" + table(("measure", "bar", "measured", "", "note"), rows))
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    print(f"\n{'a try, not a measurement' if tried else 'written'}: {shown}")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned to the left, two spaces apart."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def hardware() -> dict[str, Any]:
    """The processor, what of it we may use, and how busy it was: a loaded machine makes times longer."""
    facts = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    name = next((line.partition(":")[2].strip() for line in facts.splitlines() if line.startswith("model name")), "")
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": name or platform.processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "threads_set": {key: os.environ[key] for key in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if key in os.environ},
        "nice": os.nice(0),
    }
