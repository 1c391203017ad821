"""Ray's workers train what one process does with a larger batch."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from tiny import SMALL

from synthgen.errors import UserError
from synthgen.modelling import fit_model
from synthgen.pipeline import open_source, train_on_workers
from synthgen.progress import Silent
from synthgen.recipe import load
from synthgen.run_folder import RunFolder
from synthgen.sampling.serve import RayOptions, connect
from synthgen.training.processes import PartnerLost, Processes
from synthgen.training.ray import TRIES, _raise_mistake, run_workers

pytestmark = pytest.mark.slow


class Notes(Silent):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.done = 0.0

    def advance(self, n: float = 1) -> None:
        self.done += n

    def note(self, text: str) -> None:
        self.notes.append(text)


def recipe_with(batch_size: int, **changes: Any) -> Any:
    wanted = {**SMALL, "train.steps": 60, "train.validate_every": 0.25, "sample.steps": 4, "train.precision": "fp32"}
    wanted |= {"train.batch_size": batch_size, "train.checkpoint_seconds": 0.2, **changes}
    return load("classification", [f"{name}={value}" for name, value in wanted.items()])


def test_workers_train_what_one_process_does_with_a_larger_batch(tmp_path):
    recipe, notes = recipe_with(4), Notes()
    with RunFolder(tmp_path / "ray", recipe, fresh=False) as place:
        place.log("start")
        train_on_workers(recipe, place, 2, RayOptions(), notes)
        assert not (place.state / "ray").exists()
        found = json.loads((place.model / "training.json").read_text())
    assert (found["processes"], found["steps"], found["rows_seen"]) == (2, 60, 60 * 8)
    assert len(notes.notes) == len(found["history"]) == 4 and notes.done == pytest.approx(100)

    whole, before = recipe_with(8), torch.get_num_threads()
    torch.set_num_threads(1)
    with RunFolder(tmp_path / "alone", whole, fresh=False) as place:
        _, wanted = fit_model(whole, place, open_source(whole, place, Silent(), Processes())[0], Silent())
    torch.set_num_threads(before)
    for measure in ("train_loss", "validation_loss"):
        curves = [[line[measure] for line in facts["history"]] for facts in (found, wanted)]
        assert curves[0] == pytest.approx(curves[1], rel=1e-3), measure


def test_more_workers_than_a_cluster_has_room_for_are_refused(tmp_path):
    connect(RayOptions())
    with pytest.raises(UserError, match="--train-workers: 512 are more than the cluster's"):
        run_workers(print, "never", 512, storage=tmp_path / "ray", tell=lambda: None)


def test_mistakes_are_told_and_deaths_are_tried_again():
    from ray.train import WorkerGroupError
    from ray.train.v2._internal.exceptions import WorkerHealthCheckFailedError

    def failing(*failures: Exception) -> WorkerGroupError:
        return WorkerGroupError("told", dict(enumerate(failures)))

    lost, mistake = PartnerLost("another process has ended"), UserError("source: it is missing")
    death = WorkerHealthCheckFailedError("killed", RuntimeError("no more"))
    _raise_mistake(failing(lost, death), tried=1)
    with pytest.raises(UserError, match="source: it is missing"):
        _raise_mistake(failing(lost, mistake), tried=1)
    with pytest.raises(UserError, match="--train-workers: workers died 4 times"):
        _raise_mistake(failing(lost, death), tried=TRIES)
    with pytest.raises(OSError, match="else"):
        _raise_mistake(OSError("something else"), tried=1)
