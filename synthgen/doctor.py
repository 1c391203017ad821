"""What a person wants to know before a run, as plain text: the machine, the tasks, whether a recipe will work here.

Nothing is written and nothing is trained.

    print(look_over(Path("runs")))
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import hardware, shelf, task
from .budget import Needs, estimate_needs, find_misfit, price, see_images, taken_in_all
from .errors import UserError
from .estimate import Estimate, estimate
from .hardware import GIB, Hardware, show_size
from .mistakes import meant, show
from .networks.bases import is_foreign
from .progress import duration
from .recipe import Recipe, load
from .remote.address import Address, Place, on_this_machine
from .remote.store import Store


def list_tasks() -> str:
    """Each task: what a row is, and whether what it needs is installed."""
    rows = []
    for name in task.names():
        try:
            rows.append((name, task.find(name).summary, "installed"))
        except UserError as error:
            rows.append((name, "", str(error).partition("; ")[2] or str(error)))
    return table(("task", "rows", "state"), rows)


def look_over(folder: Place) -> str:
    """The machine, then which shipped recipes fit on it. Raises UserError for a URL that cannot be reached."""
    place = _look_at(folder)
    machine, speed, free = hardware.look(), hardware.speed(), hardware.free_disk(place)
    facts = [
        ("system", machine.system),
        ("processor", f"{machine.processor}, {machine.cores} cores for us, {speed:.0f} GFLOP/s each (fp32)"),
        ("bf16", "in hardware" if machine.bf16 else "no; the CPU computes in fp32"),
        ("memory", f"{machine.memory_gib:.1f} GiB, {machine.available_gib:.1f} GiB available"),
        *(("gpu", _gpu(gpu)) for gpu in machine.gpus),
        *([] if machine.gpus else [("gpu", "none found; the CPU does the work")]),
        ("disk", f"{free / GIB:.1f} GiB free for {place}"),
        ("versions", ", ".join(f"{name} {version}" for name, version in machine.versions.items())),
    ]
    width = max(len(name) for name, _ in facts)
    lines = [f"{name:<{width}}  {value}" for name, value in facts]
    away: set[str] = set()
    rows = [_fit(name, machine, speed, free, away) for name in shelf.shipped()]
    return "\n".join([*lines, "", table(("recipe", "fits", "time", "disk", "memory", "remark"), rows)])


def examine(recipe: Recipe, folder: Place) -> str:
    """Raises UserError for what would stop the run; else says what it would do and for how long."""
    place = _look_at(folder)
    if is_foreign(recipe.model, None):
        task.find(recipe.task).examine(recipe.model)
    source = check_source(recipe)
    seen: dict[str, Any] = {}
    if recipe.source.kind != "hub":  # validating shall not download a dataset
        told, seen = _read(recipe)
        source += told
    start = _start_of(recipe)
    machine, free = hardware.look(), hardware.free_disk(place)
    needs = estimate_needs(recipe, machine, **seen)
    problem = "" if needs is None else find_misfit(recipe, machine, **seen)
    cost = _price(recipe, needs, machine, hardware.speed())
    problem = problem or _obstacle(cost, machine, free)
    if problem:
        raise UserError(problem)
    lines = [
        f"{recipe.name}: valid ({recipe.sha256[:12]})",
        f"source    {source}",
        *([f"starts    {start}"] if start else []),
        f"makes     {recipe.count:,} rows in {folder}",
        f"time      about {duration(cost.seconds)} (train {duration(cost.train)}, "
        f"sample {duration(cost.sample)}, evaluate {duration(cost.evaluate)})",
        f"disk      about {show_size(cost.disk)} of {show_size(free)} free"
        + (f" for the copy in {place}" if isinstance(folder, Address) else ""),
        f"memory    about {show_size(cost.memory)} of {machine.available_gib:.1f} GiB available",
        *([] if needs is None else _tell_base(needs, machine)),
    ]
    return "\n".join(lines)


def _start_of(recipe: Recipe) -> str:
    """One line about the model of an earlier run, from its headers alone; empty where the recipe starts from none."""
    from .starting_point import check_base

    base = check_base(recipe)
    return "" if base is None else f"from {base.name}: a {base.net} of {base.task} ({base.sha256[:12]})"


def _look_at(folder: Place) -> Path:
    """Where on this machine work would be done; raises UserError for a URL that cannot be read."""
    if isinstance(folder, Address):
        Store(folder).check()
    return on_this_machine(folder)


def check_source(recipe: Recipe) -> str:
    """One line about the source, from its headers alone; raises UserError if it cannot be opened."""
    found, name = task.find(recipe.task), recipe.source.name
    if recipe.source.kind == "builtin" and name not in found.builtins:
        fix = meant(name or "", found.builtins)
        raise UserError(f"source.name: {show(name)} is not a built-in source of the task {recipe.task!r}; {fix}")
    return found.describe(recipe.source)


def _read(recipe: Recipe) -> tuple[str, dict[str, Any]]:
    """Reads every row and asks for the labels of a few, so that what would stop a run is told now. Also gives what a
    model's size depends on."""
    import numpy as np

    found = task.find(recipe.task)
    if is_foreign(recipe.model, None):
        found.refuse(recipe.model, recipe.conditions)
    data = found.load(recipe.source, recipe.seed)
    if not recipe.conditions.trains and getattr(recipe.model, "continue_", None) is None:  # else of other classes too
        found.labels(data, recipe.conditions, recipe.seed, None).draw(np.arange(8))
    parts = [len(next(iter(part.values()))) for part in (data.train, data.validation, data.heldout)]
    notes = "".join(f"\n          {note}" for note in data.origin.notes)
    seen = see_images(data)
    return f"; {parts[0]:,} rows to train on, {parts[1]:,} for choices, {parts[2]:,} held out{notes}", seen


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Columns aligned to the left, two spaces apart."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in [head, *rows]]
    return "\n".join(line.rstrip() for line in [lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _fit(name: str, machine: Hardware, speed: float, free: int, away: set[str]) -> tuple[str, ...]:
    """A line of the table. `away`: what the Hub was asked for in vain; it takes a while, so it is asked once."""
    try:
        recipe = load(name)
    except UserError as error:
        return (name, "no", "", "", "", str(error))
    base = getattr(recipe.model, "base", None)
    remote = base is not None and not Path(base).is_dir()
    try:
        if remote and away:
            raise UserError("")
        needs = estimate_needs(recipe, machine)
        problem = "" if needs is None else find_misfit(recipe, machine)
    except UserError as error:
        if not remote:
            return (name, "no", "", "", "", str(error))
        away.add(str(base))
        return (name, "?", "", "", "", f"its base, {base}, could not be read: needs the network")
    cost = _price(recipe, needs, machine, speed)
    problem = problem or _obstacle(cost, machine, free)
    remark = problem or ("reads the Hub: needs the network" if recipe.source.kind == "hub" or remote else "")
    time = f"about {duration(cost.seconds)}"
    return (name, "no" if problem else "yes", time, show_size(cost.disk), show_size(cost.memory), remark)


def _price(recipe: Recipe, needs: Needs | None, machine: Hardware, speed: float) -> Estimate:
    cost = estimate(recipe, machine, speed)
    return cost if needs is None else price(cost, needs, machine, speed, hardware.gpu_speed())


def _tell_base(needs: Needs, machine: Hardware) -> list[str]:
    """What a pretrained base takes, a line each."""
    stages = {"train": needs.train, "sample": needs.sample, "load": needs.fixed}
    told = ", ".join(f"{show_size(taken_in_all(taken))} to {name}" for name, taken in stages.items())
    free = f"{machine.gpus[0].free_gib:.1f} GiB free on the GPU" if machine.gpus else "that memory"
    return [
        f"base      {needs.kind}, {needs.parameters / 1e6:,.1f} M parameters, {needs.trained / 1e6:,.2f} M trained",
        f"          about {told} of {free}",
    ]


def _obstacle(cost: Estimate, machine: Hardware, free: int) -> str:
    if cost.disk > free:
        need, have = show_size(cost.disk), show_size(free)
        return f"count: needs about {need} of disk but {have} are free; use fewer rows or another --out"
    if cost.memory > machine.available_gib * GIB:
        have = f"{machine.available_gib:.1f} GiB are available"
        return f"source.rows: needs about {show_size(cost.memory)} of memory but {have}; use fewer or smaller rows"
    return ""


def _gpu(gpu: hardware.Gpu) -> str:
    return f"{gpu.name}, {gpu.memory_gib:.0f} GiB ({gpu.free_gib:.0f} free), bf16 {'yes' if gpu.bf16 else 'no'}"
