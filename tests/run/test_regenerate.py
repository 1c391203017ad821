"""One row again, and whether it is identical."""

from __future__ import annotations

import pyarrow.parquet as pq


def test_rows_of_a_run_come_again(undisturbed, command):
    for index in (0, 17):
        outcome = command("regenerate", undisturbed, index)
        assert outcome.code == 0 and outcome.out == f"row {index}: identical\n", outcome


def test_what_was_altered_is_different(copy, command):
    path = copy / "state" / "shards" / "000000.parquet"
    table = pq.read_table(path)
    place = table.schema.get_field_index("label")
    pq.write_table(
        table.set_column(place, table.schema.field(place), [[9 - n for n in table["label"].to_pylist()]]), path
    )
    outcome = command("regenerate", copy, 3)
    assert outcome.code == 0 and outcome.out == "row 3: different in label\n", outcome


def test_mistakes(undisturbed, tmp_path, command):
    for words, told in (((tmp_path, 0), "is not a run's folder"), ((undisturbed, 10**9), "was never made in this run")):
        outcome = command("regenerate", *words)
        assert outcome.code == 2 and told in outcome.err
