"""A finished run as a person leafs through it: what it is, pages of rows, one row, a row's pictures.

Knows files and columns. It does not know HTTP, nor who may ask; `nearest` adds the real rows.

    run = open_run(Path("runs/digits"), "recipe:digits")
    run.facts()                                          # name, measured quality, classes, gates, scores
    run.page(Wanted(kept="kept"), after=None, limit=48)  # {"rows": […], "total": 5000, …}
"""

from __future__ import annotations

import hashlib
import io
import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from ...errors import UserError
from .cells import Cells
from .index import RowIndex, Wanted, read_index
from .wire import BRIEF, PICTURES, WHOLE, Length, write_row

NOT_ON_A_PAGE = ("mesh", "normals", "pose", "pieces")  # columns that only an opened row shows
SIDE = 256  # pixels: what is longer is reduced for a page
REGIMES = ("real", "synthetic", "both")
DECODED = 40_000_000  # pixels of a picture that is reduced; larger ones are sent as they are


@dataclass(frozen=True)
class Picture:
    data: bytes
    kind: str  # media type


@dataclass(frozen=True)
class BrowsedRun:
    id: str  # as it stands in addresses
    folder: Path
    version: str  # changes when the run is made anew
    report: dict[str, Any]
    index: RowIndex
    cells: Cells

    def facts(self) -> dict[str, Any]:
        """What is to be known before the first row is shown."""
        features = {name: feature.to_json() for name, feature in self.index.features.items()}
        origin = self.report.get("origin") or {}
        return {**summarise(self.id, self.report), **self.index.facts(), "features": features, "origin": origin}

    def page(
        self, wanted: Wanted, *, after: int | None = None, before: int | None = None, limit: int = 48
    ) -> dict[str, Any]:
        """Rows in rising order of their number, with the numbers that lead to the next page and to the one before."""
        page = self.index.page(wanted, after=after, before=before, limit=limit)
        rows = [self._brief(int(position)) for position in page.positions]
        last = rows[-1]["index"] if rows and page.more else None
        first = rows[0]["index"] if rows and page.first else None
        return {"rows": rows, "total": page.total, "first": page.first, "next": last, "previous": first}

    def row(self, number: int) -> dict[str, Any]:
        """Everything of one row. UserError if the run has no such row."""
        position = self._find(number)
        provenance = self._cell(position, "provenance").as_py()
        found = self._write(position, WHOLE, tuple(self.index.features))
        distance = (provenance.get("scores") or {}).get("copy_distance")
        return {
            **found,
            "seed": str(provenance["seed"]), "recipe": provenance["recipe"], "model": provenance["model"],
            "nearest": {"distance": distance, "url": f"{self._address(number)}/nearest?v={self.version}"},
            "command": shlex.join(["synthgen", "regenerate", _shown(self.folder), str(number)]),
        }  # fmt: skip

    def picture(self, number: int, column: str, side: int | None) -> Picture:
        """The bytes of one cell of a picture or mesh; with `side`, a large picture is reduced to so many pixels."""
        position = self._find(number)
        feature = self.index.features.get(column)
        if feature is None or feature.kind not in PICTURES or not self._shows(position, column):
            raise UserError(f"column: row {number} has no picture {column!r}; it has {self._pictures(position)}")
        value = self._cell(position, column).as_py()
        if not value["bytes"]:
            raise UserError(f"column: {column!r} of row {number} is empty; choose another")
        if feature.kind == "Mesh":
            return Picture(value["bytes"], "application/octet-stream")
        return _reduce(value["bytes"], side) if side else Picture(value["bytes"], _media_type(value["bytes"]))

    def values(self, number: int) -> dict[str, Any]:
        """The row's columns as Arrow gives them; those of an accepted row that candidates do not have are left out."""
        position = self._find(number)
        return {name: self._cell(position, name) for name in self.index.features if self._has(position, name)}

    def _find(self, number: int) -> int:
        position = self.index.find(number)
        if position is None:
            raise UserError(f"index: this run has no row {number}; choose one of its pages")
        return position

    def _brief(self, position: int) -> dict[str, Any]:
        return self._write(position, BRIEF, tuple(n for n in self.index.features if n not in NOT_ON_A_PAGE))

    def _write(self, position: int, length: Length, columns: tuple[str, ...]) -> dict[str, Any]:
        number, gate = int(self.index.number[position]), self.index.gate_of(position)
        cells = {name: self._cell(position, name) for name in columns if self._has(position, name)}
        side = f"&side={SIDE}" if length == BRIEF else ""

        def address(column: str) -> str:
            return f"{self._address(number)}/{quote(column)}?v={self.version}{side}"

        row, cut = write_row(cells, self.index.features, length, address)
        scores = {name: _digits(float(values[position])) for name, values in self.index.scores.items()}
        found = {"index": number, "row": row, "label": self._label(cells), "gate": gate, "scores": scores}
        if gate:
            found["reason"] = self._cell(position, "reason").as_py()
        return {**found, "cut": cut} if cut else found

    def _label(self, cells: dict[str, Any]) -> str | None:
        if "label" not in cells or not self.index.classes:
            return None
        number = cells["label"].as_py()
        return self.index.classes[number] if number is not None and number >= 0 else None

    def _cell(self, position: int, column: str) -> Any:
        return self.cells.read(int(self.index.file[position]), int(self.index.row[position]), column)

    def _has(self, position: int, column: str) -> bool:
        return self.cells.has(int(self.index.file[position]), column)

    def _shows(self, position: int, column: str) -> bool:
        """Whether the picture or mesh is there: candidates may lack what accepted rows have."""
        return self._has(position, column) and bool(self._cell(position, column).is_valid)

    def _pictures(self, position: int) -> str:
        found = [n for n, f in self.index.features.items() if f.kind in PICTURES and self._shows(position, n)]
        return ", ".join(found) or "none"

    def _address(self, number: int) -> str:
        return f"/v1/runs/{quote(self.id)}/rows/{number}"


