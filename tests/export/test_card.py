"""The card's header is what the Hub and `datasets` read; its text holds the numbers and no one's HTML."""

from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml
from huggingface_hub import DatasetCard

from synthgen.export.card import write_card
from synthgen.export.header import LARGEST, hub_license, size_category
from synthgen.types import Origin

ORIGIN = Origin(
    name="Stained tissue",
    license="CC0-1.0",
    citation="van der Walt 2014",
    labels="Colour deconvolution with thresholds.",
    splits="Left half and right half.",
    notes=("Crops of 64 pixels.",),
)
FEATURES = datasets.Features(
    {
        "image": datasets.Image(),
        "mask": datasets.Image(mode="L"),
        "label": datasets.ClassLabel(names=["no", "yes"]),
        "objects": [{"class": datasets.Value("int32"), "box": datasets.Sequence(datasets.Value("int32"), length=4)}],
        "provenance": {"index": datasets.Value("int64"), "scores": {"agreement": datasets.Value("float32")}},
    }
)
HUB_TAGS = {"task_categories": ["image-segmentation"], "task_ids": ["semantic-segmentation"], "tags": ["biology"]}
RECIPE = "name: tissue\ncount: 4\nnote: '```'\n"


def regime(mean: float, sd: float | None = 0.0021) -> dict[str, Any]:
    return {"mean": mean, "sd": sd, "values": [mean], "rows": 1024, "per_class": {"a|b": mean, "<i>": None}}


def report() -> dict[str, Any]:
    return {
        "recipe": "tissue",
        "recipe_sha256": "ab" * 32,
        "model_sha256": "cd" * 32,
        "versions": {"torch": "2.13.0"},
        "hardware": {"cores": 2},
        "rows": {"accepted": 2000, "candidates": 2387, "rejected": {"agreement": 301}},
        "utility": {
            "metric": "mIoU",
            "learner": "small U-Net",
            "seeds": 3,
            "steps": 400,
            "heldout_rows": 256,
            "train_real_test_real": regime(0.9571),
            "train_synthetic_test_real": regime(0.9263),
            "train_both_test_real": regime(0.9598),
            "baseline_augmentation": None,
            "worth": 0.9678,
            "gain": {"mean": 0.0027, "sd": 0.001},
        },
        "fidelity": {"precision": 0.91, "recall": 0.62, "real": {"precision": 0.93}},
        "privacy": {"copies": 3, "copies_expected": 4.2, "nearest_ratio": 0.95, "note": "Other half."},
        "gates": {"agreement": {"rejected": 301, "worth": {"mean": 0.009, "sd": 0.002}, "explanation": "A judge."}},
        "training": {"parameters": 702_444, "steps": 1990},
    }


def written(tmp_path: Path, origin: Origin = ORIGIN, **more: Any) -> str:
    path = tmp_path / "README.md"
    arguments: dict[str, Any] = {
        "pictures": {"Real rows beside synthetic rows": "assets/samples.png"},
        "tags": ["tissue"],
        **more,
    }
    record = arguments.pop("report", report())
    write_card(
        path,
        record,
        recipe_yaml=RECIPE,
        recipe_name="tissue",
        features=FEATURES,
        split_sizes={"train": {"num_examples": 2000, "num_bytes": 123_456}},
        hub_tags=HUB_TAGS,
        origin=origin,
        **arguments,
    )
    return path.read_text(encoding="utf-8")


def test_header_is_what_the_hub_reads(tmp_path: Path) -> None:
    data = DatasetCard(written(tmp_path)).data.to_dict()
    assert data["license"] == "cc0-1.0"
    assert data["task_categories"] == ["image-segmentation"]
    assert data["size_categories"] == ["1K<n<10K"]
    assert data["tags"] == ["synthetic", "synthgen", "diffusion", "biology", "tissue"]
    assert data["configs"] == [{"config_name": "default", "data_files": [{"split": "train", "path": "data/train-*"}]}]
    assert data["pretty_name"] == "tissue"


def test_features_come_back_from_the_header(tmp_path: Path) -> None:
    data = DatasetCard(written(tmp_path)).data
    info = datasets.info.DatasetInfosDict.from_dataset_card_data(data)["default"]
    assert info.features == FEATURES
    assert (info.splits["train"].num_examples, info.splits["train"].num_bytes) == (2000, 123_456)


def test_datasets_loads_a_folder_by_this_card(tmp_path: Path) -> None:
    features = datasets.Features({"label": datasets.ClassLabel(names=["no", "yes"]), "x": datasets.Value("float32")})
    (tmp_path / "data").mkdir()
    rows = datasets.Dataset.from_dict({"label": [0, 1, 1], "x": [0.5, 1.5, 2.5]}, features=features)
    rows.to_parquet(tmp_path / "data" / "train-00000-of-00001.parquet")
    (tmp_path / "coco").mkdir()
    (tmp_path / "coco" / "notes.json").write_text('{"another": "format"}')
    sizes = {"train": {"num_examples": 3, "num_bytes": 0}}
    names = {"recipe_yaml": RECIPE, "recipe_name": "x", "hub_tags": {}, "origin": ORIGIN}
    write_card(tmp_path / "README.md", {}, features=features, split_sizes=sizes, **names)
    loaded = datasets.load_dataset(str(tmp_path), cache_dir=str(tmp_path / "cache"))
    assert loaded["train"].features == features
    assert loaded["train"]["label"] == [0, 1, 1]


