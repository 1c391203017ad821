"""deploy/README.md: its commands have the options they use, its numbers are those that were measured."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import click
import pytest
import typer
from dockerfile_stages import STAGES
from ray.scripts.scripts import start as ray_start

from synthgen.cli import app
from synthgen.service.jobs.options import JobOptions

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "deploy" / "README.md").read_text()
COMMANDS = [line.strip().split(" #")[0] for line in GUIDE.splitlines() if line.startswith("    ")]


def read_report(name: str) -> dict:
    return json.loads((ROOT / "benchmarks" / "results" / "gpu" / f"{name}.json").read_text())["report"]


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("ray start")])
def test_ray_knows_the_options(line):
    told = ray_start.make_context("start", shlex.split(line)[2:]).params
    assert (told["head"] or told["address"]) and told["max_worker_port"] == 10999


@pytest.mark.parametrize("line", [line for line in COMMANDS if "synthgen " in line and "kubectl" not in line])
def test_synthgen_knows_the_commands(line):
    if not (match := re.search(r"synthgen (run|serve) .*", line)):
        assert line.startswith(("docker build", "export", "cd "))
        return
    name, *arguments = shlex.split(match.group())[1:]
    command = typer.main.get_command(app)
    told = command.commands[name].make_context(name, arguments, parent=click.Context(command)).params
    assert "classification" in (told.get("recipes") or told.get("recipe"))


def test_files_that_it_names_exist():
    named = set(re.findall(r"(?<=`)(?:deploy/)?([\w.]+(?:/[\w.]+)*\.(?:yaml|json|example))(?=`)", GUIDE)) - {
        "report.json"
    }
    named |= {word for line in COMMANDS for word in re.findall(r"(?<=deploy/)[\w./]+\w", line)} - {".env", "keys.txt"}
    assert len(named) >= 8
    assert [name for name in named if not (ROOT / "deploy" / name).exists()] == []
    targets = set(re.findall(r"--target (\w+)", GUIDE))
    assert targets == {"cpu", "cuda"} and targets <= STAGES.keys()


def test_links_lead_somewhere():
    anchors = {
        re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-")
        for title in re.findall(r"^#+ (.+)", GUIDE, re.M)
    }
    for target in re.findall(r"\]\(([^)]+)\)", GUIDE):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif not target.startswith("http"):
            assert (ROOT / "deploy" / target).exists(), target


@pytest.mark.parametrize(("name", "begins"), [("fashion", "| Fashion-MNIST"), ("translation", "| phrases")])
def test_the_sizes_are_what_was_measured(name, begins):
    report = read_report(name)
    assert [gpu["name"] for gpu in report["hardware"]["gpus"]] == ["NVIDIA H200"]
    made = report["throughput"]
    (line,) = (line for line in GUIDE.splitlines() if line.startswith(begins))
    rates = [int(number.replace(",", "")) for number in re.findall(r"([\d,]+) rows/s", line)]
    assert rates == [round(made["rows_per_second"]), round(made["denoiser_rows_per_second"])]
    assert f"{made['efficiency']:.0%}".replace("%", " %") in line


def test_what_bounds_pictures_is_what_was_measured():
    report = read_report("fashion")
    seconds = {stage: report["seconds"][stage] for stage in ("encode", "sample", "gate")}
    told = re.search(
        r"encoding took (\d+) s .*?sampling (\d+) s and the gates\s+(\d+) s.*?average (\d+) of", GUIDE, re.S
    )
    assert [int(number) for number in told.groups()[:3]] == [round(value) for value in seconds.values()]
    wall = report["rows"]["candidates"] / report["throughput"]["rows_per_second"]
    assert int(told[4]) == round(sum(seconds.values()) / wall)
    assert report["hardware"]["cores"] == 16


def test_the_times_of_jobs_are_the_services():
    defaults = JobOptions()
    assert f"takes it up {defaults.lease_seconds:.0f} s after" in " ".join(GUIDE.split())
    assert f"Jobs have {defaults.grace_seconds:.0f} s to stop" in GUIDE
