"""Each measurement that went well, went badly or is within chance is said to be so."""

from typing import Any

import pytest

from synthgen.evaluation.findings import headline, state_findings

TIMES = {"before": {"mean": 0.9, "sd": 0.01}, "after": {"mean": 0.8, "sd": None}}


def kinds(report: dict[str, Any], word: str) -> list[str]:
    return [finding["kind"] for finding in state_findings(report) if word in finding["text"]]


def change(report: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    *parents, last = path.split(".")
    record = report
    for name in parents:
        record = record[name]
    record[last] = value
    return report


@pytest.mark.parametrize(
    ("path", "value", "word", "kind"),
    [
        ("utility.worth", 0.98, "costs 2.0%", "good"),
        ("utility.worth", 0.93, "costs 7.0%", "note"),
        ("utility.worth", 0.5, "costs 50.0%", "miss"),
        ("utility.worth", 1.01, "as good as", "good"),
        ("utility.gain", {"mean": 0.01, "sd": 0.002}, "raises", "good"),
        ("utility.gain", {"mean": 0.001, "sd": 0.002}, "no difference", "note"),
        ("utility.gain", {"mean": -0.01, "sd": 0.002}, "lowers", "miss"),
        ("utility.baseline_augmentation", {"mean": 0.99, "sd": 0.001}, "does better", "miss"),
        ("utility.baseline_augmentation", {"mean": 0.90, "sd": 0.001}, "does less", "good"),
        ("utility.baseline_augmentation", {"mean": 0.96, "sd": 0.001}, "does as well", "note"),
        ("utility.forgetting", {"kept": 0.98, "replay": 0.3, **TIMES}, "drawn by the earlier model, the", "good"),
        ("utility.forgetting", {"kept": 0.95, "replay": 0.3, **TIMES}, "keeps 95.0%", "note"),
        ("utility.forgetting", {"kept": 0.5, "replay": 0, **TIMES}, "without rows of its own, the", "miss"),
        ("rows.accepted", 1500, "only 1,500 were accepted", "miss"),
        ("rows.candidates", 9000, "kept only 22%", "note"),
        ("fidelity.recall", 0.3, "recall 0.30", "note"),
        ("privacy.copies", 40, "near to one training row", "miss"),
        ("privacy.copies", 0, "No row is a near-copy", "good"),
        ("privacy.nearest_ratio", 0.6, "closer to the training rows", "note"),
        ("privacy.membership_auc", 0.9, "membership AUC 0.900", "miss"),
        ("privacy.membership_auc", 0.55, "little better than chance", "note"),
        ("privacy.membership_auc_low", 0.49, "does not tell", "good"),
        ("throughput.efficiency", 0.5, "50% of the speed", "note"),
    ],
)
def test_finding(report: dict[str, Any], path: str, value: Any, word: str, kind: str) -> None:
    assert kinds(change(report, path, value), word) == [kind]


def test_a_harmful_gate_and_the_worst_class_are_named(report: dict[str, Any]) -> None:
    assert kinds(report, "The gate 'quota'") == ["miss"]
    assert kinds(report, "'stain': 0.881 instead of 0.939") == ["note"]
    assert not kinds(report, "'agreement'")


def test_one_seed_alone_is_a_hint_no_verdict(report: dict[str, Any]) -> None:
    change(report, "gates.quota.worth", {"mean": -0.05, "sd": None})
    assert kinds(report, "single learner seed") == ["note"]
    change(report, "utility.gain", {"mean": -0.05, "sd": None})
    assert kinds(report, "Adding the synthetic rows") == ["note"]
    change(report, "utility.baseline_augmentation", {"mean": 0.99, "sd": None})
    assert kinds(report, "Classical augmentation") == ["note"]


def test_what_a_judge_saw_is_no_construction(report: dict[str, Any]) -> None:
    assert not kinds(report, "not right by construction")
    assert not kinds({**report, "judged": []}, "not right by construction")
    assert kinds({**report, "judged": ["parts", "pieces"]}, "The parts and pieces of rows are not right") == ["note"]


def test_nothing_measured_nothing_said() -> None:
    assert state_findings({}) == []
    assert headline({}) == "What these rows are worth was not measured."


def test_headline(report: dict[str, Any]) -> None:
    text = headline(report)
    assert "reaches 96.6% of what" in text
    assert "mIoU 0.925 ± 0.006 against 0.957 ± 0.003" in text
    assert "(3 seeds, equal training steps)" in text
