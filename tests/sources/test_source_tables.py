from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from synthgen.errors import UserError
from synthgen.sources.tables import check_columns, read_header, read_table


def test_parquet_header_has_columns_names_and_count(labelled: Any) -> None:
    header = read_header(labelled(train=6, classes=3) / "train.parquet")
    assert header.columns == ("image", "label")
    assert header.names == {"label": ("kind 0", "kind 1", "kind 2")}
    assert header.rows == 6


def test_parquet_rows_come_in_order(labelled: Any) -> None:
    rows = list(read_table(labelled(train=600) / "train.parquet", "image", "label", "label"))
    assert [row.target for row in rows] == [number % 2 for number in range(600)]
    assert rows[599].where == "train.parquet row 599"
    assert isinstance(rows[0].image, bytes)


def test_json_lines_and_csv_point_to_files_beside_them(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/a.png").write_bytes(b"x")
    (tmp_path / "a.jsonl").write_text('{"image": "pictures/a.png", "label": "cat"}\n\nnot json\n[1]\n{"label": 1}\n')
    (tmp_path / "a.csv").write_text('image,label\npictures/a.png,"cat, big"\n')
    good, broken, listed, empty = read_table(tmp_path / "a.jsonl", "image", "label", "label")
    assert (good.image, good.target, good.fault) == ((tmp_path / "pictures/a.png").resolve(), "cat", "")
    assert (broken.fault, listed.fault, empty.fault) == ("not a JSON record", "not a JSON record", "no image")
    assert [row.target for row in read_table(tmp_path / "a.csv", "image", "label", "label")] == ["cat, big"]


def test_cells_of_csv_have_types(tmp_path: Path) -> None:
    cells = ["cat", "3", "4.0", "NaN", "null", "", "007", "1.5", "N/A"]
    (tmp_path / "a.csv").write_text("image,label\n" + "".join(f"a.png,{cell}\n" for cell in cells))
    found = [row.target for row in read_table(tmp_path / "a.csv", "image", "label", "label")]
    assert found[:3] == ["cat", "3", 4.0] and math.isnan(found[3]) and found[4:] == [None, None, "007", "1.5", None]


@pytest.mark.parametrize("path", ["/etc/hostname", "../secret.png", "pictures/../../secret.png", "link/secret.png"])
def test_paths_out_of_the_folder_are_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.png").write_bytes(b"x")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    (folder / "a.jsonl").write_text(json.dumps({"image": path, "label": 0}))
    with pytest.raises(UserError, match=r"a\.jsonl row 0 points to .* outside"):
        list(read_table(folder / "a.jsonl", "image", "label", "label"))


def test_paths_inside_parquet_structs_are_held_to_the_same(tmp_path: Path, write_parquet: Any) -> None:
    file = write_parquet(tmp_path / "a.parquet", {"image": [{"bytes": None, "path": "/etc/hostname"}], "label": [0]})
    with pytest.raises(UserError, match="outside"):
        list(read_table(file, "image", "label", "label"))


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl", "a.csv"])
def test_a_binary_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(bytes(range(256)) * 10)
    with pytest.raises(UserError, match=f"{name} is not a readable"):
        read_header(tmp_path / name)


def test_a_truncated_parquet_is_refused(labelled: Any) -> None:
    file = labelled() / "train.parquet"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(UserError, match="train.parquet is not a readable parquet"):
        read_header(file)


def test_a_missing_column_is_named_with_what_there_is() -> None:
    with pytest.raises(UserError, match=r"source\.columns\.label: x has no column 'lable' \(did you mean 'label'\?\)"):
        check_columns(("image", "label"), {"image": "image", "label": "lable"}, "x")
