from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from synthgen.errors import UserError
from synthgen.sources import builtins
from synthgen.sources.clouds import choose_points, make_cloud, read_npz, turn_upright
from synthgen.sources.shape_options import ShapeSourceOptions
from synthgen.sources.shapes import describe_shapes, load_shapes

trimesh = pytest.importorskip("trimesh")


def files(path: Path | str, **fields: Any) -> ShapeSourceOptions:
    return ShapeSourceOptions.model_validate({"kind": "files", "path": str(path), "points": 256, **fields})


def builtin(name: str, **fields: Any) -> ShapeSourceOptions:
    return ShapeSourceOptions.model_validate({"kind": "builtin", "name": name, **fields})


def make_box(number: int) -> Any:
    return trimesh.creation.box((1, 1 + number / 10, 2))


def write_meshes(folder: Path, counts: dict[str, int], start: int = 0) -> Path:
    """A folder a class with so many boxes, all different."""
    number = start
    for name, count in counts.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for _ in range(count):
            number += 1
            make_box(number).export(folder / name / f"{number:03}.stl")
    return folder


def make_clouds(count: int, points: int = 300, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, points, 3)).astype(np.float32)


def write_table(file: Path, clouds: Any, labels: list[Any], marks: Any = None, metadata: Any = None) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    arrays = {
        "points": pa.array([cloud.tolist() for cloud in clouds], pa.list_(pa.list_(pa.float32()))),
        "label": labels,
    }
    if marks is not None:
        arrays["part"] = [part.tolist() for part in marks]
    table = pa.table(arrays)
    if metadata:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": metadata}})})
    pq.write_table(table, file)
    return file


def counts(data: Any) -> list[int]:
    return [len(part["label"]) for part in (data.train, data.validation, data.heldout)]


