"""Rows as Parquet files that `datasets` reads with typed features."""

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthgen.export.parquet import (
    ShardedWriter,
    decode_png,
    encode_png,
    fixed_lists,
    provenance_feature,
    read_batches,
    rows_to_table,
    table_to_bytes,
    table_to_rows,
    write_table,
)

FEATURES = datasets.Features(
    {
        "image": datasets.Image(),
        "label": datasets.ClassLabel(names=["cat", "dog"]),
        "provenance": provenance_feature(("agreement",)),
    }
)


def table(count, start=0):
    numbers = range(start, start + count)
    columns = {
        "image": [encode_png(np.full((4, 5, 3), i % 256, np.uint8)) for i in numbers],
        "label": [i % 2 for i in numbers],
        "provenance": [
            {"index": i, "seed": 2**62, "recipe": "r", "model": "m", "scores": {"agreement": 0.5}} for i in numbers
        ],
    }
    return rows_to_table(columns, FEATURES, {"gate": pa.array([""] * count)})


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (4, 6, 3)])
def test_png_loses_nothing(shape):
    image = np.random.Generator(np.random.Philox(0)).integers(0, 256, shape, np.uint8)
    back = decode_png(encode_png(image))
    np.testing.assert_array_equal(back, image.squeeze(2) if shape[2:] == (1,) else image)


def test_the_same_table_gives_the_same_bytes(tmp_path):
    for name in "ab":
        write_table(tmp_path / f"{name}.parquet", table(5))
    assert table_to_bytes(table(5)) == (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_internal_columns_stand_behind_and_are_not_exported(tmp_path):
    assert table(2).column_names == [*FEATURES, "gate"]
    writer = ShardedWriter(tmp_path, "train", FEATURES, 10)
    writer.add(table(2))
    (path,) = writer.close()
    assert pq.read_schema(path).names == list(FEATURES)


@pytest.mark.parametrize(("parts", "sizes"), [([3, 3, 3], [4, 4, 1]), ([8], [4, 4]), ([4], [4]), ([1, 1], [2])])
def test_files_hold_their_number_of_rows_in_order(tmp_path, parts, sizes):
    writer, start = ShardedWriter(tmp_path / "data", "train", FEATURES, 4), 0
    for count in parts:
        writer.add(table(count, start))
        start += count
    paths = writer.close()
    assert [path.name for path in paths] == [f"train-{i:05d}-of-{len(sizes):05d}.parquet" for i in range(len(sizes))]
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [path.name for path in paths]
    assert [pq.read_metadata(path).num_rows for path in paths] == sizes
    rows = [row for path in paths for row in pq.read_table(path).to_pylist()]
    assert [row["provenance"]["index"] for row in rows] == list(range(start))


def test_files_do_not_depend_on_how_the_rows_came(tmp_path):
    digests = []
    for name, parts in (("a", [6]), ("b", [6])):
        writer = ShardedWriter(tmp_path / name, "train", FEATURES, 4)
        for count in parts:
            writer.add(table(count))
        digests.append([path.read_bytes() for path in writer.close()])
    assert digests[0] == digests[1]


def test_datasets_reads_typed_features(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    writer = ShardedWriter(tmp_path / "data", "train", FEATURES, 4)
    writer.add(table(6))
    writer.close()
    read = datasets.load_dataset(str(tmp_path / "data"), split="train", cache_dir=str(tmp_path / "cache"))
    assert read.features == FEATURES and read.num_rows == 6
    assert read[3]["image"].size == (5, 4) and read[3]["image"].getpixel((0, 0)) == (3, 3, 3)
    assert read[3]["provenance"] == {
        "index": 3,
        "seed": 2**62,
        "recipe": "r",
        "model": "m",
        "scores": {"agreement": 0.5},
    }


def test_reading_is_a_bounded_number_at_a_time(tmp_path):
    write_table(tmp_path / "a.parquet", table(5))
    parts = list(read_batches(tmp_path / "a.parquet", ["label"], batch_size=2))
    assert [len(part) for part in parts] == [2, 2, 1] and parts[0].column_names == ["label"]


def test_rows_come_back_from_a_table_as_arrays_where_they_are_numbers():
    points = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    whole = pa.table({
        "points": fixed_lists(points),
        "marks": fixed_lists(points[:, :, 0].astype(np.uint8)),
        "name": ["a", None, "c", "d"],
        "events": [[1], [], [2, 3], [4]],
        "gaps": pa.array([[1.0, None]] * 4, pa.list_(pa.float32(), 2)),
        "label": [0, 1, 2, 3],
    })  # fmt: skip
    for part, index in ((whole, slice(0, 4)), (whole.slice(1, 2), slice(1, 3)), (pa.concat_tables([whole] * 2), None)):
        rows = table_to_rows(part)
        assert rows["events"] == part.column("events").to_pylist() and rows["label"] == part.column("label").to_pylist()
        assert rows["gaps"] == part.column("gaps").to_pylist() and rows["name"] == part.column("name").to_pylist()
        wanted = np.concatenate([points] * 2) if index is None else points[index]
        assert rows["points"].dtype == np.float32 and np.array_equal(rows["points"], wanted)
        assert rows["marks"].dtype == np.uint8 and np.array_equal(rows["marks"], wanted[:, :, 0])
    assert table_to_rows(whole.slice(0, 0))["points"].shape == (0, 3, 2)
