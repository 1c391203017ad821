"""Latents of Shap-E and rows: points on the decoded mesh, whoever asks; real rows fitted once and kept."""

from __future__ import annotations

import shutil

import datasets
import numpy as np
import pytest
import torch
import trimesh
from shape_bases import write_shap_e
from solids import CLASSES, make_solids

from synthgen.codecs.shape_latents import RENDERER, open_shape_latents
from synthgen.export.parquet import rows_to_table, table_to_rows
from synthgen.labels.inventories import build_inventories
from synthgen.labels.judged_parts import find_surfaces
from synthgen.labels.shape_options import ShapeConditionOptions
from synthgen.labels.surfaces import estimate_normals
from synthgen.networks.implicit import draw_surface
from synthgen.networks.pretrained_shapes import ShapeOptions, read_renderer
from synthgen.soups import read_mesh_bytes
from synthgen.tasks.shapes3d import TASK
from synthgen.types import Keeping, take_rows

DATA = make_solids(18, 256)
DRAWN = build_inventories(DATA, ShapeConditionOptions(), 0).draw(np.arange(4))


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    folder = write_shap_e(tmp_path_factory.mktemp("bases") / "shap-e")
    return ShapeOptions(base=str(folder), grid=20, fit_steps=20)


def open_codec(options, folder=None):
    return open_shape_latents(options, CLASSES, 256, folder, estimate_normals)


@pytest.fixture(scope="module")
def codec(options):
    return open_codec(options)


def latents(count):
    return torch.randn(count, 32, 16, generator=torch.Generator().manual_seed(0))


def test_points_lie_on_the_mesh_that_the_renderer_draws(codec):
    rows = codec.decode(latents(4), DRAWN)
    assert rows["points"].shape == (4, 256, 3) and rows["points"].dtype == np.float32
    assert not rows["part"].any() and not rows["piece"].any() and rows["part"].shape == (4, 256)
    assert {"label", "size", "yaw"} < set(rows) and "boxes" not in rows
    for points, mesh, latent in zip(rows["points"], rows["mesh"], latents(4), strict=True):
        vertices, faces = read_mesh_bytes(mesh)
        own, wanted = draw_surface(codec.renderer, latent.clamp(-1, 1), 20)
        assert np.array_equal(faces, wanted)
        size = np.ptp(own, axis=0) / np.ptp(vertices, axis=0)
        assert np.ptp(size) < 1e-4 * size[0]
        solid = trimesh.Trimesh(vertices, faces, process=False)
        assert np.abs(trimesh.proximity.closest_point(solid, points)[1]).max() < 1e-5
        low, high = points.min(0), points.max(0)
        np.testing.assert_allclose(low + high, 0, atol=1e-5)
        assert np.linalg.norm(high - low) == pytest.approx(2, abs=1e-5)
    assert find_surfaces(rows)[1] == [""] * 4


def test_a_row_does_not_depend_on_its_company(codec):
    whole, one = codec.decode(latents(4), DRAWN), codec.decode(latents(4)[2:3], take_rows(DRAWN, slice(2, 3)))
    for name in ("points", "mesh", "size"):
        assert np.array_equal(whole[name][2:3], one[name])
    other = codec.decode(latents(4)[2:3], take_rows(DRAWN, slice(3, 4)))
    assert one["mesh"][0] != other["mesh"][0] or not np.array_equal(one["points"], other["points"])


def test_a_latent_without_a_surface_is_told(codec, options):
    hollow = open_codec(options)
    hollow.renderer.mlp.mlp[-1].bias[0] = -1e4
    rows = hollow.decode(latents(2), take_rows(DRAWN, slice(0, 2)))
    assert not rows["points"].any() and not any(read_mesh_bytes(mesh)[0].any() for mesh in rows["mesh"])
    scores, reasons = find_surfaces(rows)
    assert scores.tolist() == [0, 0] and reasons == ["the model drew no surface"] * 2
    assert np.isfinite(codec.describe(rows)).all()
    rows = TASK.annotate(rows, DATA)
    table = rows_to_table(TASK.encode(rows, DATA), datasets.Features(TASK.early(DATA)), {})
    late = TASK.complete(table_to_rows(table), DATA)
    shown = {**table_to_rows(table), "mesh": late["mesh"]}
    assert len(TASK.draw(rows, DATA)) == len(TASK.draw_late(shown, DATA)["synthetic: meshes"]) == 2


