"""deploy/Dockerfile: hadolint finds nothing, no target runs as root, every version is a constraint's."""

from __future__ import annotations

import fnmatch
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from dockerfile_stages import DOCKERFILE, ROOT, pip_steps, values
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

EXTRAS = {"images", "timeseries", "3d", "text", "serve"}


def test_hadolint_finds_nothing():
    found = subprocess.run([Path(sys.executable).parent / "hadolint", DOCKERFILE], capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "")


@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_a_target_runs_without_root_and_is_asked_how_it_is(target):
    assert values(target, "USER")[-1] == "10001:10001"
    assert "/healthz" in values(target, "HEALTHCHECK")[-1]
    assert values(target, "ENTRYPOINT")[-1] == '["synthgen"]'
    assert f"--from=build-{target} /opt/synthgen /opt/synthgen" in values(target, "COPY")[-1]


@pytest.mark.parametrize("target", ["build-cpu", "build-cuda"])
def test_every_step_is_held_by_the_constraints(target):
    for step in pip_steps(target):
        assert "--constraint constraints.txt" in step or "$(grep '^torch==' constraints.txt)" in step
    packaged = "".join(step for step in pip_steps(target) if "'.[" in step)
    assert set(re.findall(r"\w+", packaged)) >= EXTRAS


def test_only_the_cpu_target_leaves_cuda_out():
    assert (
        "--index-url" in pip_steps("build-cpu")[0] and "download.pytorch.org/whl/cpu" in values("build-cpu", "ARG")[0]
    )
    assert not any("--index-url" in step for step in pip_steps("build-cuda"))


def read_pins(name: str) -> dict[str, str]:
    lines = [line.split("==") for line in (ROOT / name).read_text().splitlines() if "==" in line]
    return {canonicalize_name(package): version.split()[0] for package, version in lines}


def read_needs(name: str, extras: frozenset[str]) -> list[str]:
    if name != "synthgen":
        return importlib.metadata.requires(name) or []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project["dependencies"] + [need for extra in extras for need in project["optional-dependencies"][extra]]


def needed_packages() -> set[str]:
    """All packages that the image's extras need, over their own needs, as this environment has them."""
    wanted = [("synthgen", frozenset(EXTRAS)), ("psycopg", frozenset({"binary"}))]
    seen: set[tuple[str, frozenset[str]]] = set()
    while wanted:
        name, extras = wanted.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for line in read_needs(name, extras):
            need = Requirement(line)
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in extras or {""}):
                wanted.append((canonicalize_name(need.name), frozenset(need.extras)))
    return {name for name, _ in seen} - {"synthgen"}


def test_every_package_of_the_image_has_a_pin():
    needed, pins = needed_packages(), read_pins("constraints.txt")
    assert len(needed) > 100
    assert needed - pins.keys() == set()


def test_the_pins_of_cuda_do_not_contradict_the_others():
    cuda = read_pins("deploy/constraints.cuda.txt")
    assert {"triton", "nvidia-cudnn-cu13"} <= cuda.keys()
    assert cuda.keys() & read_pins("constraints.txt").keys() == set()


def test_what_is_copied_is_there_and_in_the_builds_context():
    ignore = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()
    kept = [line[1:] for line in ignore if line.startswith("!")]
    copied = [word for value in values("build-cuda", "COPY") for word in value.split()[:-1]]
    assert len(copied) >= 8
    for name in copied:
        assert (ROOT / name).exists(), name
        assert any(fnmatch.fnmatch(name, pattern) for pattern in kept), name
