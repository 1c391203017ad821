"""A loss that overflows: the last good checkpoint is used and the report says so, or one sentence tells the fix."""

from __future__ import annotations

import json
import math

import pytest
import torch
from tiny import DIGITS, events, words

from synthgen.judges import classifier
from synthgen.networks.supervised import Schedule
from synthgen.training import loop


@pytest.fixture
def spoil(monkeypatch):
    """From batch number `at` on the loss is NaN, as a learning rate far too high makes it."""

    def call(at: int) -> None:
        loss = loop.Training.loss

        def spoilt(self, batch):
            found = loss(self, batch)
            return found * math.nan if batch >= at else found

        monkeypatch.setattr(loop.Training, "loss", spoilt)

    return call


@pytest.mark.slow
def test_a_run_ends_with_its_last_good_checkpoint_and_says_so(undisturbed, tmp_path, command, spoil):
    spoil(12)
    folder = tmp_path / "run"
    (folder / "judges").mkdir(parents=True)
    for path in (undisturbed / "judges").iterdir():
        (folder / "judges" / path.name).write_bytes(path.read_bytes())
    settings = {"train.steps": 30, "train.checkpoint_seconds": 1e-6, "count": 20, "evaluate.seeds": 1}
    settings |= {"gates.duplicates": "off", "gates.agreement": "off"}  # such rows are alike
    outcome = command(*words("classification", {**DIGITS[1], **settings}, folder))
    assert outcome.code == 0, outcome.err
    assert "training ended early: the loss was not finite at step" in outcome.err
    (model,) = events(folder, "model")
    assert 0 < model["steps"] <= 12 and "not finite" in model["stopped"]
    report = json.loads((folder / "dataset" / "report.json").read_text())
    assert report["training"]["stopped"] == model["stopped"] and report["training"]["steps"] == model["steps"]
    assert "not finite" in (folder / "report.html").read_text()
    looks = [line["validation_loss"] for line in report["training"]["history"]]
    assert looks and all(math.isfinite(loss) for loss in looks)


def test_without_a_good_checkpoint_it_is_one_sentence(tmp_path, digits, spoil):
    spoil(0)
    outcome = digits(tmp_path / "run", train__steps=6, train__validate_every=0.5, train__learning_rate=0.5)
    assert outcome.code == 2 and "Traceback" not in outcome.err
    assert outcome.err.splitlines()[-1].startswith("synthgen: train.learning_rate: 0.5 made the loss overflow before")
    assert not (tmp_path / "run" / "model").exists()


def test_no_checkpoint_is_kept_of_weights_that_the_last_step_spoilt(tmp_path, command, monkeypatch):
    """The loss of step 5 is finite although the step itself ruins the weights."""
    monkeypatch.setattr(classifier, "choose_schedule", lambda rows: Schedule(4, 8))
    update = loop.Average.update

    def spoilt(self, net):
        if self.steps == 4:
            with torch.no_grad():
                next(net.parameters()).fill_(math.inf)
        update(self, net)

    monkeypatch.setattr(loop.Average, "update", spoilt)
    changes = {"train__steps": 7, "train__checkpoint_seconds": 1e-6, "train__validate_every": 1}
    outcome = command("preview", *words(*DIGITS, tmp_path / "run", **changes)[1:], "-n", "2")
    assert outcome.code == 0, outcome.err
    assert sorted(path.name for path in (tmp_path / "run" / "state" / "training").iterdir()) == [
        "step-000000003",
        "step-000000004",
    ]
    assert events(tmp_path / "run", "model")[0]["steps"] == 4
