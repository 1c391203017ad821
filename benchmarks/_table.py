"""Writes the measured table of README.md anew from benchmarks/results/*.json, between its two comments.

A measure without a result is shown as not measured; tries with changed settings never get there.

    python benchmarks/_table.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from _record import BARS, RESULTS, ROOT, Measure, show

BEGIN, END = "<!-- measured: written by benchmarks/_table.py -->", "<!-- end of measured -->"
README = ROOT / "README.md"


def read_results(folder: Path) -> dict[str, dict[str, Any]]:
    """Record by name of the benchmark."""
    records = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    return {record["benchmark"]: record for record in records if record["measurement"]}


def render(records: dict[str, dict[str, Any]]) -> str:
    """The table, and below it on what machine and when each command was run."""
    found = {entry["key"]: Measure(**entry) for record in records.values() for entry in record["measures"]}
    lines = ["| measure | bar | measured | | command |", "| --- | --- | --- | --- | --- |"]
    for key, bar in BARS.items():
        limit = f"{bar.sign} {bar.limit:g}{bar.unit}"
        value, verdict = "not measured yet", ""
        if key in found:
            value, verdict = show(found[key]), "met" if found[key].met else "**missed**"
        lines.append(
            f"| {bar.title} | {limit} | {value} | {verdict} | `python benchmarks/{key.partition('.')[0]}.py` |"
        )
    notes = [f"{name}: {_place(record)}" for name, record in records.items()]
    return "\n".join([*lines, *(["", "Measured on: " + "; ".join(notes) + "."] if notes else [])])


def _place(record: dict[str, Any]) -> str:
    machine = record["hardware"]
    return f"{machine['processor']}, {machine['cores']} cores, {record['date'][:10]}"


def replace(text: str, inside: str) -> str:
    """`text` with `inside` between the two comments."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{README.name} lacks the comment {BEGIN!r} or {END!r}; put both back")
    return f"{before}{BEGIN}\n{inside}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(replace(README.read_text(encoding="utf-8"), render(read_results(RESULTS))), encoding="utf-8")
