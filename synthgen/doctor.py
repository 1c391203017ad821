"""What a person wants to know before a run, as plain text: the machine, the tasks, whether a recipe will work here.

Nothing is written and nothing is trained.

    print(look_over(Path("runs")))
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from . import hardware, shelf, task
from .errors import UserError
from .estimate import Estimate, estimate
from .hardware import GIB, Hardware
from .mistakes import meant, show
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
    rows = [_fit(name, machine, speed, free) for name in shelf.shipped()]
    return "\n".join([*lines, "", table(("recipe", "fits", "time", "disk", "memory", "remark"), rows)])


def examine(recipe: Recipe, folder: Place) -> str:
    """Raises UserError for what would stop the run; else says what it would do and for how long."""
    place = _look_at(folder)
    source = check_source(recipe)
    if recipe.source.kind != "hub":  # validating shall not download a dataset
        source += _read(recipe)
    start = _start_of(recipe)
    machine, free = hardware.look(), hardware.free_disk(place)
    cost = estimate(recipe, machine, hardware.speed())
    problem = _obstacle(cost, machine, free)
    if problem:
        raise UserError(problem)
    lines = [
        f"{recipe.name}: valid ({recipe.sha256[:12]})",
        f"source    {source}",
        *([f"starts    {start}"] if start else []),
        f"makes     {recipe.count:,} rows in {folder}",
        f"time      about {duration(cost.seconds)} (train {duration(cost.train)}, "
        f"sample {duration(cost.sample)}, evaluate {duration(cost.evaluate)})",
        f"disk      about {_size(cost.disk)} of {_size(free)} free"
        + (f" for the copy in {place}" if isinstance(folder, Address) else ""),
        f"memory    about {_size(cost.memory)} of {machine.available_gib:.1f} GiB available",
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


def _read(recipe: Recipe) -> str:
    """Reads every row and asks for the labels of a few, so that what would stop a run is told now."""
    import numpy as np

    found = task.find(recipe.task)
    data = found.load(recipe.source, recipe.seed)
    if not recipe.conditions.trains and getattr(recipe.model, "continue_", None) is None:  # else of other classes too
        found.labels(data, recipe.conditions, recipe.seed, None).draw(np.arange(8))
    parts = [len(next(iter(part.values()))) for part in (data.train, data.validation, data.heldout)]
    notes = "".join(f"\n          {note}" for note in data.origin.notes)
    return f"; {parts[0]:,} rows to train on, {parts[1]:,} for choices, {parts[2]:,} held out{notes}"


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Columns aligned to the left, two spaces apart."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in [head, *rows]]
    return "\n".join(line.rstrip() for line in [lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _fit(name: str, machine: Hardware, speed: float, free: int) -> tuple[str, ...]:
    try:
        recipe = load(name)
    except UserError as error:
        return (name, "no", "", "", "", str(error))
    cost = estimate(recipe, machine, speed)
    problem = _obstacle(cost, machine, free)
    remark = problem or ("reads the Hub: needs the network" if recipe.source.kind == "hub" else "")
    time = f"about {duration(cost.seconds)}"
    return (name, "no" if problem else "yes", time, _size(cost.disk), _size(cost.memory), remark)


def _obstacle(cost: Estimate, machine: Hardware, free: int) -> str:
    if cost.disk > free:
        return (
            f"count: needs about {_size(cost.disk)} of disk but {_size(free)} are free; use fewer rows or another --out"
        )
    if cost.memory > machine.available_gib * GIB:
        have = f"{machine.available_gib:.1f} GiB are available"
        return f"source.rows: needs about {_size(cost.memory)} of memory but {have}; use fewer or smaller rows"
    return ""


def _gpu(gpu: hardware.Gpu) -> str:
    return f"{gpu.name}, {gpu.memory_gib:.0f} GiB ({gpu.free_gib:.0f} free), bf16 {'yes' if gpu.bf16 else 'no'}"


def _size(count: float) -> str:
    return f"{count / GIB:.1f} GiB" if count >= GIB / 10 else f"{count / 2**20:.0f} MiB"
