"""How the model of an earlier run goes on learning: what is kept of it, and what it adds to the rows of a source.

The earlier run draws rows of what it knew, through its own gates; they are mixed into the new training rows (generative
replay, Shin et al. 2017, arXiv:1705.08690). Real rows of the earlier source are never trained on: its held-out rows
alone are taken, to measure what became of the old classes. All of it is kept in state/replay, so that nothing but the
run's own folder is asked for later. Rows need a class each, or the same classes in both runs.

    data = mix_in(data, remember(recipe, place, task, data, source, open_maker, progress))
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from .columns_file import pack_columns, unpack_columns
from .diffusion.noise import row_generator
from .errors import UserError
from .export.parquet import table_to_rows
from .networks.bases import OwnBase, find_own
from .networks.options import BaseOptions, ContinueOptions
from .ondemand import OnDemand
from .production import Maker
from .progress import Progress
from .recipe import Recipe, recipe_class
from .run_folder import RunFolder
from .storage import is_sound, sealed_folder
from .task import Task
from .types import Columns, Data, count_rows, join_rows, take_rows

MEASURED = 2000  # rows of each model for the old classes' utility, at most
PATIENCE = 20  # candidates for each row that the old gates are to let through
FACTS, OWN = "facts.json", "own"
PARTS = ("train", "validation", "heldout", "conditions", "before")

OpenRun = Callable[[tuple[str, str]], OnDemand]  # (resolved recipe as JSON, folder) -> what makes its rows


@dataclass(frozen=True)
class Memory:
    """What is kept of an earlier run. Numbers of classes are the earlier run's, which come first in the new list."""

    facts: dict[str, Any]  # mark, base, classes, replay, origin, license
    train: Columns  # drawn by the earlier model, with the columns of training rows; no column where there are no rows
    validation: Columns  # likewise
    heldout: Columns  # real ones
    conditions: Columns  # of the rows that tell what became of the old classes
    before: Columns  # those rows, drawn by the earlier model


def continues(recipe: Recipe) -> ContinueOptions | None:
    options = recipe.model
    return options.continue_ if isinstance(options, BaseOptions) else None


def measuring_seed(recipe: Recipe) -> int:
    """Of the rows that tell what became of the old classes."""
    return _seed(recipe, "forgetting")


def _seed(recipe: Recipe, what: str) -> int:
    return int(row_generator(recipe.seed, 0, what).integers(2**62))


def read_memory(recipe: Recipe, place: RunFolder) -> Memory | None:
    """What the run keeps of an earlier one; None where it is not there as it was written, or goes on from nothing."""
    if continues(recipe) is None or not is_sound(place.replay):
        return None
    try:
        facts = json.loads((place.replay / FACTS).read_text())
        parts = {name: unpack_columns((place.replay / f"{name}.npz").read_bytes()) for name in PARTS}
        return Memory(facts, **parts)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error):
        return None


def remember(
    recipe: Recipe, place: RunFolder, task: Task, data: Data, source: str, open_run: OpenRun, progress: Progress
) -> Memory | None:
    """What the run keeps of the one that it continues, drawn now if it is not there yet; None where it continues none.

    `source`: digest of `data`. UserErrors name model.base or model.continue.
    """
    options = continues(recipe)
    if options is None:
        return None
    assert isinstance(recipe.model, BaseOptions)
    mark = json.dumps([recipe.model.base, options.replay, recipe.seed, source])
    memory = read_memory(recipe, place)
    if memory is not None and memory.facts["mark"] == mark:
        return memory
    if task.mixes is None:
        raise UserError(
            f"model.continue: rows of two runs of {recipe.task} cannot be mixed; remove it, and model.base alone "
            "starts from the earlier model"
        )
    base = find_own(recipe.model)
    assert base is not None, "what cannot be continued was refused before"
    progress.stage("replay")
    maker = _open(base, recipe, open_run)
    _refuse_unlike(task, data, maker.data, base)
    memory = _draw(recipe, base, maker, data, options.replay, mark)
    with sealed_folder(place.replay) as folder:
        (folder / FACTS).write_text(json.dumps(memory.facts, indent=1))
        for name in PARTS:
            (folder / f"{name}.npz").write_bytes(pack_columns(getattr(memory, name)))
    place.log("replay", rows=count_rows(memory.train), share=options.replay, base=base.name)
    return memory


