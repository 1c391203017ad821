"""What a finished run hands over: typed rows, a report with its keys, a card, reasons, a page that stands alone."""

from __future__ import annotations

import json
import re

import datasets
import pyarrow.parquet as pq
import pytest
import yaml

from synthgen.recipe import load

REGIME = {"mean", "sd"}
REPORT = {
    "rows": {"requested", "accepted", "candidates", "rejected"},
    "seconds": {"train", "sample", "label", "gate", "evaluate", "export", "total"},
    "throughput": {"rows_per_second", "denoiser_rows_per_second", "efficiency"},
    "utility": {
        "metric", "learner", "seeds", "train_real_test_real", "train_synthetic_test_real", "train_both_test_real",
        "baseline_augmentation",
    },
    "fidelity": {"precision", "recall", "density", "coverage", "frechet"},
    "privacy": {"copies", "nearest_ratio", "membership_auc"},
    "versions": {"torch"},
    "hardware": set(),
    "gates": {"agreement", "copies", "duplicates"},
}  # fmt: skip


@pytest.fixture(scope="module")
def report(undisturbed):
    return json.loads((undisturbed / "dataset" / "report.json").read_text())


@pytest.fixture(scope="module")
def rows(undisturbed, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    return datasets.load_dataset(str(undisturbed / "dataset"), split="train", cache_dir=str(cache))


def test_the_dataset_loads_with_typed_features(rows):
    assert rows.num_rows == 160
    assert isinstance(rows.features["image"], datasets.Image)
    assert isinstance(rows.features["label"], datasets.ClassLabel) and rows.features["label"].num_classes == 10
    assert rows[0]["image"].size == (8, 8) and rows[0]["image"].mode == "L"
    assert len(set(rows["label"])) > 2


def test_every_row_carries_its_provenance(rows, report):
    told = rows["provenance"]
    indices = [row["index"] for row in told]
    assert indices == sorted(set(indices)) and indices[-1] < report["rows"]["candidates"]
    assert {(row["seed"], row["recipe"], row["model"]) for row in told} == {
        (0, report["recipe_sha256"], report["model_sha256"])
    }
    assert all(set(row["scores"]) == {"agreement", "copy_distance", "copy_ratio"} for row in told)


def test_the_report_has_every_promised_key(report):
    assert {"recipe", "task", "recipe_sha256", "model_sha256", *REPORT} <= set(report)
    for part, keys in REPORT.items():
        assert keys <= set(report[part]), part
    for name, regime in report["utility"].items():
        if name.startswith(("train_", "baseline_")):
            assert REGIME <= set(regime) and 0 <= regime["mean"] <= 1
    assert report["rows"]["requested"] == report["rows"]["accepted"] == 160
    assert report["rows"]["candidates"] == 160 + sum(report["rows"]["rejected"].values())
    assert all(report["seconds"][name] > 0 for name in REPORT["seconds"] - {"label"})
    assert report["throughput"]["efficiency"] > 0
    assert {"precision", "recall", "coverage"} <= set(report["fidelity"]["real"])
    assert "quota" not in report["gates"] and "quota" not in report["rows"]["rejected"]  # it was off


def test_the_recipe_in_the_dataset_makes_the_same_run(undisturbed, report):
    assert load(str(undisturbed / "dataset" / "recipe.yaml")).sha256 == report["recipe_sha256"]


def test_the_card_is_read_by_the_hub(undisturbed):
    text = (undisturbed / "dataset" / "README.md").read_text()
    _, head, body = text.split("---\n", 2)
    card = yaml.safe_load(head)
    assert card["task_categories"] == ["image-classification"] and "synthetic" in card["tags"]
    assert card["dataset_info"]["splits"][0]["num_examples"] == 160
    assert card["configs"] and card["license"] and card["size_categories"]
    fidelity = re.search(r"\| recall[^|]*\|([^|]*)\|([^|]*)\|", body)
    assert fidelity and all(0 <= float(cell) <= 1 for cell in fidelity.groups())  # of real rows too
    assert "digits" in body and (undisturbed / "dataset" / "assets" / "preview.png").stat().st_size > 1000


def test_rejected_rows_keep_gate_and_reason(undisturbed, report):
    table = pq.read_table(undisturbed / "state" / "rejections.parquet")
    counts = {name: count for name, count in report["rows"]["rejected"].items() if count}
    assert counts, "this run rejects nothing, so nothing is tested"
    gates = table.column("gate").to_pylist()
    assert {name: gates.count(name) for name in set(gates)} == counts
    assert all(len(reason.split()) > 2 for reason in table.column("reason").to_pylist())
    assert {"image", "label", "provenance"} <= set(table.column_names)


def test_the_report_page_asks_nobody_for_anything(undisturbed):
    page = (undisturbed / "report.html").read_text()
    assert "<svg" in page and "data:image/png;base64," in page
    outside = r"""src\s*=\s*["'](?!data:)[^"']*|<link[^>]*|url\((?!["']?data:)[^)]*|@import[^;]*"""
    assert re.findall(outside, page) == []


def test_only_safetensors_and_json_in_the_model(undisturbed):
    kinds = {path.suffix for folder in ("model", "judges") for path in (undisturbed / folder).rglob("*.*")}
    assert kinds == {".safetensors", ".json"}
