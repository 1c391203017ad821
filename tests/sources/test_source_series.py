from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from synthgen.errors import UserError
from synthgen.sources import builtins
from synthgen.sources.series import describe_series, load_series
from synthgen.sources.series_options import SeriesSourceOptions

PARTS = ("train", "validation", "heldout")


def builtin(name: str, **fields: Any) -> SeriesSourceOptions:
    return SeriesSourceOptions.model_validate({"kind": "builtin", "name": name, **fields})


def counts(data: Any) -> list[list[int]]:
    return [np.bincount(getattr(data, part)["label"], minlength=len(data.classes)).tolist() for part in PARTS]


def check_contract(data: Any) -> None:
    length, channels = data.details["length"], data.details["channels"]
    for part in PARTS:
        rows = getattr(data, part)
        count = len(rows["label"])
        assert rows["series"].shape == (count, length, len(channels)) and rows["series"].dtype == np.float32
        assert np.isfinite(rows["series"]).all()
        assert rows["events"].shape == (count, length) and rows["events"].dtype == np.uint8
        assert rows["events"].max(initial=0) <= len(data.details["kinds"])
        assert (rows["label"].dtype, rows["start"].dtype, rows["series_id"].dtype) == (np.int64, np.float64, np.int64)
        assert rows["label"].max() < len(data.classes)


def test_motions() -> None:
    data = load_series(builtin("motions"), seed=0)
    check_contract(data)
    assert counts(data) == [[8] * 4, [2] * 4, [10] * 4]
    assert data.classes == ("standing", "running", "walking", "badminton")
    assert data.details["rate_hz"] == 10 and len(data.details["channels"]) == 6 and data.details["kinds"] == ()
    # Who stands moves least: an oracle for the order of classes, channels and steps.
    spread = [data.heldout["series"][data.heldout["label"] == k, :, :3].std(axis=1).mean() for k in range(4)]
    assert int(np.argmin(spread)) == 0


def test_power_has_its_own_test_part() -> None:
    data = load_series(builtin("power"), seed=0)
    check_contract(data)
    assert [sum(part) for part in counts(data)] == [54, 13, 1029]
    assert data.details["rate_hz"] == 1 / 3600 and data.details["length"] == 24
    # In the cold half of the year it is dark at six in the evening, in the warm half it is not.
    winter, summer = (data.heldout["series"][data.heldout["label"] == k, :, 0].mean(axis=0) for k in range(2))
    assert winter[18] > 0.5 > summer[18] and winter[3] < 0


def test_gait_is_divided_in_time_and_says_that_nothing_is_labelled() -> None:
    data = load_series(builtin("gait"), seed=0)
    check_contract(data)
    assert data.classes == ("any",) and data.details["kinds"] == ("freezing",) and data.details["rate_hz"] == 64
    assert all(not getattr(data, part)["events"].any() for part in PARTS)
    assert any("labels no freezing episode" in note for note in data.origin.notes)
    ends = [getattr(data, part)["start"].max() + 128 / 64 for part in PARTS]
    begins = [getattr(data, part)["start"].min() for part in PARTS]
    assert ends[0] <= begins[1] and ends[1] <= begins[2] and ends[2] <= 7040 / 64
    assert np.diff(data.train["start"]).tolist() == [0.5] * (len(data.train["start"]) - 1)


def test_the_seed_chooses_few_rows_and_nothing_else() -> None:
    one, two = (load_series(builtin("motions", few=5), seed=seed) for seed in (0, 1))
    assert counts(one)[0] == [5] * 4
    assert one.train["series"].tobytes() != two.train["series"].tobytes()
    assert one.train["series"].tobytes() == load_series(builtin("motions", few=5), seed=0).train["series"].tobytes()
    for part in PARTS[1:]:
        assert getattr(one, part)["series"].tobytes() == getattr(two, part)["series"].tobytes()


def test_a_builtin_may_be_cut_to_another_length() -> None:
    data = load_series(builtin("motions", length=40, stride=20), seed=0)
    assert counts(data) == [[32] * 4, [4] * 4, [20] * 4]
    assert load_series(builtin("gait", length=64), seed=0).train["start"][1] == 1.0  # without overlap


def test_describing_reads_no_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    assert describe_series(builtin("motions")) == "motions: built in; 80 series of 100 steps, 6 channels, 4 classes"
    with pytest.raises(UserError, match=r"source.name: 'motion' is not built in \(did you mean 'motions'\?\)"):
        describe_series(builtin("motion"))
    monkeypatch.setattr(builtins, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs the package 'aeon'.*pip install 'synthgen\[timeseries\]'"):
        load_series(builtin("power"), seed=0)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"heldout": 0.3}, "'heldout' does not belong to kind 'builtin'"),
        ({"channels": ["a"]}, "'channels' does not belong to kind 'builtin'"),
        ({"length": 7}, "greater than or equal to 8"),
        ({"length": 5000}, "less than or equal to 4096"),
        ({"kind": "files", "path": "x", "columns": {"time": "a", "label": "a"}}, "same column twice"),
        ({"kind": "files", "path": "x", "kinds": ["a", "a"]}, "named twice"),
    ],
)
def test_options_that_cannot_work_are_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        builtin(**{"name": "motions", **fields} if "kind" not in fields else {"name": None, **fields})


@pytest.fixture
def hub_folder(tmp_path: Any) -> str:
    """A dataset that `datasets` reads from a folder as it would from the Hub."""
    generator = np.random.Generator(np.random.Philox(key=3))
    for part, count in (("train", 40), ("test", 12)):
        series = [generator.standard_normal((2, 16)).tolist() for _ in range(count)]
        table = pa.table({"series": series, "label": ["ab"[row % 2] for row in range(count)]})
        pq.write_table(table, tmp_path / f"{part}.parquet")
    return str(tmp_path)


def test_the_hub_gives_nested_rows(hub_folder: str, tmp_path_factory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    load = datasets.load_dataset
    cache = str(tmp_path_factory.mktemp("cache"))
    monkeypatch.setattr(datasets, "load_dataset", lambda id, **words: load(hub_folder, cache_dir=cache, **words))
    options = SeriesSourceOptions.model_validate({"kind": "hub", "id": "a/b", "license": "MIT"})
    data = load_series(options, seed=0)
    check_contract(data)
    assert counts(data) == [[18, 18], [2, 2], [6, 6]] and data.origin.license == "MIT"
    own = pq.read_table(f"{hub_folder}/test.parquet")["series"].to_pylist()
    np.testing.assert_array_equal(data.heldout["series"], np.float32(own).transpose(0, 2, 1))