def _open(base: OwnBase, recipe: Recipe, open_run: OpenRun) -> Maker:
    """What makes the rows of the earlier run; nothing is written in its folder."""
    path = base.run / "state" / "recipe.json"
    fix = "name the folder of a finished run in model.base, or remove continue"
    try:
        document = path.read_text()
        theirs = recipe_class(json.loads(document)["task"]).model_validate_json(document)
    except (OSError, ValueError, KeyError):
        raise UserError(
            f"model.continue: {base.name} is a model without its run, which draws old rows; {fix}"
        ) from None
    if theirs.task != recipe.task:
        raise UserError(f"model.continue: {base.name} draws rows of {theirs.task}, not of {recipe.task}; {fix}")
    if not RunFolder(base.run, theirs, fresh=False).is_equipped():
        raise UserError(
            f"model.continue: the run of {base.name} is not whole; run its recipe again, or remove continue"
        )
    try:
        return open_run((json.dumps(theirs.resolved()), str(base.run.absolute()))).maker
    except UserError as error:
        raise UserError(f"model.continue: the run of {base.name} cannot be opened ({error})") from None


def _refuse_unlike(task: Task, new: Data, old: Data, base: OwnBase) -> None:
    """A UserError where rows of the two cannot stand in one set."""
    for name in task.mixes or ():
        if new.details[name] != old.details[name]:
            raise UserError(
                f"model.continue: the rows of {base.name} have {name} {old.details[name]!r:.80}, and this source has "
                f"{new.details[name]!r:.80}; make them alike, or remove continue"
            )
    for name, values in new.train.items():
        if values.shape[1:] != old.train[name].shape[1:]:
            raise UserError(
                f"model.continue: {name} of {base.name} has the shape {list(old.train[name].shape[1:])}, and that of "
                f"this source {list(values.shape[1:])}; read both alike (source.size, source.channels), or remove "
                "continue"
            )
    if "label" not in new.train and new.classes != old.classes:
        raise UserError(
            f"model.continue: {base.name} knows {', '.join(old.classes)}, and this source has "
            f"{', '.join(new.classes)}; rows with several classes each need the same ones in both (source.classes)"
        )


def _draw(recipe: Recipe, base: OwnBase, maker: Maker, data: Data, share: float, mark: str) -> Memory:
    replayed = [round(share / (1 - share) * count_rows(part)) for part in (data.train, data.validation)]
    rows = _draw_accepted(maker, sum(replayed), _seed(recipe, "replay"), base, list(data.train))
    train, validation = take_rows(rows, slice(0, replayed[0])), take_rows(rows, slice(replayed[0], None))
    seed, numbers = measuring_seed(recipe), np.arange(min(MEASURED, recipe.count))
    conditions = maker.labels.with_seed(seed).draw(numbers)
    before = maker.sampler.sample(conditions, numbers, seeds=np.full(len(numbers), seed, np.int64))
    heldout = without(maker.data.heldout, data.train, data.validation)
    if not count_rows(heldout):
        raise UserError(
            f"model.continue: every held-out row of {base.name} is a training row of this source, so that nothing "
            "would tell what is forgotten; give the source other rows, or remove continue"
        )
    facts = {
        "mark": mark, "base": base.name, "sha256": base.sha256, "classes": list(maker.data.classes), "replay": share,
        "rows": count_rows(train), "origin": maker.data.origin.name, "license": maker.data.origin.license,
    }  # fmt: skip
    return Memory(facts, train, validation, heldout, conditions, before)


