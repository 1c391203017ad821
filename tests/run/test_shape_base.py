"""Runs of 3D shapes that start from a tiny Shap-E pipeline: trained on, or as it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import trimesh
from shape_bases import write_shap_e
from tiny import data_digests, rewind, start, words

TINY = {
    "source.rows": 24, "source.points": 256, "model.grid": 20, "model.fit_steps": 10, "train.seconds": "null",
    "train.steps": 20, "train.batch_size": 8, "train.learning_rate": 0.05, "train.early_stop.nearest_ratio": "null",
    "count": 6, "sample.steps": 4, "sample.batch_size": 4, "sample.shard_size": 4, "evaluate.seeds": 1,
    "evaluate.steps": 2, "evaluate.batch_size": 4, "evaluate.gates": "false", "evaluate.membership": "false",
    "gates": "{agreement: off, copies: off, duplicates: off, quota: off}",
}  # fmt: skip


def go(base: Path, out: Path, *more: str, **changes: Any) -> tuple[int, str]:
    """`synthgen run 3d` from the base, in a process of its own."""
    process = start([*words("3d", {**TINY, "model.base": base}, out, **changes), *more])
    _, err = process.communicate(timeout=300)
    return process.returncode, err


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shap_e(tmp_path_factory.mktemp("bases") / "shap-e")


@pytest.fixture(scope="module")
def trained(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "trained"
    code, err = go(base, folder)
    assert code == 0, err
    return folder


def report_of(folder: Path) -> Any:
    return json.loads((folder / "dataset" / "report.json").read_text())


@pytest.mark.slow
def test_the_loss_falls_and_the_model_draws_the_same_without_its_base(base, trained, tmp_path):
    training = report_of(trained)["training"]
    losses = [point["validation_loss"] for point in training["history"]]
    assert training["steps"] == 20 and losses[-1] < 0.9 * losses[0], losses
    folder = Path(shutil.copytree(trained, tmp_path / "trained"))
    rewind(folder, "state/shards", "state/encoded")
    base.rename(base.with_name("gone"))
    try:
        code, err = go(base, folder)
    finally:
        base.with_name("gone").rename(base)
    assert code == 0, err
    assert data_digests(folder) == data_digests(trained)


@pytest.mark.slow
def test_replicas_draw_the_same(base, trained, tmp_path):
    folder = Path(shutil.copytree(trained, tmp_path / "trained"))
    rewind(folder, "state/shards")
    code, err = go(base, folder, "--engine", "ray", "--replicas", "2")
    assert code == 0, err
    assert data_digests(folder) == data_digests(trained)


@pytest.mark.slow
def test_rows_have_the_drawn_mesh_and_say_who_saw_their_parts(trained):
    rows = datasets.load_dataset(str(trained / "dataset"), split="train")
    for row in rows:
        mesh, points, normals = row["mesh"], np.array(row["points"]), np.array(row["normals"])
        assert mesh.is_watertight and mesh.volume > 0
        near, away, face = trimesh.proximity.closest_point(mesh, points)
        assert away.max() < 1e-4 * row["size"]
        assert (normals * mesh.face_normals[face]).sum(1).mean() > 0.9
        assert points[:, 2].min() == pytest.approx(0, abs=1e-5)
        assert row["provenance"]["scores"]["surface"] == 1
    card = (trained / "dataset" / "README.md").read_text()
    assert "by construction, but for parts and pieces, which a judge saw" in card
    assert "trained on real rows, also said the parts and pieces" in card
    assert any("parts and pieces" in finding["text"] for finding in report_of(trained)["findings"])
    assert {path.name for path in (trained / "model" / "renderer").iterdir()} == {
        "config.json", "diffusion_pytorch_model.safetensors",
    }  # fmt: skip


@pytest.mark.slow
def test_a_base_draws_as_it_is(base, tmp_path):
    changes = {"model__adapt": "none", "sample__guidance": 4, "evaluate__membership": "true"}
    code, err = go(base, tmp_path / "run", **changes)
    assert code == 0 and "training ended early" not in err, err
    report = report_of(tmp_path / "run")
    training = report["training"]
    assert (
        training["steps"] == 0 and training["history"] == [] and training["stopped"].startswith("nothing of the base")
    )
    assert report["privacy"].get("membership_auc") is None, "there are no members"
    assert not (tmp_path / "run" / "state" / "encoded").exists(), "latents were fitted that nobody needs"
    assert "taken as it is and asked for rows" in (tmp_path / "run" / "dataset" / "README.md").read_text()
    process = start(["regenerate", str(tmp_path / "run"), "2"])
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0 and "identical" in out, err


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model__base": "/no/such/base"}, "model.base: there is no folder /no/such/base; name one"),
        ({"model__prompt": "a chair"}, "model.prompt: 'a chair' asks for no class"),
        ({"conditions__required": "{chair: [leg]}"}, "conditions.required: "),
        ({"sample__guidance": 4}, "sample.guidance: 4 needs a net that also learned without its condition"),
    ],
)
def test_what_a_base_cannot_do_is_refused_before_anything_is_made(base, command, tmp_path, changes, told):
    outcome = command(*words("3d", {**TINY, "model.base": base}, tmp_path / "run", **changes))
    last = outcome.err.splitlines()[-1]
    assert outcome.code == 2 and told in last and "Traceback" not in outcome.err, outcome.err
    assert not (tmp_path / "run").exists()


def test_validate_refuses_it_too(base, command):
    settings = {**TINY, "model.base": base, "conditions.required": "{chair: [leg]}"}
    outcome = command("validate", "3d", *(word for n, v in settings.items() for word in ("--set", f"{n}={v}")))
    assert outcome.code == 2 and f"conditions.required: {base} draws whole objects" in outcome.err