def test_the_model_brings_its_renderer(codec, options, tmp_path):
    for name, content in codec.files().items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    assert read_renderer(tmp_path / RENDERER).config["param_shapes"] == codec.renderer.config["param_shapes"]
    again = open_codec(options.model_copy(update={"base": "gone"}), tmp_path)
    assert again.shape == codec.shape == (32, 16)
    one, other = (some.decode(latents(3), take_rows(DRAWN, slice(0, 3))) for some in (codec, again))
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_real_rows_are_fitted_once(codec, options, tmp_path):
    gone = tmp_path / "base"
    shutil.copytree(options.base, gone)
    mine = open_codec(options.model_copy(update={"base": str(gone)}))
    assert isinstance(mine, Keeping)
    mine.keep_in(tmp_path / "kept")
    rows = take_rows(DATA.train, slice(0, 4))
    x = mine.encode(rows)
    assert x.shape == (4, 32, 16) and x.dtype == torch.float32 and float(x.abs().max()) <= 1
    shutil.rmtree(gone)
    mixed = take_rows(rows, np.array([3, 1]))
    assert torch.equal(mine.encode(mixed), x[[3, 1]]) and torch.equal(mine.encode(rows), x)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "kept").iterdir()}
    assert len(before) == 4 + 1 and {path.suffix for path in before} == {".safetensors"}
    mine.encode(take_rows(DATA.train, slice(3, 6)))  # starts are kept, so the base is not asked again
    assert len(list((tmp_path / "kept").iterdir())) == 7
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


def test_a_row_is_fitted_alike_in_any_company(codec):
    rows = take_rows(DATA.train, slice(0, 3))
    torch.testing.assert_close(codec.encode(take_rows(rows, slice(1, 2))), codec.encode(rows)[1:2], atol=1e-3, rtol=0)


def test_a_damaged_latent_is_fitted_anew(options, tmp_path):
    mine, rows = open_codec(options), take_rows(DATA.train, slice(0, 1))
    mine.keep_in(tmp_path)
    x = mine.encode(rows)
    (file,) = (path for path in tmp_path.iterdir() if path.stem != "starts")
    file.write_bytes(file.read_bytes()[:100])
    assert torch.equal(mine.encode(rows), x) and file.stat().st_size > 100


def test_fitted_latents_are_nearer_to_the_points_than_what_they_start_from(options):
    longer = open_codec(options.model_copy(update={"fit_steps": 120}))
    rows = take_rows(DATA.train, slice(0, 3))
    fitted, starts = longer.encode(rows), longer.start()[torch.from_numpy(rows["label"])]

    def miss(x):
        away = []
        for mesh, points in zip(longer.decode(x, rows)["mesh"], rows["points"], strict=True):
            solid = trimesh.Trimesh(*read_mesh_bytes(mesh), process=False)
            away.append(float(trimesh.proximity.closest_point(solid, points)[1].mean()))
        return np.array(away)

    assert (miss(fitted) < miss(starts)).all()


def test_the_net_is_told_the_class_alone(codec):
    told = codec.condition(DRAWN)
    assert list(told) == ["label"] and told["label"].dtype == torch.int64
    assert np.array_equal(told["label"].numpy(), DRAWN["label"])


def test_descriptors_do_not_look_at_parts(codec):
    rows = take_rows(DATA.train, slice(0, 3))
    found = codec.describe(rows)
    assert found.shape == (3, 131) and found.dtype == np.float32
    assert np.array_equal(found, codec.describe({**rows, "part": np.zeros_like(rows["part"])}))