def _draw_accepted(maker: Maker, count: int, seed: int, base: OwnBase, columns: list[str]) -> Columns:
    """The first `count` rows, by index, that the run's gates let through; no column where none is asked for."""
    labels, size = maker.labels.with_seed(seed), maker.shard_size
    features, parts, found, asked = list(maker.task.early(maker.data)), [], 0, 0
    while found < count:
        if asked > PATIENCE * (found + size):
            raise UserError(
                f"model.continue: the gates of {base.name} let {found} of {asked} of its own rows through; train that "
                "model longer, or set model.continue.replay to 0"
            )
        numbers = np.arange(asked, asked + size)
        table, _ = maker.make_drawn(labels.draw, numbers, np.full(size, seed, np.int64))
        kept = table.filter(pa.array([gate == "" for gate in table.column("gate").to_pylist()]))
        if len(kept):
            rows = maker.task.decode(table_to_rows(kept.select(features)), maker.data)
            rows = maker.task.as_training(rows, maker.data)
            parts.append({name: rows[name] for name in columns})
        found, asked = found + len(kept), asked + size
    return take_rows(join_rows(*parts), slice(0, count)) if parts else {}


def without(rows: Columns, *others: Columns) -> Columns:
    """The rows that are not among `others`, whatever their classes."""
    known = {key for other in others for key in _keys(other)}
    return take_rows(rows, np.array([key not in known for key in _keys(rows)], bool))


def _keys(rows: Columns) -> list[tuple[Any, ...]]:
    cells = ([value.tobytes() if isinstance(value, np.ndarray) else value for value in rows[name]]
             for name in sorted(rows) if name != "label")  # fmt: skip
    return list(zip(*cells, strict=True))


def mix_in(data: Data, memory: Memory | None) -> Data:
    """The rows of a source with what is kept of an earlier run: old classes first, then new ones in their order.
    details["undrawn"]: classes that no training row has, which are drawn only where they are named; details["own"]: how
    many training and held-out rows are the source's own.

    Held-out rows of the earlier source are among the held-out ones only if its rows are replayed: else no row that is
    trained on has their classes.
    """
    if memory is None:
        return data
    old = tuple(memory.facts["classes"])
    classes = (*old, *(name for name in data.classes if name not in old))
    numbers = np.array([classes.index(name) for name in data.classes])

    def renumber(rows: Columns) -> Columns:
        return {**rows, "label": numbers[rows["label"]]} if "label" in rows else rows

    parts = {part: renumber(getattr(data, part)) for part in ("train", "validation", "heldout")}
    if memory.train:
        more = {"train": memory.train, "validation": memory.validation}
        more["heldout"] = without(memory.heldout, data.heldout)
        parts = {p: join_rows(rows, more[p]) if count_rows(more[p]) else rows for p, rows in parts.items()}
    notes = (*data.origin.notes, *_notes(memory))
    origin = replace(data.origin, notes=notes)
    details = {**data.details, OWN: (count_rows(data.train), count_rows(data.heldout))}
    if "label" in data.train:
        seen = set(parts["train"]["label"].tolist())
        details["undrawn"] = tuple(name for number, name in enumerate(classes) if number not in seen)
    return Data(parts["train"], parts["validation"], parts["heldout"], classes, origin, data.ignore, details)


def own_rows(data: Data) -> Data:
    """Of rows that were mixed, those of the source itself, which stand first."""
    train, heldout = data.details[OWN]
    return replace(
        data, train=take_rows(data.train, slice(0, train)), heldout=take_rows(data.heldout, slice(0, heldout))
    )


def rename_classes(data: Data, memory: Memory | None) -> Data:
    """The rows of a source under the numbers that their classes have in the run."""
    return mix_in(data, None if memory is None else replace(memory, train={}, validation={}))


def _notes(memory: Memory) -> tuple[str, ...]:
    facts = memory.facts
    origin = f"{facts['origin']}, {facts['license']}"
    if not memory.train:
        return (f"the model goes on from {facts['base']} (of {origin}) without its rows: it may forget them",)
    return (
        f"{facts['rows']} training rows, and validation rows in proportion, are no real ones: the model of "
        f"{facts['base']} drew them, of {len(facts['classes'])} old classes; held-out rows of {origin} are real; "
        "privacy is measured with the rows of this source alone",
    )
