from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthgen.errors import UserError
from synthgen.sources.series import describe_series, load_series
from synthgen.sources.series_options import SeriesSourceOptions


def files(path: Path, **fields: Any) -> SeriesSourceOptions:
    return SeriesSourceOptions.model_validate({"kind": "files", "path": str(path), **fields})


def write_csv(file: Path, columns: dict[str, Any]) -> Path:
    rows = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    text = "\n".join(rows) + "\n"
    file.write_bytes(gzip.compress(text.encode()) if file.suffix == ".gz" else text.encode())
    return file


def write_lines(file: Path, columns: dict[str, Any]) -> Path:
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    file.write_text("\n".join(json.dumps(row) for row in rows))
    return file


def write_parquet(file: Path, columns: dict[str, Any]) -> Path:
    pq.write_table(pa.table(columns), file)
    return file


WRITERS = {".csv": write_csv, ".csv.gz": write_csv, ".jsonl": write_lines, ".parquet": write_parquet}


def hourly(steps: int) -> list[str]:
    return [f"2024-01-{1 + hour // 24:02d} {hour % 24:02d}:00:00" for hour in range(steps)]


def long_table(steps: int = 400, **more: Any) -> dict[str, Any]:
    return {"date": hourly(steps), "x": [float(s) for s in range(steps)], "y": [s * 2 for s in range(steps)], **more}


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_long_table_in_every_format(tmp_path: Path, suffix: str) -> None:
    file = WRITERS[suffix](tmp_path / f"load{suffix}", long_table(400, remark=["a"] * 400))
    options = files(file, columns={"time": "date"}, length=24, stride=1)
    data = load_series(options, seed=0)
    assert data.details == {"channels": ("x", "y"), "kinds": (), "rate_hz": 1 / 3600, "length": 24}
    assert data.train["series"].shape == (288 - 23, 24, 2) and len(data.heldout["label"]) == 80 // 24
    np.testing.assert_array_equal(data.train["series"][5, :, 1], 2 * np.arange(5, 29))
    assert data.train["start"][5] == 1704067200 + 5 * 3600  # 2024-01-01 in UTC
    assert any("columns that were not read: remark" in note for note in data.origin.notes)
    assert describe_series(options) == f"load{suffix}: train; a row is a step, 2 channels"


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_nested_rows_of_channels_with_events(tmp_path: Path, suffix: str) -> None:
    generator = np.random.Generator(np.random.Philox(key=5))
    series = generator.standard_normal((40, 3, 16))
    events = [[{"kind": row % 2, "start": 3, "end": 7}] if row % 3 == 0 else [] for row in range(40)]
    columns = {"series": series.tolist(), "events": events, "label": [["up", "down"][row % 2] for row in range(40)]}
    options = files(
        WRITERS[suffix](tmp_path / f"x{suffix}", columns), kinds=["blink", "jump"], channels=["a", "b", "c"]
    )
    data = load_series(options, seed=0)
    assert data.classes == ("down", "up") and data.details["channels"] == ("a", "b", "c")
    assert data.details["length"] == 16 and data.details["kinds"] == ("blink", "jump")
    for part in (data.train, data.validation, data.heldout):
        for values, label, on, row in zip(*(part[c] for c in ("series", "label", "events", "series_id")), strict=True):
            np.testing.assert_array_equal(values, series[row].T.astype(np.float32))
            assert data.classes[label] == ["up", "down"][row % 2]
            assert on.tolist() == [row % 2 + 1 if row % 3 == 0 and 3 <= step < 7 else 0 for step in range(16)]
    assert all(part["events"].any() for part in (data.train, data.heldout))


