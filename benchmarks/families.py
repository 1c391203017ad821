"""Every family of pretrained bases, tiny: fine-tuned for 20 steps and saved; then a fresh process and Ray draw the same
rows, after the base is gone.

The pipelines have random weights, in the format of the Hub: it is the code that is measured, not the models.

    python benchmarks/families.py --only sdxl,flux
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _record import ROOT, command_line, environment, judge, refuse, synthgen, table, write

sys.path.insert(0, str(ROOT / "tests"))

COMMON = {
    "count": 6, "train.seconds": "null", "train.steps": 20, "train.batch_size": 8, "train.optimizer": "adamw",
    "train.learning_rate": 2e-3, "train.validate_every": 0.5,
    "train.early_stop": "{patience: null, nearest_ratio: null}",
    "sample.steps": 3, "sample.batch_size": 4, "sample.shard_size": 8, "evaluate.seeds": 1, "evaluate.steps": 2,
    "evaluate.batch_size": 4, "evaluate.gates": "false", "evaluate.baseline": "false",
    "gates": "{agreement: off, copies: off, duplicates: off, quota: off}",
}  # fmt: skip
IMAGES: dict[str, Any] = {"model.size": 16}
MASKS = {**IMAGES, "source.rows": 24}
TEXTS = {"source.rows": 200, "gates": "{agreement: off, copies: off, duplicates: off, quota: off, checks: []}"}
SHAPES = {
    "source.rows": 24, "source.points": 256, "model.grid": 20, "model.fit_steps": 10, "train.learning_rate": 0.05,
    "evaluate.membership": "false",
}  # fmt: skip
AGAIN = {"fresh process": (), "ray": ("--engine", "ray", "--replicas", "2")}
REFINED = {**TEXTS, "sample.solver": "refine", "sample.threshold": 0.5}


def list_cases() -> dict[str, tuple[Callable[[Path], Path], str, dict[str, Any]]]:
    """Name -> (writer of the base, recipe, changes)."""
    from bases import write_base, write_refiner
    from pipelines import PIPELINES, write_pipeline
    from shape_bases import write_shap_e

    def pipeline(name: str) -> Callable[[Path], Path]:
        return lambda folder: write_pipeline(name, folder)

    cases: dict[str, tuple[Callable[[Path], Path], str, dict[str, Any]]] = {
        name: (pipeline(name), "classification", IMAGES) for name in PIPELINES
    }
    for name in ("sd", "sdxl", "sd3", "flux"):
        cases[f"{name} controlnet"] = (pipeline(name), "segmentation", MASKS)
    cases["shap-e"] = (write_shap_e, "3d", SHAPES)
    cases["modernbert"] = (lambda folder: write_base("modernbert", folder, longest=512), "translation", TEXTS)
    cases["llada2"] = (lambda folder: write_refiner("modernbert", folder, longest=512), "translation", REFINED)
    return cases


def run(recipe: str, folder: Path, settings: dict[str, Any], *more: str) -> None:
    words = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    done = subprocess.run(
        synthgen("run", recipe, *words, "--out", str(folder), *more), env=environment(), capture_output=True, text=True
    )
    if done.returncode:
        refuse(f"{recipe} in {folder.name} failed: {done.stderr.splitlines()[-1]}")


def digest(folder: Path) -> str:
    files = sorted((folder / "dataset" / "data").iterdir())
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def draw_again(folder: Path) -> None:
    for name in ("dataset", "state/shards", "state/memory"):
        shutil.rmtree(folder / name, ignore_errors=True)


def check(name: str, place: Path) -> dict[str, Any]:
    write_it, recipe, changes = list_cases()[name]
    base = write_it(place / "base")
    folder, settings = place / "run", {**COMMON, **changes, "model.base": base}
    run(recipe, folder, settings)
    training = json.loads((folder / "model" / "training.json").read_text())
    losses = [point["validation_loss"] for point in training["history"]]
    first = digest(folder)
    base.rename(place / "gone")
    found = {}
    for what, more in AGAIN.items():
        draw_again(folder)
        run(recipe, folder, settings, *more)
        found[what] = digest(folder) == first
    return {"steps": training["steps"], "losses": losses, "fell": losses[-1] < losses[0], **found}


def main() -> None:
    parser = command_line("families", __doc__, recipe=False, out=False)
    parser.add_argument("--only", default="", help="names, separated by commas; the result then counts as a try")
    options = parser.parse_args()
    names = [name for name in list_cases() if not options.only or name in options.only.split(",")]
    found = {}
    for name in names:
        with tempfile.TemporaryDirectory() as place:
            found[name] = check(name, Path(place))
        print(name, found[name], flush=True)
    good = [name for name, one in found.items() if one["fell"] and one["fresh process"] and one["ray"]]
    rows = [
        (
            n,
            f"{one['losses'][0]:.3f}",
            f"{one['losses'][-1]:.3f}",
            *("same" if one[k] else "OTHER" for k in ("fresh process", "ray")),
        )
        for n, one in found.items()
    ]
    print("\n" + table(("base", "loss after 10 steps", "after 20", "fresh process", "Ray, 2 replicas"), rows))
    share = len(good) / len(found)
    measure = judge("families.all", share, note=f"{len(good)} of {len(found)}: {', '.join(good)}")
    write("families", [measure], options, {"bases": found}, tried=bool(options.only))


if __name__ == "__main__":
    main()