def test_furniture_through_the_door(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synthgen.sources.furniture.VALIDATION_ROWS", 8)
    monkeypatch.setattr("synthgen.sources.furniture.HELDOUT_ROWS", 16)
    data = load_shapes(builtin("furniture", rows=24, points=256), seed=0)
    assert counts(data) == [24, 8, 16] and data.details["points"] == 256
    assert data.train["points"].shape == (24, 256, 3) and len(data.classes) >= 8
    assert data.origin.license == "CC0-1.0"
    for number, name in enumerate(data.classes):
        found = np.unique(data.train["part"][data.train["label"] == number])
        assert set(found) <= set(data.details["parts_of"][name])
    assert "8 classes" in describe_shapes(builtin("furniture"))


def test_unknown_builtins_and_a_missing_package_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"'furnitures' is not built in \(did you mean 'furniture'\?\)"):
        load_shapes(builtin("furnitures"), 0)
    monkeypatch.setattr(builtins, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'synthgen\[3d\]'"):
        describe_shapes(builtin("furniture"))


def test_class_folders_become_rows_in_their_own_frame(tmp_path: Path) -> None:
    folder = write_meshes(tmp_path, {"high": 20, "low": 10})
    data = load_shapes(files(folder), seed=0)
    assert counts(data) == [22, 2, 6] and data.classes == ("high", "low")
    assert data.details == {"parts": ("object",), "points": 256, "parts_of": {"high": (0,), "low": (0,)}}
    points, size, center = (data.train[name] for name in ("points", "size", "center"))
    assert points.dtype == size.dtype == center.dtype == np.float32 and data.train["part"].dtype == np.uint8
    assert np.allclose(np.linalg.norm(np.ptp(points, axis=1), axis=1), 2, atol=1e-5)
    extents = (np.ptp(points, axis=1) * size[:, None]).round(1)
    assert (extents[:, 0] == 1).all() and (extents[:, 2] == 2).all() and len(set(extents[:, 1])) == 22
    assert describe_shapes(files(folder)) == f"{tmp_path.name}: train; 30 files, 2 classes"


def test_same_bytes_every_time_and_held_out_whatever_the_seed(tmp_path: Path) -> None:
    folder = write_meshes(tmp_path, {"high": 12, "low": 12})
    one, two, other = (load_shapes(files(folder, rows=8), seed=seed) for seed in (3, 3, 4))
    for name in one.train:
        assert one.train[name].tobytes() == two.train[name].tobytes()
        assert one.heldout[name].tobytes() == other.heldout[name].tobytes()
    assert one.train["points"].tobytes() != other.train["points"].tobytes()


def test_train_and_test_folders_are_kept(tmp_path: Path) -> None:
    write_meshes(tmp_path / "train", {"high": 10, "low": 10})
    write_meshes(tmp_path / "test", {"high": 3, "low": 4}, start=50)
    data = load_shapes(files(tmp_path), seed=0)
    assert counts(data) == [18, 2, 7] and "own test part" in data.origin.splits


def test_a_copy_of_a_training_mesh_is_no_held_out_row(tmp_path: Path) -> None:
    write_meshes(tmp_path / "train", {"high": 10, "low": 10})
    write_meshes(tmp_path / "test", {"high": 3, "low": 4}, start=50)
    make_box(1).export(tmp_path / "test/high/copy.ply")  # another format, the same geometry
    data = load_shapes(files(tmp_path), seed=0)
    assert counts(data)[2] == 7 and any("left out: the same" in note for note in data.origin.notes)


@pytest.mark.parametrize("beside", [True, False])
def test_labels_csv_in_the_folder_or_beside_it(tmp_path: Path, beside: bool) -> None:
    folder = write_meshes(tmp_path / "shop", {"all": 24})
    names = [f"all/{number:03}.stl" for number in range(1, 24)]
    prefix = "shop/" if beside else ""
    lines = ["path,class,pack", *(f"{prefix}{name},{'ab'[number % 2]},x" for number, name in enumerate(names))]
    place = tmp_path if beside else folder
    (place / "labels.csv").write_text("\n".join([*lines, "other/thing.stl,a,x"] if beside else lines))
    data = load_shapes(files(folder), seed=0)
    assert data.classes == ("a", "b") and sum(counts(data)) == 23
    assert any("were not read: all/024.stl" in note for note in data.origin.notes)
    assert "labels.csv" in data.origin.labels


def test_labels_csv_with_other_columns_paths_outside_and_missing_files(tmp_path: Path) -> None:
    folder = write_meshes(tmp_path / "shop", {"all": 12})
    rows = [(f"all/{number:03}.stl", "ab"[number % 2]) for number in range(1, 13)]
    table = folder / "labels.csv"
    table.write_text("\n".join(["file,kind", *(",".join(row) for row in rows)]))
    with pytest.raises(UserError, match=r"source\.columns\.path: labels\.csv has no column 'path'"):
        load_shapes(files(folder), 0)
    data = load_shapes(files(folder, columns={"path": "file", "label": "kind"}), 0)
    assert sum(counts(data)) == 12
    table.write_text("\n".join(["path,class", *(",".join(row) for row in rows), "all/gone.stl,a"]))
    assert any("'all/gone.stl' is no shape here" in note for note in load_shapes(files(folder), 0).origin.notes)
    table.write_text("path,class\n../elsewhere.stl,a\n")
    with pytest.raises(UserError, match="outside the folder"):
        load_shapes(files(folder), 0)


def test_a_few_bad_meshes_are_named_and_many_stop_the_run(tmp_path: Path) -> None:
    folder = write_meshes(tmp_path, {"high": 12, "low": 12})
    (folder / "high/empty.obj").write_text("v 0 0 0\n")
    data = load_shapes(files(folder), 0)
    assert sum(counts(data)) == 24 and any("high/empty.obj: " in note for note in data.origin.notes)
    (folder / "low/empty.off").write_text("OFF\n0 0 0\n")
    with pytest.raises(UserError, match=r"2 of 26 rows cannot be used, first high/empty\.obj"):
        load_shapes(files(folder), 0)


def test_rare_classes_are_dropped_or_kept(tmp_path: Path) -> None:
    folder = write_meshes(tmp_path, {"high": 12, "low": 12, "odd": 2})
    data = load_shapes(files(folder), 0)
    assert data.classes == ("high", "low") and any("left out (source.least): odd 2" in n for n in data.origin.notes)
    assert set(data.train["label"]) == {0, 1}
    assert load_shapes(files(folder, rare="keep"), 0).classes == ("high", "low", "odd")
    with pytest.raises(UserError, match=r"source\.least: 13 leaves fewer than two classes \(high 12"):
        load_shapes(files(folder, least=13), 0)


def test_classes_chooses_and_orders(tmp_path: Path) -> None:
    folder = write_meshes(tmp_path, {"high": 12, "low": 12, "wide": 12})
    data = load_shapes(files(folder, classes=["wide", "high"]), 0)
    assert data.classes == ("wide", "high") and sum(counts(data)) == 24
    assert any(note.startswith("12 of 36 shapes") for note in data.origin.notes)
    with pytest.raises(UserError, match=r"source: class 'hihg' has no training shapes"):
        load_shapes(files(folder, classes=["wide", "high", "hihg"]), 0)


def test_parquet_with_parts_and_names_of_features(tmp_path: Path) -> None:
    clouds = make_clouds(30)
    marks = [(cloud[:, 2] > 0).astype(int) for cloud in clouds]
    names = {"_type": "ClassLabel", "names": ["low", "high"]}
    features = {"label": {"_type": "ClassLabel", "names": ["x", "y"]}, "part": {"_type": "List", "feature": names}}
    write_table(tmp_path / "train.parquet", clouds, [number % 2 for number in range(30)], marks, features)
    data = load_shapes(files(tmp_path), seed=0)
    assert data.classes == ("x", "y") and data.details["parts"] == ("low", "high")
    assert data.details["parts_of"] == {"x": (0, 1), "y": (0, 1)}
    z = data.train["points"][..., 2] * data.train["size"][:, None] + data.train["center"][:, 2:]
    far = np.abs(z) > 1e-5
    assert far.mean() > 0.99 and np.array_equal((data.train["part"] == 1)[far], z[far] > 0)
    assert describe_shapes(files(tmp_path)).endswith("train; 30 rows")


def test_parts_by_name_by_number_and_unknown_ones(tmp_path: Path) -> None:
    clouds, labels = make_clouds(30), [number % 2 for number in range(30)]
    marks = [np.where(cloud[:, 2] > 0, "top", "leg") for cloud in clouds]
    write_table(tmp_path / "words.parquet", clouds, labels, marks)
    assert load_shapes(files(tmp_path / "words.parquet"), 0).details["parts"] == ("leg", "top")
    ordered = load_shapes(files(tmp_path / "words.parquet", parts=["top", "leg"]), 0)
    assert ordered.details["parts"] == ("top", "leg")
    write_table(tmp_path / "numbers.parquet", clouds, labels, [(cloud[:, 2] > 0) * 7 for cloud in clouds])
    assert load_shapes(files(tmp_path / "numbers.parquet"), 0).details["parts"] == ("part 0", "part 7")
    with pytest.raises(UserError, match="part 7 is not one of the parts"):
        load_shapes(files(tmp_path / "numbers.parquet", parts=["top", "leg"]), 0)


def test_columns_of_a_table_are_named_or_missing(tmp_path: Path) -> None:
    table = write_table(tmp_path / "one.parquet", make_clouds(20), [number % 2 for number in range(20)])
    with pytest.raises(UserError, match=r"source\.columns\.points: one\.parquet has no column 'xyz'"):
        load_shapes(files(table, columns={"points": "xyz"}), 0)
    with pytest.raises(UserError, match=r"source\.columns\.part: one\.parquet has no column 'segment'"):
        describe_shapes(files(table, columns={"part": "segment"}))


def test_npz_of_many_clouds_and_of_one_in_a_class_folder(tmp_path: Path) -> None:
    clouds, labels = make_clouds(30), np.array(["a", "b"] * 15)
    np.savez(tmp_path / "train.npz", points=clouds, label=labels, part=np.zeros((30, 300), int))
    np.savez(tmp_path / "test.npz", points=make_clouds(6, seed=1), label=labels[:6], part=np.zeros((6, 300), int))
    data = load_shapes(files(tmp_path), 0)
    assert counts(data) == [27, 3, 6] and data.classes == ("a", "b") and data.details["parts"] == ("part 0",)
    for number, cloud in enumerate(make_clouds(20, seed=2)):
        (tmp_path / "folders" / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        np.savez(tmp_path / "folders" / "ab"[number % 2] / f"{number}.npz", points=cloud)
    assert sum(counts(load_shapes(files(tmp_path / "folders"), 0))) == 20


def test_npz_without_what_is_needed(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", xyz=make_clouds(1)[0])
    np.savez(tmp_path / "b.npz", points=np.array([object()]), allow_pickle=True)
    (tmp_path / "c.npz").write_text("no archive")
    np.savez(tmp_path / "d.npz", points=make_clouds(3), label=np.zeros(2))
    reasons = ("no array 'points'", "allow_pickle", "not a readable NPZ", "2 label values for 3 clouds")
    for name, reason in zip("abcd", reasons, strict=True):
        (shape,) = read_npz(tmp_path / f"{name}.npz", name, "x", {}, 256)
        assert reason in shape.fault


def test_too_few_points_are_repeated_and_many_are_thinned() -> None:
    few = make_cloud("few", "x", make_clouds(1, 40)[0], None, 256)
    assert few.repeated and few.points is not None
    _, times = np.unique(few.points, axis=0, return_counts=True)
    assert len(times) == 40 and times.min() == 6 and times.max() == 7
    index = choose_points(1000, 256, np.random.default_rng(0))
    assert len(set(index.tolist())) == 256


def test_clouds_that_cannot_be_used() -> None:
    good = make_clouds(1)[0]
    broken = good.copy()
    broken[5, 1] = np.nan
    for points, marks, reason in (
        (good[:3], None, "a cloud of 3 points; at least 32"),
        (broken, None, "NaN or infinite"),
        (np.ones((64, 3)), None, "all points are at one place"),
        (good[:, :2], None, "must be numbers"),
        (good, np.zeros(299), "part has the shape"),
        (good, np.full(300, 0.5), "neither whole numbers nor names"),
    ):
        assert reason in make_cloud("here", "x", points, marks, 256).fault


def test_turning_upright_is_a_rotation() -> None:
    turn = turn_upright(np.eye(3)).T
    assert np.allclose(turn @ turn.T, np.eye(3)) and np.linalg.det(turn) == pytest.approx(1)
    assert turn_upright(np.array([0.0, 1, 0])).tolist() == [0, 0, 1]


def test_a_dataset_in_the_layout_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    clouds, labels = make_clouds(30), [number % 2 for number in range(30)]
    write_table(tmp_path / "me/clouds/data/train-00000-of-00001.parquet", clouds, labels)
    write_table(tmp_path / "me/clouds/data/test-00000-of-00001.parquet", make_clouds(8, seed=1), labels[:8])
    options = ShapeSourceOptions(kind="hub", id="me/clouds", points=256)
    data = load_shapes(options, 0)
    assert counts(data) == [27, 3, 8] and data.classes == ("0", "1")
    assert describe_shapes(options).startswith("me/clouds of the Hugging Face Hub")


def test_options_refuse_what_cannot_work() -> None:
    for fields in ({"points": 100}, {"points": 257}, {"up": "x"}, {"parts": ["a", "a"]}, {"columns": {"image": "x"}}):
        with pytest.raises(ValidationError):
            files("x", **fields)
    with pytest.raises(ValidationError, match="'up' does not belong to kind 'builtin'"):
        builtin("furniture", up="y")


def test_a_folder_without_shapes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(UserError, match=r"source\.path: .* holds no GLB"):
        describe_shapes(files(tmp_path))
