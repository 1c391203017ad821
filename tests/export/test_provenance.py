from __future__ import annotations

from pathlib import Path

import datasets
import pyarrow.parquet as pq
import pytest

from synthgen.export.parquet import provenance_feature, rows_to_table, write_table


@pytest.mark.parametrize("gates", [(), ("agreement",), ("agreement", "copy_distance")])
def test_provenance_is_written_whichever_gates_are_on(gates: tuple[str, ...], tmp_path: Path) -> None:
    features = datasets.Features({"label": datasets.Value("int64"), "provenance": provenance_feature(gates)})
    fact = {"index": 3, "seed": 1, "recipe": "a", "model": "b", "scores": dict.fromkeys(gates, 0.5)}
    write_table(tmp_path / "rows.parquet", rows_to_table({"label": [7], "provenance": [fact]}, features, {}))
    (row,) = pq.read_table(tmp_path / "rows.parquet").to_pylist()
    assert row["provenance"]["index"] == 3
    assert row["provenance"].get("scores", {}) == dict.fromkeys(gates, 0.5)
