"""What is known of every row of a finished run without reading the rows themselves, and which rows a filter leaves.

Built from a few columns of the run's Parquet files: 100,000 rows take some 10 MB and a fraction of a second. Knows
neither pictures nor HTTP.

    index = read_index(Path("runs/digits"))
    page = index.page(Wanted(label="7", kept="rejected"), after=None, limit=48)
    page.positions      # places in the index's arrays, in rising order of the candidates' numbers
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ...errors import UserError
from ...mistakes import meant, show
from .features import Feature, read_features

BINS = 24  # of the histogram of a score


@dataclass(frozen=True)
class Wanted:
    """A filter: every field that is not None narrows it."""

    label: str | None = None
    kept: Literal["kept", "rejected"] | None = None
    gate: str | None = None  # the one that refused the row
    score: str | None = None  # its name; the bounds below are of this score
    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True)
class Page:
    positions: np.ndarray  # int64 (n,): places in the index's arrays
    total: int  # rows that the filter leaves, on all pages
    first: int  # how many of these come before this page
    more: bool  # whether there are rows behind it


@dataclass(frozen=True)
class RowIndex:
    """One entry a kept or rejected candidate, by rising number. Candidates after the last one needed are not in it."""

    files: tuple[Path, ...]
    features: dict[str, Feature]  # of the rows, without provenance
    number: np.ndarray  # int64 (N,): the candidate's number
    file: np.ndarray  # int16 (N,): place in `files`
    row: np.ndarray  # int32 (N,): its row in that file
    gate: np.ndarray  # int16 (N,): -1 kept, else the place in `gates` of the one that refused it
    gates: tuple[str, ...]
    scores: dict[str, np.ndarray]  # float32 (N,) each; nan where a row has none
    classes: tuple[str, ...]
    owner: np.ndarray  # int32 (M,): of each (row, class) pair the row's place in these arrays
    held: np.ndarray  # int32 (M,): and the class

    def select(self, wanted: Wanted) -> np.ndarray:
        """bool (N,): the rows that the filter leaves. UserError for names that this run does not have."""
        chosen = np.ones(len(self.number), bool)
        if wanted.kept is not None:
            chosen &= (self.gate < 0) == (wanted.kept == "kept")
        if wanted.gate is not None:
            chosen &= self.gate == _place(wanted.gate, self.gates, "gate")
        if wanted.label is not None:
            holding = np.zeros(len(self.number), bool)
            holding[self.owner[self.held == _place(wanted.label, self.classes, "label")]] = True
            chosen &= holding
        if wanted.score is not None:
            values = self.scores[tuple(self.scores)[_place(wanted.score, tuple(self.scores), "score")]]
            low, high = (-np.inf if wanted.at_least is None else wanted.at_least), wanted.at_most
            # bounds come rounded to what a person reads: compare as float32
            chosen &= (values >= np.float32(low)) & (values <= np.float32(np.inf if high is None else high))
        elif wanted.at_least is not None or wanted.at_most is not None:
            raise UserError("score: at_least and at_most need the name of a score; add score=<name>")
        return chosen

    def page(self, wanted: Wanted, *, after: int | None = None, before: int | None = None, limit: int = 48) -> Page:
        """The first `limit` wanted rows whose number is above `after`, or the last ones below `before`."""
        found = np.flatnonzero(self.select(wanted))
        numbers = self.number[found]
        if before is not None:
            end = int(np.searchsorted(numbers, before, side="left"))
            start = max(0, end - limit)
        else:
            start = 0 if after is None else int(np.searchsorted(numbers, after, side="right"))
            end = min(start + limit, len(found))
        return Page(found[start:end], len(found), start, end < len(found))

    def find(self, number: int) -> int | None:
        """The place of candidate `number`; None if it is neither kept nor rejected."""
        place = int(np.searchsorted(self.number, number))
        return place if place < len(self.number) and self.number[place] == number else None

    def gate_of(self, position: int) -> str:
        """The gate that refused a row, or ""."""
        gate = int(self.gate[position])
        return "" if gate < 0 else self.gates[gate]

    def facts(self) -> dict[str, Any]:
        """Counts by class and gate, and the spread of each score, as JSON has them."""
        classes = np.bincount(self.held, minlength=len(self.classes)).tolist()
        return {
            "rows": {"kept": int((self.gate < 0).sum()), "rejected": int((self.gate >= 0).sum())},
            "classes": [{"name": name, "rows": n} for name, n in zip(self.classes, classes, strict=True)],
            "gates": [{"name": name, "rows": int((self.gate == k).sum())} for k, name in enumerate(self.gates)],
            "scores": [found for name, values in self.scores.items() if (found := _spread(name, values))],
        }


def _place(name: str, known: Sequence[str], field: str) -> int:
    if name not in known:
        raise UserError(f"{field}: {show(name)} is not one of this run's; {meant(name, known)}")
    return known.index(name)


def _spread(name: str, values: np.ndarray) -> dict[str, Any] | None:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    counts, edges = np.histogram(finite, BINS)
    return {"name": name, "low": float(edges[0]), "high": float(edges[-1]), "counts": counts.tolist()}


def read_index(folder: Path) -> RowIndex:
    """The index of a finished run, from dataset/data/ and, if it is still there, state/rejections.parquet.

    Those two hold what was settled of every candidate; a shard only holds what it could decide by itself, and
    duplicates and quota need the other rows.
    """
    data = sorted((folder / "dataset" / "data").glob("*.parquet"))
    refused = folder / "state" / "rejections.parquet"
    files = [*data, *([refused] if refused.is_file() else [])]
    if not data:
        raise UserError(f"{folder.name}: there is no finished dataset in it; wait until the run is done")
    features = read_features(data[0])
    parts = [_read_part(path, features) for path in files]
    number = np.concatenate([part.number for part in parts])
    order = np.argsort(number, kind="stable")
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    starts = np.cumsum([0, *(len(part.number) for part in parts)])[:-1]
    pairs = zip(starts, parts, strict=True)
    file = np.repeat(np.arange(len(parts), dtype=np.int16), [len(part.number) for part in parts])
    row = np.concatenate([np.arange(len(part.number), dtype=np.int32) for part in parts])
    gates = tuple(dict.fromkeys(name for part in parts for name in part.gates if name))
    told = np.concatenate([_codes(part, gates) for part in parts])
    scores = _join_scores(parts, order)
    owner = rank[np.concatenate([start + part.owner for start, part in pairs]).astype(np.int64)]
    return RowIndex(
        tuple(files), features, number[order], file[order], row[order], told[order], gates, scores,
        _class_names(features), owner, np.concatenate([part.held for part in parts]),
    )  # fmt: skip


@dataclass(frozen=True)
class _Part:
    """One file's share of the index."""

    number: np.ndarray
    gates: tuple[str, ...]  # dictionary of `gate`
    gate: np.ndarray  # int32 (n,): place in it
    scores: dict[str, np.ndarray]
    owner: np.ndarray
    held: np.ndarray


