"""A tiny run of the digits, as words of the command line, and what is to be read from a run's folder."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from synthgen.recipe import load
from synthgen.storage import digest_folder

ROOT = Path(__file__).parents[1]

SMALL = {
    "model.widths": "[8,16]",
    "model.blocks": 1,
    "train.seconds": "null",
    "train.steps": 100,
    "train.batch_size": 8,
    "train.validate_every": 0.025,
    "train.checkpoint_seconds": 0.3,
    "train.early_stop.patience": "null",
    "train.early_stop.nearest_ratio": "null",
    "count": 160,
    "sample.steps": 30,
    "sample.batch_size": 8,
    "sample.shard_size": 8,
    "gates.agreement.quantile": 0,
    "gates.quota": "off",
    "evaluate.seeds": 3,
    "evaluate.steps": 60,
    "evaluate.batch_size": 16,
}
DIGITS = ("classification", SMALL)
QUICK = {**SMALL, "train.steps": 60, "evaluate.seeds": 1, "evaluate.steps": 4, "evaluate.gates": "false"}


def words(recipe: str, settings: dict[str, Any], out: Path, **changes: Any) -> list[str]:
    """The words of `synthgen run`; `changes` are settings with __ for the dot."""
    wanted = {**settings, **{name.replace("__", "."): value for name, value in changes.items()}}
    return ["run", recipe, "--out", str(out), *(word for n, v in wanted.items() for word in ("--set", f"{n}={v}"))]


def start(arguments: list[str], **streams: Any) -> subprocess.Popen[str]:
    """`synthgen` as a process of its own, on one thread an operation."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    streams = streams or {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = [sys.executable, "-m", "synthgen", *arguments]
    # tests that run in a shell's background inherit an ignored SIGINT, and processes of theirs would never hear it
    heard: Any = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    return subprocess.Popen(command, cwd=ROOT, env=env, text=True, **heard, **streams)


def begin_folder(folder: Path) -> Path:
    """The folder of a run of QUICK that has only its recipe."""
    recipe = load("classification", [f"{name}={value}" for name, value in QUICK.items()])
    (folder / "state").mkdir(parents=True)
    (folder / "state" / "recipe.json").write_text(json.dumps(recipe.resolved()))
    return folder


def descendants(process: subprocess.Popen[str], name: str = "") -> list[psutil.Process]:
    """The processes below it that have `name` in their command line, such as "ServeReplica"."""
    return [child for child in psutil.Process(process.pid).children(recursive=True) if name in command_of(child)]


def command_of(process: psutil.Process) -> str:
    """Its command line; none of one that has just ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def events(folder: Path, *kinds: str) -> list[dict[str, Any]]:
    """The lines of the run's log so far, or those of some kinds."""
    try:
        lines = (folder / "state" / "log.jsonl").read_text().splitlines()
    except FileNotFoundError:
        return []
    found = map(json.loads, lines)
    return [entry for entry in found if not kinds or entry["event"] in kinds]


def data_digests(folder: Path) -> dict[str, str]:
    return digest_folder(folder / "dataset" / "data")


def rewind(folder: Path, *gone: str) -> None:
    """Take away the dataset and what else is named, as if the run had not come so far."""
    for name in ("dataset", "report.html", "state/done", "state/rejections.parquet", *gone):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
