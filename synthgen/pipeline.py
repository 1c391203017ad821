"""The order of the stages, and nothing else knows it:

    source → model → judge → shards (conditions → sample → labels → gates → encode) → selection → evaluation → export

A stage that is finished is on disk, so `run` after an interruption does what is missing.

    result = run(load("segmentation"), Path("runs/segmentation"))
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from . import task as tasks
from .assessment import assess
from .continuing import mix_in, read_memory, remember
from .delivery import deliver, draw_preview
from .errors import UserError
from .estimate import count_workers
from .gates.gates import Gates, choose_checks
from .gates.options import GateOptions
from .gates.selection import Selection
from .gates.words import forbid_words
from .hardware import cores, look
from .harvest import gather
from .modelling import Lesson, echo_training, fit_model, follow_training
from .networks.bases import is_foreign
from .ondemand import OnDemand
from .production import Maker
from .progress import Progress, Silent
from .recipe import Recipe, recipe_class
from .remote.address import Address, Place, on_this_machine, read_place
from .remote.loan import borrow
from .remote.mirror import Mirror
from .run_folder import RunFolder
from .sampling.engine import Engine
from .sampling.local import LocalEngine
from .sampling.sampler import Sampler
from .sampling.serve import RayEngine, RayOptions, connect
from .starting_point import open_base
from .storage import is_sound
from .task import Task
from .training.processes import ALONE, Processes, join
from .training.ray import run_workers
from .types import Check, Codec, Columns, Data, Judge, Keeping

PATIENCE = 86_400.0  # seconds that a run waits for another one that trains its model
MIX_ROWS = 2000  # drawn conditions that tell the share of each class that is asked for


@dataclass(frozen=True)
class RunResult:
    """A finished run."""

    folder: Path  # on this machine; of a run at a URL the copy, which may hold the dataset and the report alone
    report: dict[str, Any]
    home: str  # where the run is, as the user named it

    def __str__(self) -> str:
        utility, rows = self.report["utility"], self.report["rows"]["accepted"]
        made, real = (utility[f"train_{kind}_test_real"]["mean"] for kind in ("synthetic", "real"))
        return (
            f"{rows} rows in {self.report['seconds']['total']:.0f} s: {self.home}/dataset\n"
            f"worth on held-out real rows: {utility['metric']} {made:.3f} after training on synthetic rows, "
            f"{real:.3f} on real rows\nreport: {self.home}/report.html"
        )


@dataclass(frozen=True)
class Workshop:
    """An opened source, a trained model and what makes rows with it."""

    task: Task
    data: Data
    maker: Maker
    history: dict[str, Any]  # of the training
    descriptors: np.ndarray  # of the training rows


def run(
    recipe: Recipe, folder: Place, *, replicas: int | None = None, ray: RayOptions | None = None, fresh: bool = False,
    progress: Progress | None = None, processes: Processes = ALONE, train_workers: int | None = None,
) -> RunResult:  # fmt: skip
    """Make the dataset of a recipe in `folder`, or what is still missing of it, with so many threads or, with `ray`,
    on such replicas. Of several `processes` this one leads; the others `follow`. With `ray` and `train_workers` the
    model is trained by so many workers of Ray's. A folder at an `Address` is worked on in a copy on this machine.
    Raises UserError."""
    progress = progress or Silent()
    with open_folder(recipe, folder, fresh=fresh) as place:
        if place.is_finished():
            report = json.loads((place.dataset / "report.json").read_text())
            return RunResult(place.path, report, place.home.name)
        place.log("start")
        if train_workers is not None and ray is not None and not is_sound(place.model):
            _refuse_scattered(folder, ray)
            train_on_workers(recipe, place, train_workers, ray, progress)
        shop = open_workshop(recipe, place, progress, processes)
        selection = _open_selection(recipe, shop)
        with _open_engine(recipe, place, folder, shop.maker, replicas, ray) as engine:
            harvest = gather(shop.maker, selection, place, engine=engine, progress=progress)
        began = time.perf_counter()
        findings = assess(place, recipe.evaluate, recipe.seed, shop.maker, harvest, progress)
        findings["seconds"] = {"evaluate": time.perf_counter() - began}
        report = deliver(recipe, place, shop.task, shop.data, shop.history, harvest, findings, progress)
        return RunResult(place.path, report, place.home.name)


def open_folder(recipe: Recipe, folder: Place, *, fresh: bool = False, whole: bool = False) -> RunFolder:
    """The run in `folder`, to be entered; of a finished one at a URL this machine gets all files only if `whole`."""
    if isinstance(folder, Path):
        return RunFolder(folder, recipe, fresh)
    copy = on_this_machine(folder)
    copy.parent.mkdir(parents=True, exist_ok=True)
    return RunFolder(copy, recipe, fresh, home=Mirror(folder, whole))


def _refuse_scattered(folder: Place, ray: RayOptions) -> None:
    if isinstance(folder, Address) and ray.address is not None:
        raise UserError(
            f"--train-workers: workers on other machines do not see the copy of {str(folder)!r} that is trained in; "
            "leave it out, or use an --out that is a folder which all of them see"
        )


def train_on_workers(recipe: Recipe, place: RunFolder, count: int, ray: RayOptions, progress: Progress) -> None:
    """The model of a run that this process holds, by `count` workers of Ray's, on the run's own cluster or another."""
    progress.stage("train", 100)
    connect(replace(ray, replicas=(count, count), threads=1))
    run_workers(
        train_along, name_run(recipe, place.path), count, storage=place.state / "ray",
        tell=echo_training(place, progress),
    )  # fmt: skip


def train_along(run: tuple[str, str]) -> None:
    """What each of several workers does that train the model of a run, as `name_run` tells it; another process holds
    the run meanwhile, and the first of the workers writes its model."""
    recipe, place = _read_run(run)
    with join() as processes:
        if not processes.leads:
            return follow(recipe, place.path, processes)
        fit_model(recipe, place, open_source(recipe, place, Silent(), processes)[0], Silent(), processes)


def prepare(recipe: Recipe, folder: Path, progress: Progress | None = None, patience: float = PATIENCE) -> None:
    """Train the model, the judge and the label generator of a recipe in `folder`, where they are not there yet.

    Waits up to `patience` seconds for another process that is at work in the folder, such as one that trains that
    very model. Raises UserError.
    """
    place = RunFolder(folder, recipe, fresh=False, patience=patience)
    if place.is_equipped():
        return
    with place:
        place.log("start")
        open_workshop(recipe, place, progress or Silent())


def inherit(recipe: Recipe, folder: Path, origin: Path, patience: float = PATIENCE) -> None:
    """Make `folder` that of a run with the model, judge and labels of the run in `origin`; `run` trains none then.

    The two recipes may differ in what these do not depend on: count, sample, conditions, gates, evaluate, export.
    """
    with RunFolder(folder, recipe, fresh=False, patience=patience) as place:
        place.inherit(origin)


@contextmanager
def _open_engine(
    recipe: Recipe, place: RunFolder, folder: Place, maker: Maker, replicas: int | None, ray: RayOptions | None
) -> Iterator[Engine]:
    if ray is None:
        yield LocalEngine(maker, replicas or count_workers(recipe, look()), cores())
        return
    place.home.send()  # the model, for replicas elsewhere
    with RayEngine(open_maker, name_run(recipe, folder), ray) as engine:
        yield engine


def name_run(recipe: Recipe, folder: Place) -> tuple[str, str]:
    """What a replica needs to open a run: the resolved recipe as JSON, and the folder's absolute path or its URL."""
    where = folder.url if isinstance(folder, Address) else str(folder.absolute())
    return json.dumps(recipe.resolved()), where