def test_text_holds_the_numbers(tmp_path: Path) -> None:
    text = DatasetCard(written(tmp_path)).text
    for expected in (
        "reaches **96.8%**",
        "| real | 1,024 | 0.9571 ± 0.0021 | 100.0% |",
        "| **synthetic** | 1,024 | 0.9263 ± 0.0021 | 96.8% |",
        "| agreement | 301 | 0.0090 ± 0.0020 | A judge. |",
        "| recall | 0.620 | – |",
        "| near-copies of training rows | 3 | at most what chance gives: 4.200 |",
        "![Real rows beside synthetic rows](assets/samples.png)",
        "Colour deconvolution with thresholds.",
        "2,000 kept of 2,387 candidates",
        "| `label` | class label of 2: no, yes |",
        "| `mask` | Image |",
        "| `objects` | list of struct of class, box |",
    ):
        assert expected in text, expected
    assert "classically augmented" not in text


def test_further_metrics_are_columns_of_their_own(tmp_path: Path) -> None:
    told = report()
    for name, mean in (("train_real_test_real", 0.8), ("train_synthetic_test_real", 0.6)):
        told["utility"][name]["also"] = {"chr|F": {"mean": mean, "sd": None, "values": [mean]}}
    text = DatasetCard(written(tmp_path, report=told)).text
    assert "| trained on | rows | mIoU | ÷ real | chr\\|F | ÷ real |\n| --- | --- | --- | --- | --- | --- |" in text
    assert "| **synthetic** | 1,024 | 0.9263 ± 0.0021 | 96.8% | 0.6000 | 75.0% |" in text
    assert "| real + synthetic | 1,024 | 0.9598 ± 0.0021 | 100.3% | – | – |" in text


def test_it_says_what_a_judge_saw_and_what_was_not_trained(tmp_path: Path) -> None:
    text = written(tmp_path)
    assert "annotated by construction. Every row" in text and "was trained on the training part" in text
    told = {**report(), "judged": ["parts", "pieces"], "training": {"steps": 0}}
    text = written(tmp_path, report=told)
    assert "annotated by construction, but for parts and pieces, which a judge saw in the finished rows." in text
    assert "was taken as it is and asked for rows" in text and "was trained on the training part" not in text
    assert "One of them, trained on real rows, also said the parts and pieces of each row." in text


def test_samples_have_a_section_of_their_own(tmp_path: Path) -> None:
    assert "## Some rows\n\n| real | synthetic |\n" in written(tmp_path, samples="| real | synthetic |")
    assert "Some rows" not in written(tmp_path)


def test_recipe_is_fenced_even_if_it_has_fences(tmp_path: Path) -> None:
    text = written(tmp_path)
    assert text.rstrip().endswith(f"````yaml\n{RECIPE.rstrip()}\n````")


def test_text_of_others_opens_neither_html_nor_table_cells(tmp_path: Path) -> None:
    evil = Origin("<script>x</script>\n# heading", "Custom | licence", "![a](http://x)", "l", "s", ("a\n\nb",))
    text = DatasetCard(written(tmp_path, evil)).text
    assert "<script" not in text
    assert "\n# heading" not in text
    assert "![a](" not in text
    assert "| a\\|b |" in text
    assert "| &lt;i> | – | – | – |" in text


def test_findings_stand_under_limits_unless_they_are_good(tmp_path: Path) -> None:
    found = [{"kind": "miss", "text": "Gate quota costs."}, {"kind": "good", "text": "All is well."}]
    text = written(tmp_path, report={**report(), "findings": found}, description="What it\nis for.")
    assert "# tissue\n\nWhat it is for.\n" in text
    assert "- Gate quota costs." in text.split("## Limits")[1]
    assert "All is well." not in text


def test_a_report_with_holes_still_makes_a_card(tmp_path: Path) -> None:
    whole = report()
    for key in whole:
        DatasetCard(written(tmp_path, report={name: value for name, value in whole.items() if name != key}))
    whole["utility"]["train_real_test_real"] = regime(0.5, None)
    assert "| real | 1,024 | 0.5000 | 100.0% |" in written(tmp_path, report=whole)


@pytest.mark.parametrize(
    ("license", "field"),
    [
        ("CC BY 4.0", {"license": "cc-by-4.0"}),
        ("MIT", {"license": "mit"}),
        ("Custom: ask us", {"license": "other", "license_name": "custom-ask-us"}),
        ("…", {"license": "other", "license_name": "unknown"}),
    ],
)
def test_license(license: str, field: dict[str, str]) -> None:
    assert hub_license(license) == field


@pytest.mark.parametrize(
    ("rows", "name"),
    [(1, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (9_999, "1K<n<10K"), (60_000, "10K<n<100K"), (10**9, LARGEST)],
)
def test_size_category(rows: int, name: str) -> None:
    assert size_category(rows) == name


def test_same_report_same_bytes_and_yaml_is_safe(tmp_path: Path) -> None:
    first, second = written(tmp_path), written(tmp_path)
    assert first == second
    yaml.safe_load(first.split("---\n")[1])
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
