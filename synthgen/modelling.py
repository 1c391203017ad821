"""A trained denoiser in `model/`: fitted, resumed or simply loaded.

It joins training and sampling for the looks in between; the shards know only the finished model.

    net, history = fit_model(recipe, place, Lesson(task, data, codec, labels, descriptors), progress)

Where several processes train, the others call `follow_training`.
"""

from __future__ import annotations

import ctypes
import gc
import json
import time
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError
from torch import nn

from .columns_file import pack_columns, unpack_columns
from .errors import UserError
from .evaluation.privacy import nearest_distances, nearness
from .networks.bases import FACTS, WEIGHTS
from .networks.options import BaseOptions
from .progress import Progress
from .recipe import Recipe
from .run_folder import RunFolder
from .sampling.loading import load_denoiser
from .sampling.sampler import Sampler
from .starting_point import build_network
from .storage import digest, is_sound, sealed_folder, write_whole
from .task import Task
from .training.loop import AS_IT_IS, train
from .training.optimizer import require_optimizer
from .training.processes import ALONE, Processes
from .types import Codec, Columns, Data, LabelGenerator

LOOK_ROWS = 64  # samples drawn at each look during the training
PATIENCE = 10.0  # seconds for the Hub to answer
FEW_ROWS = 100  # of validation


@dataclass(frozen=True)
class Lesson:
    """What a denoiser is trained on, and what its looks need."""

    task: Task
    data: Data
    codec: Codec
    labels: LabelGenerator
    descriptors: np.ndarray  # of the training rows


def fit_model(
    recipe: Recipe, place: RunFolder, lesson: Lesson, progress: Progress, processes: Processes = ALONE
) -> tuple[nn.Module, dict[str, Any]]:
    """(denoiser with float32 weights, facts about its training). A sound model on disk is loaded as it is."""
    if not is_sound(place.model):
        require_optimizer(recipe.train)
        warn_of_base(recipe.model, place, progress)
        net, base = build_network(recipe, lesson.task, lesson.data, lesson.codec)
        progress.stage("train", 100)
        if base is not None:
            place.log("base", **base)
            progress.note(base["told"])
        _train(recipe, place, lesson, progress, net, processes, {} if base is None else {"base": base})
        del net  # before its saved weights are read
        give_back()
    processes.leave()
    history = json.loads((place.model / FACTS).read_text())
    history["model_sha256"] = digest(place.model / WEIGHTS)
    trained: nn.Module = load_denoiser(place.model)
    history["parameters"] = sum(p.numel() for p in trained.parameters())
    return trained, history


def warn_of_base(options: Any, place: RunFolder, progress: Progress) -> None:
    """Tells of a base on the Hub that may be another one next time, and of the commit that it is now."""
    if not isinstance(options, BaseOptions) or options.base is None or options.is_pinned:
        return
    commit = find_commit(options.base, options.revision) or "<the commit>"
    text = (
        f"model.revision: {options.revision or 'null'} of {options.base} may be another model tomorrow; to pin it, "
        f"write model.revision: {commit}"
    )
    place.log("warning", text=text)
    progress.note(text)


def find_commit(base: str, revision: str | None) -> str | None:
    """The commit of a base on the Hub; None where the Hub does not say."""
    try:
        return HfApi().model_info(base, revision=revision, timeout=PATIENCE).sha
    except (OSError, ValueError, HfHubHTTPError):
        return None


def echo_training(place: RunFolder, progress: Progress) -> Callable[[], None]:
    """A function that passes on what a training in another process has told since it was last called."""
    path, told = place.state / "log.jsonl", 0.0
    read = path.stat().st_size

    def echo() -> None:
        nonlocal read, told
        with path.open("rb") as file:
            file.seek(read)
            new = file.read()
        new = new[: new.rfind(b"\n") + 1]  # the last line may not be whole yet
        read += len(new)
        for entry in map(json.loads, new.splitlines()):
            if entry["event"] == "training":
                progress.advance(100 * (entry["share"] - told))
                progress.note(entry["text"])
                told = entry["share"]
            elif entry["event"] == "base":
                progress.note(entry["told"])
            elif entry["event"] == "model" and entry["stopped"] not in ("finished", AS_IT_IS):
                progress.note(f"training ended early: {entry['stopped']}")

    return echo


def follow_training(
    recipe: Recipe, place: RunFolder, task: Task, data: Data, codec: Codec, processes: Processes
) -> None:
    """What a process does that does not lead: the same steps, on rows of its own. Writes nothing."""

    def look(net: nn.Module, step: int) -> float | None:
        raise AssertionError("process 0 looks")

    train(
        build_network(recipe, task, data, codec)[0], codec, data, recipe.train, seed=recipe.seed,
        folder=place.state / "training", augment=task.augment, look=look, processes=processes,
    )  # fmt: skip