def choose_replicas(
    bounds: tuple[int, int] | None, threads: int | None, gpus: float | None, address: str | None
) -> RayOptions:
    """What was not said follows from this machine: a replica a GPU or, without any, one with all the cores."""
    found = len(look().gpus) if address is None else 0
    fewest, most = bounds or (max(1, found),) * 2
    own = max(1, cores() // most) if address is None else 1
    shared = min(1.0, found / most) if gpus is None else gpus
    return RayOptions((fewest, most), threads or own, shared, address)


def _read_run(run: tuple[str, str]) -> tuple[Recipe, RunFolder]:
    document, folder = json.loads(run[0]), read_place(run[1])
    wanted = recipe_class(document["task"]).model_validate(document)
    return wanted, RunFolder(borrow(folder) if isinstance(folder, Address) else folder, wanted, fresh=False)


def open_maker(run: tuple[str, str]) -> OnDemand:
    """The maker of a run, as `name_run` tells it, whose model is trained; for a process beside the one that holds the
    run. Writes nothing; of a run at a URL it takes the model, the judge and the labels to this machine first."""
    wanted, place = _read_run(run)
    if not is_sound(place.model):
        raise UserError(f"--out: {run[1]!r} has no model that this machine can read; is the folder shared with it?")
    return OnDemand(wanted, open_workshop(wanted, place, Silent()).maker, place.labels)


def follow(recipe: Recipe, folder: Place, processes: Processes) -> None:
    """What a process does that does not lead: it takes part in the training, if there is one. Raises UserError."""
    if not processes.invite(False):
        return
    task = tasks.find(recipe.task)
    data = task.load(recipe.source, recipe.seed)
    _compare_source(digest_columns(data.train, data.validation, data.heldout), processes)
    place = RunFolder(on_this_machine(folder), recipe, fresh=False)
    data = mix_in(data, read_memory(recipe, place))  # process 0 wrote it before it compared the sources
    follow_training(recipe, place, task, data, _build_codec(recipe, place, task, data), processes)


def _build_codec(recipe: Recipe, place: RunFolder, task: Task, data: Data) -> Codec:
    codec: Codec = task.codec(data, recipe.model, place.model if is_sound(place.model) else None)
    if isinstance(codec, Keeping):
        codec.keep_in(place.state / "encoded")
    return codec


def _compare_source(digest: str, processes: Processes) -> None:
    """A UserError where a process, perhaps on another machine, has read other rows than process 0."""
    mine = int(digest[:12], 16)  # so much is exact as a float
    if processes.tell(mine) != [mine]:
        raise UserError(
            f"source: process {processes.index} has read other rows than process 0; give all machines the same files"
        )


def preview(
    recipe: Recipe, folder: Place, n: int, *, progress: Progress | None = None, processes: Processes = ALONE
) -> tuple[str, str]:
    """`n` rows before any gate: beside real ones on a contact sheet, folder/preview.png, and as folder/preview.parquet.

    Trains first if there is no model yet; of several `processes` this one leads. Returns where the two files are.
    """
    progress = progress or Silent()
    with open_folder(recipe, folder, whole=True) as place:
        place.log("start")
        shop = open_workshop(recipe, place, progress, processes)
        progress.stage("sample", n)
        table, _ = shop.maker.make(range(n))
        progress.advance(n)
        sheet, rows = draw_preview(place, shop.maker, table)
        return f"{place.home.name}/{sheet.name}", f"{place.home.name}/{rows.name}"


def open_workshop(recipe: Recipe, place: RunFolder, progress: Progress, processes: Processes = ALONE) -> Workshop:
    """Everything up to the first shard: data, label generator, model, judge and gates."""
    lesson, checks = open_source(recipe, place, progress, processes)
    task, data, codec, descriptors = lesson.task, lesson.data, lesson.codec, lesson.descriptors
    net, history = fit_model(recipe, place, lesson, progress, processes)
    progress.stage("judge")
    judge = task.fit_judge(data, recipe.seed, place.judges)
    place.rest_on(history["model_sha256"])
    gates = Gates.fit(
        descriptors,
        codec.describe(data.validation),
        judge.reference,
        _reference_labels(judge, data),
        data.classes,
        recipe.gates,
        checks,
    )
    seed = recipe.seed if recipe.sample.seed is None else recipe.sample.seed
    sampler = Sampler(net, codec, recipe.sample, seed)
    digests = (recipe.sha256, history["model_sha256"])
    maker = Maker(
        task, data, lesson.labels.with_seed(seed), sampler, judge, gates, seed, *digests, recipe.sample.shard_size
    )  # fmt: skip
    return Workshop(task, data, maker, history, descriptors)


def open_source(
    recipe: Recipe, place: RunFolder, progress: Progress, processes: Processes
) -> tuple[Lesson, tuple[Check, ...]]:
    """What the training needs, to which the other processes are invited, and the checks of rows."""
    together = processes.invite(not is_sound(place.model))
    task = tasks.find(recipe.task)
    if not is_sound(place.model):
        if open_base(recipe, place) is None:
            task.examine(recipe.model)
    progress.stage("source")
    data = task.load(recipe.source, recipe.seed)
    source = digest_columns(data.train, data.validation, data.heldout)
    place.expect("source", source, "use --fresh to start over")
    data = mix_in(data, remember(recipe, place, task, data, source, open_maker, progress))
    for note in data.origin.notes:
        progress.note(note)
    if together:
        _compare_source(source, processes)
    # before the training: a wrong name shall not cost a model
    if is_foreign(recipe.model, place.model if is_sound(place.model) else None):
        task.refuse(recipe.model, recipe.conditions)
    if recipe.sample.solver == "refine" and task.texts is None:
        raise UserError(f"sample.solver: refine writes texts, and rows of {task.name} are none; set it to dpm++")
    checks = list_checks(task, data, recipe.gates)
    if not is_sound(place.model) and is_foreign(recipe.model, None):
        from .budget import refuse_misfit  # slow to import, and only pretrained bases are counted

        refuse_misfit(recipe, look(), data)
    codec = _build_codec(recipe, place, task, data)
    progress.stage("labels")
    labels = task.labels(data, recipe.conditions, recipe.seed, place.labels)
    return Lesson(task, data, codec, labels, codec.describe(data.train)), checks


def list_checks(task: Task, data: Data, options: GateOptions) -> tuple[Check, ...]:
    """The task's checks that are on, and that of the recipe's words. A UserError for words where rows are no texts."""
    checks = choose_checks(task.checks(data) if task.checks else (), options)
    if options.words is None:
        return checks
    if task.texts is None:
        raise UserError(f"gates.words: rows of {task.name} are no texts; remove it")
    return (*checks, forbid_words(options.words, task.texts))


def _reference_labels(judge: Judge, data: Data) -> np.ndarray | None:
    """The classes of the rows that the judge's reference is of: all training rows, or those that it names."""
    labels = data.train.get("label")
    return None if labels is None else labels[getattr(judge, "reference_rows", slice(None))]


def _open_selection(recipe: Recipe, shop: Workshop) -> Selection:
    asked = shop.maker.labels.draw(np.arange(min(MIX_ROWS, max(256, recipe.count))))
    shares = shop.task.classes_of(asked, shop.data).mean(0)
    checks = [check.name for check in shop.maker.gates.checks]
    return Selection.fit(recipe.count, shop.descriptors, shares, shop.data.classes, recipe.gates, checks)


def digest_columns(*parts: Columns) -> str:
    """SHA-256 of every value of every column."""
    sha = hashlib.sha256()
    for part in parts:
        for name in sorted(part):
            sha.update(name.encode())
            values = np.ascontiguousarray(part[name])
            # an array of texts holds addresses, which differ from run to run
            sha.update(json.dumps(values.tolist()).encode() if values.dtype == object else values.data)
    return sha.hexdigest()
