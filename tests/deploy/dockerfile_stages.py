"""deploy/Dockerfile as its stages and their instructions."""

from __future__ import annotations

import re
from pathlib import Path

from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"


def read_stages() -> dict[str, list[tuple[str, str]]]:
    """Instructions and their values, by the stage's name; an instruction FROM begins each."""
    stages: dict[str, list[tuple[str, str]]] = {}
    for line in DockerfileParser(path=str(DOCKERFILE), cache_content=True).structure:
        instruction, value = line["instruction"], line["value"]
        if instruction == "FROM":
            stages[value.rpartition(" AS ")[2]] = current = []
        if instruction != "COMMENT":
            current.append((instruction, value))
    return stages


STAGES = read_stages()


def lineage(name: str) -> list[tuple[str, str]]:
    """All instructions of a target, those of the stages it builds on first."""
    base = STAGES[name][0][1].split(" AS ")[0]
    return (lineage(base) if base in STAGES else []) + STAGES[name]


def values(name: str, instruction: str) -> list[str]:
    return [value for kind, value in lineage(name) if kind == instruction]


def pip_steps(name: str) -> list[str]:
    steps = [re.sub(r"^(--mount=\S+\s+)+", "", value) for value in values(name, "RUN")]
    return [step for step in steps if step.startswith("pip ")]
