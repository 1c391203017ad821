"""Several processes make the steps of one with a larger batch, and none waits for one that has ended."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import lessons
import psutil
import pytest
import torch
from safetensors.torch import load_file
from tiny import ROOT, SMALL

from synthgen.errors import UserError
from synthgen.training.processes import Processes, join, noticing_loss

TOGETHER = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes=2", "--num_machines=1",
            "--mixed_precision=no", "--dynamo_backend=no", "--main_process_port=0"]  # fmt: skip


def launch(*words: str | Path) -> subprocess.Popen[str]:
    """Two processes on this machine's cores, which talk over gloo."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "ACCELERATE_USE_CPU": "true"}
    command = [*TOGETHER, *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_alone_a_process_leads_and_hears_itself():
    processes = Processes()
    assert processes.leads and processes.tell(1.5, 2) == [1.5, 2] and processes.mean(0.25) == 0.25
    assert [processes.invite(needed) for needed in (True, False)] == [True, False]
    assert processes.part(7) == slice(0, 7)


def test_parts_of_a_batch_are_all_of_it():
    rows = list(range(12))
    assert sum((rows[Processes(index, 3).part(12)] for index in range(3)), []) == rows


def test_without_a_launcher_a_process_is_alone(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with join() as processes:
        assert (processes.index, processes.count) == (0, 1)


def test_a_closed_connection_is_told_and_other_faults_stay():
    with pytest.raises(UserError, match="another process of this training has ended"), noticing_loss():
        raise RuntimeError("[gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:60618")
    with pytest.raises(RuntimeError, match="shape"), noticing_loss():
        raise RuntimeError("shape mismatch")


@pytest.fixture(scope="module")
def taught(tmp_path_factory) -> dict[str, Any]:
    """What came of the lessons, by one process with batches of 16 and by two with 8 each."""
    alone, both = tmp_path_factory.mktemp("alone"), tmp_path_factory.mktemp("both")
    process = launch(Path(lessons.__file__), both, "8")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        told = {name: lessons.teach(name, alone, 16, Processes()) for name in lessons.LESSONS}
    torch.set_num_threads(before)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    heard = [json.loads((both / f"told-{index}.json").read_text()) for index in range(2)]
    return {"alone": (alone, told), "both": (both, heard)}


@pytest.mark.slow
@pytest.mark.parametrize("name", lessons.LESSONS)
def test_two_processes_learn_what_one_does_with_twice_the_batch(taught, name):
    alone, told = taught["alone"]
    both, heard = taught["both"]
    one, two = told[name], heard[0][name]
    assert heard[1] == heard[0], "all know the same"
    assert (one["stopped"], one["step"], one["rows"]) == (two["stopped"], two["step"], two["rows"])
    assert len(one["history"]) == len(two["history"])
    for a, b in zip(one["history"], two["history"], strict=True):
        for measure in ("train_loss", "validation_loss"):
            assert b[measure] == pytest.approx(a[measure], rel=1e-4), (measure, a["step"])
        assert a["nearest_ratio"] == b["nearest_ratio"]
    if not one["history"]:
        return  # weights that nobody uses
    first, second = (load_file(folder / f"{name}.safetensors") for folder in (alone, both))
    for parameter, weights in first.items():
        torch.testing.assert_close(second[parameter], weights, rtol=1e-3, atol=1e-4, msg=parameter)


@pytest.mark.slow
def test_lessons_end_as_they_should(taught):
    _, told = taught["alone"]
    assert "nearest-neighbour ratio 0.10" in told["ends early"]["stopped"] and told["ends early"]["step"] == 20
    assert "not finite" in told["ends badly"]["stopped"]
    assert told["images"]["history"][-1]["validation_loss"] < told["images"]["history"][0]["validation_loss"]


def words_of_a_preview(folder: Path, **changes: Any) -> list[str]:
    wanted = {**SMALL, "train.steps": 160, "train.validate_every": 0.25, "sample.steps": 4, "train.precision": "fp32"}
    wanted |= {"train.checkpoint_seconds": 0.2, **{name.replace("__", "."): value for name, value in changes.items()}}
    sets = [word for name, value in wanted.items() for word in ("--set", f"{name}={value}")]
    return ["preview", "classification", "-n", "4", "--out", str(folder), *sets]


def members(process: subprocess.Popen[str]) -> dict[str, psutil.Process]:
    """The processes that were started together, by their rank."""
    found = psutil.Process(process.pid).children(recursive=True)
    return {child.environ()["RANK"]: child for child in found if "RANK" in child.environ()}


@pytest.mark.slow
def test_a_training_goes_on_after_process_0_was_killed(tmp_path, command):
    folder, alone = tmp_path / "both", tmp_path / "alone"
    process = launch("-m", "synthgen", *words_of_a_preview(folder, train__batch_size=4))
    while not list(folder.glob("state/training/step-*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    pair = members(process)
    pair["0"].send_signal(signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1 and not any(child.is_running() for child in pair.values())
    assert not (folder / "model").exists()

    shutil.copytree(folder, alone)
    process = launch("-m", "synthgen", *words_of_a_preview(folder, train__batch_size=4))
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0 and out.count("preview.png") == 1, err
    for other in (alone, tmp_path / "whole"):
        shutil.copytree(folder / "judges", other / "judges")  # which do not depend on the model
    outcome = command(*words_of_a_preview(alone, train__batch_size=4))  # what two began, one may go on with
    assert outcome.code == 0, outcome.err
    outcome = command(*words_of_a_preview(tmp_path / "whole", train__batch_size=8))
    assert outcome.code == 0, outcome.err
    facts = {n: json.loads((tmp_path / n / "model" / "training.json").read_text()) for n in ("both", "alone", "whole")}
    assert [facts[name]["processes"] for name in facts] == [2, 1, 1]
    assert [facts[name]["steps"] for name in facts] == [160] * 3
    assert 160 * 4 < facts["alone"]["rows_seen"] < facts["both"]["rows_seen"] == facts["whole"]["rows_seen"] == 160 * 8
    curves = [[line["validation_loss"] for line in facts[name]["history"]] for name in ("both", "whole")]
    assert curves[0] == pytest.approx(curves[1], rel=1e-3)
