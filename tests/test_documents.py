"""What the documents say is true: their recipes load, their tables are current, their links lead somewhere."""

from __future__ import annotations

import json
import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from synthgen.cli import app
from synthgen.recipe import load

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/recipe.md", "docs/concepts.md", "benchmarks/README.md"]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield ROOT / "benchmarks"
    sys.modules.pop("_record", None)


def test_recipes_of_the_readme_load(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert len(blocks) >= 3
    for block in blocks:
        path = tmp_path / "recipe.yaml"
        path.write_text(block, encoding="utf-8")
        assert load(str(path)).name == yaml.safe_load(block)["name"]


def test_commands_of_the_readme_exist() -> None:
    known = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    named = set(re.findall(r"^    synthgen (\w+)", README, re.MULTILINE))
    assert named == known


def test_changes_of_the_readme_are_fields() -> None:
    page = (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8")
    fields = set(re.findall(r"^\| `([\w.]+)` \|", page, re.MULTILINE))
    named = set(re.findall(r"--set '?([\w.]+)=", README)) - {"a.b"}
    assert "export.formats" in named and named <= fields


def test_fields_are_current() -> None:
    module = runpy.run_path(str(ROOT / "docs" / "fields.py"))
    page = (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8")
    schema = json.loads((ROOT / "docs" / "recipe.schema.json").read_text(encoding="utf-8"))
    assert module["replace"](page, module["render"](schema)) == page, "run: python docs/fields.py"


def test_measured_table_is_current(benchmarks: Path) -> None:
    module = runpy.run_path(str(benchmarks / "_table.py"))
    table = module["render"](module["read_results"](benchmarks / "results"))
    assert module["replace"](README, table) == README, "run: python benchmarks/_table.py"


def test_table_tells_met_from_missed_and_leaves_tries_out(benchmarks: Path, tmp_path: Path) -> None:
    module = runpy.run_path(str(benchmarks / "_table.py"))
    judge = sys.modules["_record"].judge

    def keep(name: str, measures: list[Any], measurement: bool = True) -> None:
        entries = [vars(measure) for measure in measures]
        where = {"hardware": {"processor": "some processor", "cores": 2}, "date": "2026-01-01T00:00:00+00:00"}
        record = {"benchmark": name, "measurement": measurement, "measures": entries, **where}
        (tmp_path / f"{name}.json").write_text(json.dumps(record))

    keep("digits", [judge("digits.gap", 0.5, 0.1), judge("digits.efficiency", 0.5)])
    keep("memory", [judge("memory.ratio", 1.0)], measurement=False)
    lines = {line.split(" | ")[0]: line for line in module["render"](module["read_results"](tmp_path)).splitlines()}
    bars = sys.modules["_record"].BARS
    assert "0.50 ± 0.10 points | met" in lines["| " + bars["digits.gap"].title]
    assert "0.500 | **missed**" in lines["| " + bars["digits.efficiency"].title]
    assert "not measured yet" in lines["| " + bars["memory.ratio"].title]


@pytest.mark.parametrize(
    ("key", "value", "met"),
    [
        ("memory.ratio", 1.1, True),
        ("memory.ratio", 1.11, False),
        ("tissue.gain", 0.0, True),
        ("nuclei.gain", 0.0, False),
        ("nuclei.gain", 1e-6, True),
        ("tissue.ratio", float("nan"), False),
    ],
)
def test_bars(benchmarks: Path, key: str, value: float, met: bool) -> None:
    record = runpy.run_path(str(benchmarks / "_record.py"))
    assert record["judge"](key, value).met is met
    assert record["judge"](key, value, only=False).met is False


def test_every_bar_has_its_command(benchmarks: Path) -> None:
    bars = runpy.run_path(str(benchmarks / "_record.py"))["BARS"]
    commands = {path.stem for path in benchmarks.glob("[a-z]*.py")}
    assert {key.partition(".")[0] for key in bars} == commands


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for link in re.findall(r"(?<!!)\[[^\]]+\]\(([^)#]+)\)", text):
        assert link.startswith("https://") or (ROOT / page).parent.joinpath(link).is_file(), link