def test_a_wide_csv_is_one_series_a_row(tmp_path: Path) -> None:
    columns: dict[str, Any] = {"label": [row % 2 for row in range(30)]}
    columns |= {f"t{step}": [row + step / 100 for row in range(30)] for step in range(12)}
    data = load_series(files(write_csv(tmp_path / "w.csv", columns)), seed=0)
    assert data.classes == ("0", "1") and data.train["series"].shape[1:] == (12, 1)
    np.testing.assert_allclose(data.train["series"][:, 3, 0], data.train["series_id"] + 0.03, rtol=1e-6)
    # The same with fewer columns than a row has steps is a table of steps.
    short = {"label": [row // 5 % 2 for row in range(30)], "t0": columns["t0"], "t1": columns["t1"]}
    assert load_series(files(write_csv(tmp_path / "s.csv", short), length=8, stride=1), seed=0).details["channels"] == (
        "t0",
        "t1",
    )


def test_ids_tell_series_apart_and_parts_have_files(tmp_path: Path) -> None:
    for part, first in (("train", 0), ("test", 100)):
        ids = np.repeat(np.arange(first, first + 20), 16)
        order = np.random.Generator(np.random.Philox(key=first)).permutation(len(ids))
        steps = np.tile(np.arange(16), 20)[np.sort(order)]
        table = {"id": ids, "time": steps * 0.5, "v": ids + steps / 100, "label": np.where(ids % 2, "odd", "even")}
        by_time = np.argsort(steps, kind="stable")  # the series' rows lie among each other
        write_csv(tmp_path / f"{part}.csv", {name: values[by_time].tolist() for name, values in table.items()})
    data = load_series(files(tmp_path), seed=0)
    assert data.details["length"] == 16 and data.details["rate_hz"] == 2.0 and data.classes == ("even", "odd")
    assert [len(part["label"]) for part in (data.train, data.validation, data.heldout)] == [18, 2, 20]
    np.testing.assert_allclose(data.heldout["series"][:, 8, 0] % 1, 0.08, atol=1e-4)
    np.testing.assert_array_equal(np.floor(data.heldout["series"][:, 0, 0]) % 2, data.heldout["label"])


@pytest.mark.parametrize(
    ("marks", "kinds", "names", "number"),
    [
        (["0", "1"], None, ("event",), 1),
        (["false", "true"], None, ("event",), 1),
        (["", "fall"], None, ("fall",), 1),
        ([0, 2], ["fall", "jump"], ("fall", "jump"), 2),
        (["none", "jump"], ["fall", "jump"], ("fall", "jump"), 2),
    ],
)
def test_events_of_a_long_table(tmp_path: Path, marks: Any, kinds: Any, names: Any, number: int) -> None:
    events = [marks[int(step % 50 >= 40)] for step in range(400)]
    file = write_csv(tmp_path / "x.csv", long_table(400, events=events))
    data = load_series(files(file, columns={"time": "date"}, length=10, kinds=kinds), seed=0)
    assert data.details["kinds"] == names
    first = data.train["events"][:5]
    assert not first[:4].any() and (first[4] == number).all() and data.heldout["events"].any()


def test_gaps_inf_and_missing_rows_of_a_long_table(tmp_path: Path) -> None:
    table = long_table(300)
    table["x"][10] = "inf"
    table["x"][11] = ""
    table["y"][100:120] = [""] * 20
    table = {name: [v for step, v in enumerate(values) if not 50 <= step < 53] for name, values in table.items()}
    data = load_series(files(write_csv(tmp_path / "x.csv", table), columns={"time": "date"}, length=10), seed=0)
    np.testing.assert_allclose(data.train["series"][1, :, 0], np.arange(10, 20))
    np.testing.assert_allclose(data.train["series"][5, :, 0], np.arange(50, 60))  # the rows that are missing
    assert 1704067200 + 100 * 3600 not in data.train["start"] and 1704067200 + 120 * 3600 in data.train["start"]
    notes = " / ".join(data.origin.notes)
    assert "1 jumps" in notes and "8 missing values were filled" in notes and "2 rows were left out" in notes


def test_labels_that_change_within_a_series(tmp_path: Path) -> None:
    label = ["walk" if step // 40 % 2 else "run" for step in range(400)]
    file = write_csv(tmp_path / "x.csv", long_table(400, label=label))
    data = load_series(files(file, columns={"time": "date"}, length=20), seed=0)
    assert data.classes == ("run", "walk") and data.train["label"].tolist()[:6] == [0, 0, 1, 1, 0, 0]


def test_bad_rows_are_left_out_up_to_one_in_a_hundred(tmp_path: Path) -> None:
    series: list[Any] = [[[float(row), *range(9)]] for row in range(150)]
    series[7] = [[1.0, 2.0], [3.0]]
    columns = {"series": series, "label": [row % 2 for row in range(150)]}
    columns["label"][9] = None
    data = load_series(files(write_lines(tmp_path / "x.jsonl", columns)), seed=0)
    notes = " / ".join(data.origin.notes)
    assert "2 of 150 rows were left out" in notes and "row 7: its channels have different lengths" in notes
    assert not {7, 9} & set(np.concatenate([data.train["series"][:, 0, 0], data.heldout["series"][:, 0, 0]]).tolist())
    columns["label"][10:30] = [None] * 20
    with pytest.raises(UserError, match="22 of 150 rows cannot be used"):
        load_series(files(write_lines(tmp_path / "x.jsonl", columns)), seed=0)


def test_series_of_different_lengths_and_values_missing_at_the_end(tmp_path: Path) -> None:
    series = [[float(row)] * 20 + [None] * (row % 10) for row in range(40)] + [[1.0] * 12]
    file = write_parquet(tmp_path / "x.parquet", {"series": series})
    with pytest.raises(UserError, match="source.length: null, and the series have 12 to 20 steps"):
        load_series(files(file), seed=0)
    data = load_series(files(file, length=20), seed=0)
    assert data.classes == ("any",) and any("1 of 41 series are shorter" in note for note in data.origin.notes)
    assert len(load_series(files(file, length=20, short="pad"), seed=0).train["label"]) > len(data.train["label"]) - 2


@pytest.mark.parametrize(
    ("table", "fields", "words"),
    [
        (long_table(), {"columns": {"time": "dat"}}, r"source.columns.time.*did you mean 'date'"),
        (long_table(), {"channels": ["z"]}, "source.channels: x.csv has no column 'z'"),
        (long_table(), {"channels": ["date"]}, "not a readable table"),
        (long_table(), {}, "source.length: null, and the series have 400 steps|a third of their 400"),
        (long_table(), {"length": 300, "columns": {"time": "date"}}, "no row of 300 steps is left for validation"),
        (long_table(), {"kinds": ["a"], "length": 8}, "source.kinds: x.csv has no column 'events'"),
        (long_table(), {"classes": ["a", "b"], "length": 8}, "source.classes: there is no column 'label'"),
        (long_table(label=["a"] * 400), {"length": 8, "columns": {"time": "date"}}, "only the class 'a'"),
        (long_table(id=["a"] * 399 + [""]), {"length": 8}, "source.columns.id: x.csv row 399 has no id"),
        (long_table(events=["3"] * 400), {"length": 8, "kinds": ["a"]}, "source.kinds: .* kind 3, which is not named"),
        (long_table(time=[0, 1, 1, *range(3, 400)]), {"length": 8}, "source.columns.time: x.csv row 2 is not later"),
        (long_table(time=["soon"] * 400), {"length": 8}, "source.columns.time: x.csv holds 'soon'; write"),
        ({f"c{n}": [1.0] * 9 for n in range(65)}, {}, "source.channels: x.csv has 65 channels; use at most 64"),
        ({"name": ["a"] * 9}, {}, "source.channels: x.csv has no column of numbers"),
        (long_table(400) | {"x": [""] * 399 + ["1"]}, {"length": 8, "channels": ["x"]}, "gap longer than source.gaps"),
    ],
)
def test_mistakes_are_told_in_one_sentence(tmp_path: Path, table: Any, fields: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        load_series(files(write_csv(tmp_path / "x.csv", table), **fields), seed=0)


def test_more_mistakes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="source.path: .* holds no .parquet"):
        load_series(files(write_lines(tmp_path / "x.txt", {"a": [1]})), seed=0)
    many = write_lines(tmp_path / "m.jsonl", {"series": [[[1.0] * 6] * 100] * 9})
    with pytest.raises(UserError, match="steps x channels"):
        load_series(files(many), seed=0)
    with pytest.raises(UserError, match="not a readable table"):
        (tmp_path / "b.parquet").write_bytes(b"PAR1 no")
        load_series(files(tmp_path / "b.parquet"), seed=0)
    with pytest.raises(UserError, match="holds no series"):
        load_series(files(write_parquet(tmp_path / "e.parquet", {"series": pa.array([], pa.list_(pa.float32()))})), 0)


def test_constant_channels_are_allowed_and_noted(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "x.csv", long_table(still=[5] * 400))
    data = load_series(files(file, columns={"time": "date"}, length=24), seed=0)
    assert "constant in train: still" in data.origin.notes and (data.train["series"][:, :, 2] == 5).all()
