"""The steps of deploy/Dockerfile that install synthgen, run in a fresh virtual environment instead of an image.

All of it takes minutes and gigabytes, so by default only what this repository can break is run: synthgen is built from
the files that the image copies, and started. `SYNTHGEN_TEST_IMAGE=1` installs every package, too.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from dockerfile_stages import ROOT, pip_steps, values

FULL = pytest.mark.skipif("SYNTHGEN_TEST_IMAGE" not in os.environ, reason="minutes; SYNTHGEN_TEST_IMAGE=1 runs it")


def lay_files(target: str, folder: Path) -> None:
    """COPY, as Docker does it: files into a folder, a folder's content into the folder of the name."""
    for value in values(target, "COPY"):
        *sources, destination = value.split()
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, folder / destination, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                (folder / destination).mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, folder / destination)


def make_environment(target: str, folder: Path, **options: str) -> dict[str, str]:
    """A fresh virtual environment's variables, with those of the Dockerfile and `options` as --build-arg gives them."""
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    kept = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    arguments = dict(value.split("=", 1) for value in values(target, "ARG"))
    path = f"{folder / 'venv' / 'bin'}:{os.environ['PATH']}"
    return kept | arguments | {"PIP_NO_COMPILE": "1"} | options | {"PATH": path}


def run(command: str, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def check_command(folder: Path, environment: dict[str, str]) -> None:
    assert run("synthgen --version", folder, environment).startswith("synthgen ")
    assert "segmentation" in run("synthgen recipes", folder, environment)
    states = [line.split()[-1] for line in run("synthgen tasks", folder, environment).splitlines()[2:]]
    assert len(states) >= 7 and set(states) == {"installed"}


@pytest.mark.slow
def test_synthgen_is_built_from_what_the_image_copies(tmp_path):
    source, elsewhere = tmp_path / "src", tmp_path / "work"
    source.mkdir(), elsewhere.mkdir()
    lay_files("build-cpu", source)
    environment = make_environment("build-cpu", tmp_path)
    step = next(step for step in pip_steps("build-cpu") if "'.[" in step)
    run(step.replace("'psycopg[binary]'", "") + " --no-deps", source, environment)
    shutil.rmtree(source)
    packages = sysconfig.get_paths()[
        "purelib"
    ]  # what it needs is here already; its own package comes first on the path
    site = run(
        "python -c 'import sysconfig; print(sysconfig.get_paths()[\"purelib\"])'", elsewhere, environment
    ).strip()
    environment["PYTHONPATH"] = f"{site}:{packages}"
    where = run("python -c 'import synthgen; print(synthgen.__file__)'", elsewhere, environment)
    assert where.startswith(site)
    check_command(elsewhere, environment)


@FULL
@pytest.mark.slow
def test_the_steps_of_the_cpu_target_make_a_synthgen_with_all_tasks(tmp_path):
    # the index that this machine's pip knows, as --build-arg would name it: PyTorch's own may be out of reach
    index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple")
    environment = make_environment("build-cpu", tmp_path, TORCH_INDEX=index)
    lay_files("build-cpu", tmp_path)
    for step in pip_steps("build-cpu"):
        run(step, tmp_path, environment)
    check_command(tmp_path, environment)


@FULL
@pytest.mark.slow
def test_pip_finds_every_package_of_the_cuda_target_and_each_is_pinned(tmp_path):
    # pip's configuration of this machine may prefer wheels without CUDA
    environment = make_environment("build-cuda", tmp_path, PIP_CONFIG_FILE=os.devnull, PIP_FIND_LINKS="")
    lay_files("build-cuda", tmp_path)
    (step,) = pip_steps("build-cuda")
    run(f"{step} --dry-run --report found.json", tmp_path, environment)
    found = {
        item["metadata"]["name"].lower().replace("_", "-"): item["metadata"]["version"]
        for item in json.loads((tmp_path / "found.json").read_text())["install"]
    }
    pins = "\n".join((tmp_path / name).read_text().lower() for name in ("constraints.txt", "constraints.cuda.txt"))
    held = {line.split("==")[0].replace("_", "-") for line in pins.splitlines() if "==" in line}
    assert "+cpu" not in found["torch"] and "triton" in found
    assert found.keys() - held == {"synthgen"}