def open_run(folder: Path, name: str) -> BrowsedRun:
    """The run of that folder, under the id `name`. UserError if it has no finished dataset."""
    index = read_index(folder)
    return BrowsedRun(name, folder, find_version(folder), read_report(folder), index, Cells(index.files))


def find_version(folder: Path) -> str:
    """A few letters that change whenever the run's files do."""
    paths = [folder / "dataset" / "report.json", folder / "state" / "rejections.parquet"]
    marks = [(path.stat().st_mtime_ns, path.stat().st_size) for path in paths if path.is_file()]
    return hashlib.sha256(repr(marks).encode()).hexdigest()[:12]


def read_report(folder: Path) -> dict[str, Any]:
    """dataset/report.json. UserError if it is not there or damaged."""
    try:
        found: dict[str, Any] = json.loads((folder / "dataset" / "report.json").read_text())
    except (OSError, ValueError):
        raise UserError(f"{folder.name}: its report.json cannot be read; wait until the run is done") from None
    return found


def summarise(name: str, report: dict[str, Any]) -> dict[str, Any]:
    """A run in a line of a list."""
    utility = report.get("utility") or {}
    quality = {kind: (utility.get(f"train_{kind}_test_real") or {}).get("mean") for kind in REGIMES}
    rows = report.get("rows") or {}
    return {
        "id": name, "name": report.get("recipe"), "task": report.get("task"),
        "description": report.get("description"),
        "quality": {"metric": utility.get("metric"), **quality} if utility else None,
        "rows": {"kept": rows.get("accepted"), "rejected": sum((rows.get("rejected") or {}).values())},
    }  # fmt: skip


def _digits(value: float) -> float | None:
    return float(f"{value:.6g}") if value == value and abs(value) != float("inf") else None


def _shown(folder: Path) -> str:
    """The folder as a person on the server would name it, without telling others where it lies."""
    try:
        return folder.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return folder.name


def _media_type(data: bytes) -> str:
    """By the first bytes, not by what anyone says: only these are shown as pictures."""
    starts = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif", b"RIFF": "image/webp"}
    return next((kind for start, kind in starts.items() if data.startswith(start)), "application/octet-stream")


def _reduce(data: bytes, side: int) -> Picture:
    with Image.open(io.BytesIO(data)) as image:
        if max(image.size) <= side or image.width * image.height > DECODED:
            return Picture(data, _media_type(data))
        buffer, grey = io.BytesIO(), image.mode in ("L", "P", "I;16", "1")
        way = Image.Resampling.NEAREST if grey else Image.Resampling.BOX  # grey values may be classes
        scale = side / max(image.size)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        small = image.resize(size, way) if grey else image.convert("RGB").resize(size, way)
        small.save(buffer, "PNG" if grey else "WEBP", **({} if grey else {"quality": 80}))
    return Picture(buffer.getvalue(), "image/png" if grey else "image/webp")
