from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthgen.sources import meshes
from synthgen.sources.clouds import Shape
from synthgen.sources.meshes import read_mesh
from synthgen.sources.shape_options import ShapeSourceOptions

trimesh = pytest.importorskip("trimesh")

BOX = (1.0, 2.0, 3.0)


def options(**fields: Any) -> ShapeSourceOptions:
    return ShapeSourceOptions.model_validate({"kind": "files", "path": "x", "points": 256, **fields})


def read(file: Path, folder: Path | None = None, **fields: Any) -> Shape:
    return read_mesh(file, file.name, "thing", options(**fields), folder or file.parent)


def edit_glb(content: bytes, change: Any) -> bytes:
    """The GLB with its JSON header changed."""
    (length,) = struct.unpack_from("<I", content, 12)
    header = json.loads(content[20 : 20 + length])
    change(header)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 4)
    rest = content[20 + length :]
    return struct.pack("<4sIIII", b"glTF", 2, 20 + len(text) + len(rest), len(text), 0x4E4F534A) + text + rest


def extents(shape: Shape) -> list[float]:
    assert shape.points is not None, shape.fault
    return (np.ptp(shape.points, axis=0) * shape.size).round(1).tolist()


@pytest.mark.parametrize("suffix", ["glb", "obj", "ply", "off", "stl"])
def test_every_format_gives_the_box_upright(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"box.{suffix}"
    trimesh.creation.box(BOX).export(file)
    shape = read(file)
    assert extents(shape) == ([1.0, 3.0, 2.0] if suffix == "glb" else [1.0, 2.0, 3.0])
    assert shape.turned == (suffix == "glb") and shape.label == "thing" and shape.center is not None
    faces = np.isclose(np.abs(shape.points), np.abs(shape.points).max(0), atol=1e-3).any(1)  # type: ignore[arg-type]
    assert faces.all()
    assert extents(read(file, up="z")) == [1.0, 2.0, 3.0] and extents(read(file, up="y")) == [1.0, 3.0, 2.0]


def test_the_front_of_gltf_comes_to_look_towards_minus_y(tmp_path: Path) -> None:
    body = trimesh.creation.box((1, 1, 1))
    nose = trimesh.creation.box((0.1, 0.1, 4))
    nose.apply_translation((0, 0, 2))  # glTF: the front is +z
    trimesh.Scene([body, nose]).export(tmp_path / "nose.glb")
    shape = read(tmp_path / "nose.glb")
    places = shape.points * shape.size + shape.center  # type: ignore[operator]
    assert places[:, 1].min() < -3.5 and places[:, 1].max() < 0.6


def test_nodes_of_a_scene_stand_where_the_scene_puts_them(tmp_path: Path) -> None:
    scene = trimesh.Scene()
    box = trimesh.creation.box((1, 1, 1))
    for x in (0, 9):
        scene.add_geometry(box, transform=trimesh.transformations.translation_matrix((x, 0, 0)))
    scene.export(tmp_path / "two.glb")
    assert extents(read(tmp_path / "two.glb"))[0] == 10.0


def test_points_depend_on_the_geometry_not_on_the_file(tmp_path: Path) -> None:
    for name in ("a.stl", "b.stl"):
        trimesh.creation.box(BOX).export(tmp_path / name)
    trimesh.creation.box((1, 2, 4)).export(tmp_path / "c.stl")
    one, two, other = (read(tmp_path / name) for name in ("a.stl", "b.stl", "c.stl"))
    assert one.digest == two.digest and np.array_equal(one.points, two.points)  # type: ignore[arg-type]
    assert one.digest != other.digest


def test_open_and_self_crossing_meshes_are_fine(tmp_path: Path) -> None:
    fan = trimesh.Trimesh([[0, 0, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0], [-1, 0, 0]], [[0, 1, 2], [0, 1, 3], [0, 1, 4]])
    fan.export(tmp_path / "fan.obj")
    assert read(tmp_path / "fan.obj").fault == ""


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("none.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\n", "no faces"),
        ("flat.obj", "v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n", "no face has an area"),
        ("nan.obj", "v 0 0 0\nv nan 0 0\nv 0 1 0\nf 1 2 3\n", "NaN or infinite"),
        ("inf.off", "OFF\n3 1 0\n0 0 0\ninf 0 0\n0 1 0\n3 0 1 2\n", "NaN or infinite"),
        ("far.obj", "v 0 0 0\nv 1e30 0 0\nv 0 1 0\nf 1 2 3\n", "larger than"),
        ("broken.glb", "glTF but no more", "not a readable GLB"),
        ("empty.stl", "", "not a readable STL|no faces"),
        ("words.ply", "hello", "not a readable PLY"),
        ("three.ply", "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
         "end_header\n0 0 0\n1 0 0\n0 1 0\n", "a cloud of 3 points; at least 32"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_says_why(tmp_path: Path, name: str, text: str, reason: str) -> None:
    (tmp_path / name).write_text(text)
    shape = read(tmp_path / name)
    assert shape.points is None
    assert re.search(reason, shape.fault), shape.fault


def test_huge_files_and_too_many_faces_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ball.stl"
    trimesh.creation.icosphere(3).export(file)
    monkeypatch.setattr(meshes, "MOST_FACES", 1000)
    assert read(file).fault == "more than 1,000 faces"
    with (tmp_path / "huge.stl").open("wb") as huge:
        huge.truncate(meshes.LARGEST_FILE + 1)
    assert "at most 64" in read(tmp_path / "huge.stl").fault


def make_glb(change: Any) -> bytes:
    return edit_glb(trimesh.creation.box(BOX).export(file_type="glb"), change)


def test_a_texture_outside_the_folder_is_not_read_and_the_mesh_loads(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    inside = tmp_path / "shop"
    inside.mkdir()

    def add_texture(header: Any) -> None:
        header["images"] = [{"uri": "../secret.png"}]
        header["textures"] = [{"source": 0}]
        header["materials"] = [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}]
        header["meshes"][0]["primitives"][0]["material"] = 0

    (inside / "box.glb").write_bytes(make_glb(add_texture))
    (inside / "box.obj").write_text("mtllib ../secret.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    assert read(inside / "box.glb").fault == "" and read(inside / "box.obj").fault == ""


def test_a_buffer_is_read_inside_the_folder_and_refused_outside(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    (shop / "chair").mkdir(parents=True)
    files = trimesh.Scene(trimesh.creation.box(BOX)).export(file_type="gltf")
    header = json.loads(files["model.gltf"])
    names = [buffer["uri"] for buffer in header["buffers"]]
    for place in (tmp_path, shop):
        for number, name in enumerate(names):
            (place / f"buffer {number}.bin").write_bytes(files[name])
    for depth, reason in (("../", ""), ("../../", "outside the source's folder")):
        for number, buffer in enumerate(header["buffers"]):
            buffer["uri"] = f"{depth}buffer%20{number}.bin"
        (shop / "chair/box.gltf").write_text(json.dumps(header))
        fault = read(shop / "chair/box.gltf", shop).fault
        assert (reason in fault) if reason else fault == ""
    header["buffers"][0]["uri"] = "gone.bin"
    (shop / "chair/box.gltf").write_text(json.dumps(header))
    assert "'gone.bin', which is not there" in read(shop / "chair/box.gltf", shop).fault


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    trimesh.creation.box(BOX).export(tmp_path / "box.stl")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/box.stl").symlink_to(tmp_path / "box.stl")
    assert "a link to a file outside" in read(tmp_path / "shop/box.stl").fault


def test_gltf_that_would_unpack_to_everything_or_run_in_circles_is_refused(tmp_path: Path) -> None:
    def ask_for_all(header: Any) -> None:
        header["accessors"].append({"componentType": 5126, "count": 10**9, "type": "VEC3"})

    def go_in_circles(header: Any) -> None:
        header["nodes"] = [{"children": [1], "mesh": 0}, {"children": [0]}]

    for change, reason in ((ask_for_all, "unpacks to"), (go_in_circles, "its own ancestor")):
        (tmp_path / "bad.glb").write_bytes(make_glb(change))
        assert reason in read(tmp_path / "bad.glb").fault


def test_a_ply_without_faces_is_a_cloud_with_its_parts(tmp_path: Path) -> None:
    places = np.random.default_rng(0).normal(size=(300, 3)).astype("<f4")
    fields = [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("part", "u1")]
    vertices = np.array([(*place, number % 3) for number, place in enumerate(places.tolist())], dtype=fields)
    lines = ["ply", "format binary_little_endian 1.0", "element vertex 300"]
    lines += [f"property float {axis}" for axis in "xyz"] + ["property uchar part", "end_header", ""]
    (tmp_path / "cloud.ply").write_bytes("\n".join(lines).encode() + vertices.tobytes())
    shape = read(tmp_path / "cloud.ply")
    assert shape.fault == "" and shape.marks is not None and shape.points is not None and not shape.repeated
    found = shape.points * shape.size + shape.center
    nearest = np.linalg.norm(found[:, None] - places, axis=-1).argmin(1)
    assert np.array_equal(shape.marks, nearest % 3) and len(set(nearest)) == 256
    assert "no property 'segment'" in read(tmp_path / "cloud.ply", columns={"part": "segment"}).fault