def _train(
    recipe: Recipe, place: RunFolder, lesson: Lesson, progress: Progress, net: nn.Module, processes: Processes,
    told_of_base: dict[str, Any],
) -> None:  # fmt: skip
    data, codec, told = lesson.data, lesson.codec, [0.0]

    def tell(share: float, text: str) -> None:
        place.log("training", share=round(share, 4), text=text)
        progress.advance(100 * share - told[0])
        told[0] = 100 * share
        progress.note(text)

    began = time.monotonic()
    result = train(
        net, codec, data, recipe.train, seed=recipe.seed, folder=place.state / "training", augment=lesson.task.augment,
        look=_look_on(recipe, place, lesson), report=tell, processes=processes,
    )  # fmt: skip
    give_back()
    untrained = result.stopped == AS_IT_IS
    if not untrained and not (result.step and all(bool(torch.isfinite(p).all()) for p in net.parameters())):
        raise UserError(
            f"train.learning_rate: {recipe.train.learning_rate:g} made the loss overflow before the first good "
            "checkpoint; use a lower one, such as a tenth, and --fresh"
        )
    if result.stopped != "finished" and not untrained:
        progress.note(f"training ended early: {result.stopped}")
    facts = {
        "steps": result.step, "rows_seen": result.rows, "seconds": result.seconds, "stopped": result.stopped,
        "best_step": result.best_step, "history": result.history, "wall_seconds": time.monotonic() - began,
        "processes": processes.count, "task": recipe.task,
        "axes": {name: list(meant) for name, meant in lesson.task.axes(data, codec).items()}, **told_of_base,
    }  # fmt: skip
    _save(net, codec, facts, place)
    place.log("model", steps=result.step, stopped=result.stopped)


def _look_on(recipe: Recipe, place: RunFolder, lesson: Lesson) -> Callable[[nn.Module, int], float | None]:
    """What draws samples of a half-trained net, keeps them for the report, and tells how near they lie to training
    rows."""
    data, codec, descriptors = lesson.data, lesson.codec, lesson.descriptors
    conditions = lesson.labels.draw(np.arange(LOOK_ROWS))
    usual = nearest_distances(codec.describe(data.validation), descriptors, k=1)[:, 0]
    usual_labels = data.validation.get("label")
    if len(usual) < FEW_ROWS:  # too few to tell what is usual: training rows, each against the others, tell it too
        usual = np.concatenate([usual, nearest_distances(descriptors, descriptors, k=2)[:, 1]])
        usual_labels = None if usual_labels is None else np.concatenate([usual_labels, data.train["label"]])

    def look(current: nn.Module, step: int) -> float | None:
        rows = _copy(current, torch.device("cpu"))
        drawn = Sampler(rows, codec, recipe.sample, recipe.seed).sample(conditions, np.arange(LOOK_ROWS))
        _keep_look(place, step, drawn)
        near = nearest_distances(codec.describe(drawn), descriptors, k=1)[:, 0]
        return nearness(near, usual, drawn.get("label"), usual_labels)

    return look


def _save(net: nn.Module, codec: Codec, facts: dict[str, Any], place: RunFolder) -> None:
    from .sampling.pretrained import save_pipeline  # slow to import, and a model that is there is never saved

    with sealed_folder(place.model) as folder:
        # the net itself: a copy would be one more in memory, beside that which writing makes
        save_pipeline(net.cpu(), codec.process, folder, **codec.components())
        for name, content in codec.files().items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        (folder / FACTS).write_text(json.dumps(facts, indent=1))


def give_back() -> None:
    """Memory that nobody has any more, back to the system: what refers to itself, as a training does, and what the C
    library keeps for later where tensors are small."""
    gc.collect()
    with suppress(AttributeError, OSError):  # of glibc alone
        ctypes.CDLL(None).malloc_trim(0)


def _copy(net: nn.Module, device: torch.device) -> Any:
    """The same weights in a net of its own, free of what the trainer wrapped around `forward`."""
    configured: Any = net
    copy = type(configured).from_config(dict(configured.config))
    copy.load_state_dict(net.state_dict())
    return copy.to(device)


def _keep_look(place: RunFolder, step: int, rows: Columns) -> None:
    """No files, such as meshes."""
    kept = {name: values for name, values in rows.items() if not any(isinstance(value, bytes) for value in values[:1])}
    write_whole(place.state / "looks" / f"step-{step:09d}.npz", pack_columns(kept))


def read_looks(place: RunFolder) -> list[tuple[int, Columns]]:
    """[(step, samples)] of the looks during the training."""
    found = []
    for path in sorted((place.state / "looks").glob("step-*.npz")):
        try:
            found.append((int(path.stem.removeprefix("step-")), unpack_columns(path.read_bytes())))
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error):
            place.log("damaged", what=path.name)  # a picture less in the report
    return found