def _read_part(path: Path, features: dict[str, Feature]) -> _Part:
    with pq.ParquetFile(path) as file:
        names, known = [column.path for column in _leaves(file)], file.schema_arrow.names
        leaves = [name for name in names if name == "provenance.index" or name.startswith("provenance.scores.")]
        label = _label_leaf(features, names)
        table = file.read([*leaves, *([label] if label else []), *(["gate"] if "gate" in known else [])])
    provenance = table.column("provenance").combine_chunks()
    number = provenance.field("index").to_numpy(zero_copy_only=False).astype(np.int64)
    scores = {}
    if provenance.type.get_field_index("scores") >= 0:
        told = provenance.field("scores")
        scores = {field.name: _floats(told.field(field.name)) for field in told.type}
    gates, gate = ("",), np.zeros(len(number), np.int32)
    if "gate" in table.column_names:
        coded = pc.dictionary_encode(table.column("gate").combine_chunks())
        gates, gate = tuple(coded.dictionary.to_pylist()), coded.indices.to_numpy(zero_copy_only=False)
    owner, held = _membership(table.column(label.partition(".")[0]).combine_chunks()) if label else _NO_CLASS
    return _Part(number, gates, gate, scores, owner, held)


_NO_CLASS = (np.zeros(0, np.int32), np.zeros(0, np.int32))


def _leaves(file: pq.ParquetFile) -> list[Any]:
    return [file.schema.column(i) for i in range(len(file.schema))]


def _floats(values: pa.Array) -> np.ndarray:
    return values.to_numpy(zero_copy_only=False).astype(np.float32)


def _label_column(features: dict[str, Feature]) -> str | None:
    """The column that tells a row's class, or in which each part has one."""
    if "label" in features and features["label"].names is not None:
        return "label"
    return next((name for name, feature in features.items() if "class" in feature.fields), None)


def _class_names(features: dict[str, Feature]) -> tuple[str, ...]:
    column = _label_column(features)
    if column is None:
        return ()
    feature = features[column] if column == "label" else features[column].fields["class"]
    return feature.names or ()


def _label_leaf(features: dict[str, Feature], leaves: Sequence[str]) -> str | None:
    """Its path in a Parquet file, such as "objects.list.element.class"."""
    column = _label_column(features)
    if column is None or column == "label":
        return column
    return next(path for path in leaves if path.startswith(f"{column}.") and path.endswith(".class"))


def _membership(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Each (row, class) pair once."""
    if pa.types.is_integer(column.type):
        held = column.to_numpy(zero_copy_only=False).astype(np.int32)
        return np.flatnonzero(held >= 0).astype(np.int32), held[held >= 0]
    owner = pc.list_parent_indices(column).to_numpy(zero_copy_only=False).astype(np.int64)
    held = pc.list_flatten(column).field("class").to_numpy(zero_copy_only=False).astype(np.int64)
    pairs = np.unique(np.stack([owner, held]), axis=1) if len(owner) else np.zeros((2, 0), np.int64)
    return pairs[0].astype(np.int32), pairs[1].astype(np.int32)


def _codes(part: _Part, gates: tuple[str, ...]) -> np.ndarray:
    """int16 (n,): for each row the place of its gate in `gates`, -1 where none refused it."""
    table = np.array([gates.index(name) if name else -1 for name in part.gates], np.int16)
    return table[part.gate]


def _join_scores(parts: Sequence[_Part], order: np.ndarray) -> dict[str, np.ndarray]:
    names = dict.fromkeys(name for part in parts for name in part.scores)
    blank = {
        name: [part.scores.get(name, np.full(len(part.number), np.nan, np.float32)) for part in parts] for name in names
    }
    return {name: np.concatenate(values)[order] for name, values in blank.items()}
