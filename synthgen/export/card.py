"""The dataset card, README.md: the header that the Hub reads, and a text that a researcher can trust.

Knows report.json's keys, the features and the origin of the real rows: neither the recipe's schema nor the run folder.

    write_card(folder / "README.md", report, recipe_yaml=text, recipe_name="tissue", features=features, ...)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import ClassLabel, Features

from ..storage import write_whole
from ..types import Origin
from .header import card_header

REGIMES = {
    "train_real_test_real": "real",
    "train_synthetic_test_real": "**synthetic**",
    "train_both_test_real": "real + synthetic",
    "baseline_augmentation": "real, classically augmented",
}
CLASSES_SHOWN = 50


def write_card(
    path: Path,
    report: Mapping[str, Any],
    *,
    recipe_yaml: str,
    recipe_name: str,
    features: Features,
    split_sizes: Mapping[str, Mapping[str, int]],
    hub_tags: Mapping[str, Any],
    origin: Origin,
    description: str = "",
    license: str | None = None,
    tags: Sequence[str] = (),
    pictures: Mapping[str, str] | None = None,
    samples: str = "",
    configs: Sequence[str] = (),
    reproduce: str = "synthgen run recipe.yaml",
) -> None:
    """Writes README.md at `path`, whole or not at all.

    `split_sizes`: {split: {num_examples, num_bytes}}, whose files are data/<split>-*.parquet. `hub_tags`:
    task_categories and the like. `license`: None means that of the real rows. `pictures`: what is to be seen -> address
    relative to the card; `samples`: Markdown that shows a few rows, where rows are texts. report["findings"], where
    there are any, are [{kind: good | note | miss, text}]: all but the good stand under "Limits" word for word.
    `configs`: further configurations beside the rows.
    """
    header = card_header(recipe_name, features, split_sizes, hub_tags, license or origin.license, tags, configs)
    sections = (
        _opening(report, recipe_name, description, split_sizes, pictures or {}),
        _what_it_is(origin),
        f"## Some rows\n\n{samples}" if samples else "",
        _columns(features),
        _making(report, origin),
        _utility(report),
        _classes(report),
        _forgetting(report),
        _fidelity(report),
        _privacy(report),
        _gates(report),
        _limits(report.get("findings") or (), origin),
        _again(report, recipe_yaml, reproduce),
    )
    text = f"---\n{header.to_yaml()}\n---\n\n" + "\n\n".join(section for section in sections if section) + "\n"
    write_whole(path, text)


def _opening(
    report: Mapping[str, Any],
    name: str,
    description: str,
    sizes: Mapping[str, Mapping[str, int]],
    pictures: Mapping[str, str],
) -> str:
    utility = _part(report, "utility")
    rows = ", ".join(f"{size['num_examples']:,} rows ({split})" for split, size in sizes.items())
    text = f"# {_line(name)}\n\n" + (f"{_line(description)}\n\n" if description else "")
    judged = _judged(report)
    but = f", but for {judged}, which a judge saw in the finished rows" if judged else ""
    text += f"{rows}, made by a conditional diffusion model and annotated by construction{but}. Every row is synthetic."
    worth = utility.get("worth")
    if worth is not None:
        real, synthetic = _part(utility, "train_real_test_real"), _part(utility, "train_synthetic_test_real")
        text += (
            f" A model trained on them alone reaches **{worth:.1%}** of what the same model reaches on the real rows "
            f"({_line(utility.get('metric', 'score'))} {_spread(synthetic)} against {_spread(real)}, on real rows that "
            "nothing else has seen)."
        )
    return text + "".join(f"\n\n![{name}]({address})" for name, address in pictures.items())


def _what_it_is(origin: Origin) -> str:
    return (
        "## What it is, and what it is not\n\n"
        f"It is meant for training and testing models where rows like those of *{_line(origin.name)}* are few, "
        "unevenly distributed, or may not be passed on. It is no substitute for measuring on real rows: it knows only "
        "what its training rows show, inherits their biases and the errors of their labels, and its rare cases are as "
        "the generator imagines them. Do not use it as evidence about the real world."
    )


def _columns(features: Features) -> str:
    rows = [(f"`{name}`", _line(_kind(feature))) for name, feature in features.items()]
    table = _table(("column", "type"), rows)
    note = (
        "`provenance` says how to make the row again: its candidate index and seed, the hashes of recipe and model, "
        "and the score that each gate gave it."
    )
    return f"## Columns\n\n{table}" + (f"\n\n{note}" if "provenance" in features else "")


def _making(report: Mapping[str, Any], origin: Origin) -> str:
    rows, training = _part(report, "rows"), _part(report, "training")
    lines = [
        ("real rows", origin.name),
        ("licence of the real rows", origin.license),
        ("citation", origin.citation),
        ("who made the labels of the real rows", origin.labels),
        ("how the real rows were split", origin.splits),
        *(("note", note) for note in origin.notes),
        ("rows", f"{_number(rows.get('accepted'))} kept of {_number(rows.get('candidates'))} candidates"),
        ("model", f"`{report.get('model_sha256', '–')}` (SHA-256)"),
        *(("started from", text) for text in _base(training)),
        *((name.replace("_", " "), _number(training[name])) for name in ("parameters", "steps") if name in training),
        ("hardware", "; ".join(f"{key} {value}" for key, value in _part(report, "hardware").items()) or "–"),
        ("versions", ", ".join(f"{key} {value}" for key, value in _part(report, "versions").items()) or "–"),
    ]
    trained = "a diffusion model was trained on the training part"
    if training.get("steps") == 0:
        trained = "a pretrained diffusion model, which has seen none of them here, was taken as it is"
    how = (
        f"The real rows were split; {trained} and asked for rows by their "
        "labels, so that each row has its label by construction. Judges independent of the generator then refused rows."
    )
    if judged := _judged(report):
        how += f" One of them, trained on real rows, also said the {judged} of each row."
    return f"## How it was made\n\n{how}\n\n{_table(('', ''), [(a, _line(b)) for a, b in lines])}"


def _judged(report: Mapping[str, Any]) -> str:
    return " and ".join(map(_line, report.get("judged") or ()))


def _base(training: Mapping[str, Any]) -> list[str]:
    base = _part(training, "base")
    if not base:
        return []
    if "sha256" not in base:  # another library's, of which all is kept
        at = f" at {base.get('revision')}" if base.get("revision") else ""
        return [f"{base.get('name')}{at}"]
    counts = ", ".join(f"{len(base.get(kind) or ())} {kind}" for kind in ("kept", "resized", "new"))
    return [f"{base.get('name')}, SHA-256 {base.get('sha256')} (tensors: {counts}; trained: {base.get('adapt')})"]


def _utility(report: Mapping[str, Any]) -> str:
    utility = _part(report, "utility")
    regimes = [(name, _part(utility, key)) for key, name in REGIMES.items() if _part(utility, key)]
    if not regimes:
        return "## What it is worth\n\nNot measured."
    base = _part(utility, "train_real_test_real").get("mean")
    also = list(dict.fromkeys(name for _, regime in regimes for name in _part(regime, "also")))
    rows = [
        (name, _number(regime.get("rows")), _spread(regime), f"{regime['mean'] / base:.1%}" if base else "–")
        + tuple(cell for metric in also for cell in _further(utility, regime, metric))
        for name, regime in regimes
    ]
    count = utility.get("steps")
    steps = "" if count == 1 else f" for {_number(count)} steps"  # what is solved at once takes one
    intro = (
        f"Learner: {_line(utility.get('learner', '–'))}; trained from scratch{steps} "
        f"on each set of rows, {_number(utility.get('seeds'))} seeds (mean ± standard deviation), scored on "
        f"{_number(utility.get('heldout_rows'))} held-out real rows."
    )
    head = ("trained on", "rows", _line(utility.get("metric", "score")), "÷ real")
    table = _table(head + tuple(word for metric in also for word in (_line(metric), "÷ real")), rows)
    gain = _part(utility, "gain")
    told = f"\n\nReal + synthetic minus real, paired by seed: {_spread(gain)}." if gain else ""
    return f"## What it is worth\n\n{intro}\n\n{table}{told}"


def _further(utility: Mapping[str, Any], regime: Mapping[str, Any], metric: str) -> tuple[str, str]:
    """What a learner told beside the headline metric, and its share of what real rows give."""
    found = _part(_part(regime, "also"), metric)
    base = _part(_part(_part(utility, "train_real_test_real"), "also"), metric).get("mean")
    return _spread(found), f"{found['mean'] / base:.1%}" if base and found.get("mean") is not None else "–"


def _classes(report: Mapping[str, Any]) -> str:
    utility = _part(report, "utility")
    parts = [(name, _part(_part(utility, key), "per_class")) for key, name in REGIMES.items() if _part(utility, key)]
    if not parts or not parts[0][1]:
        return ""
    labels = list(parts[0][1])
    rows = [(_line(label), *(_number(part.get(label)) for _, part in parts)) for label in labels[:CLASSES_SHOWN]]
    more = len(labels) - CLASSES_SHOWN
    rest = f"\n\n{more} more classes are in `report.json`." if more > 0 else ""
    return f"### By class\n\n{_table(('class', *(name for name, _ in parts)), rows)}{rest}"


def _forgetting(report: Mapping[str, Any]) -> str:
    """What became of the classes that the model knew before it went on learning."""
    found = _part(_part(report, "utility"), "forgetting")
    if not found:
        return ""
    before, after = _part(found, "before"), _part(found, "after")
    intro = (
        f"The model went on from an earlier one ({found.get('replay', 0):.0%} of its training rows were drawn by that "
        f"one). Rows of the {len(found['classes'])} old classes, {_number(found.get('rows'))} from either model to the "
        f"same labels and before any gate, to the same learner, scored on {_number(found.get('heldout_rows'))} "
        "held-out real rows of these classes."
    )
    told = [("before", _spread(before), ""), ("after", _spread(after), "–")]
    if found.get("kept") is not None:
        told[1] = ("after", _spread(after), f"{found['kept']:.1%}")
    labels = list(_part(before, "per_class"))[:CLASSES_SHOWN]
    table = _table(("model", _line(found.get("metric", "score")), "kept"), told)
    each = _table(
        ("old class", "before", "after"),
        [
            (_line(label), *(_number(_part(part, "per_class").get(label)) for part in (before, after)))
            for label in labels
        ],
    )
    return f"### What it kept of what it knew\n\n{intro}\n\n{table}" + (f"\n\n{each}" if labels else "")


def _fidelity(report: Mapping[str, Any]) -> str:
    fidelity = _part(report, "fidelity")
    reference = _part(fidelity, "real")
    measures = ("precision", "recall", "density", "coverage", "frechet")
    rows = [(name, _number(fidelity.get(name)), _number(reference.get(name))) for name in measures if name in fidelity]
    if not rows:
        return ""
    intro = "Against held-out real rows, in a judge's features; the right column is what the real training rows reach."
    own = [(name.replace("_", " "), _number(value)) for name, value in _part(fidelity, "own").items()]
    more = f"\n\n{_table(('measure of this kind of rows', 'value'), own)}" if own else ""
    return f"## Fidelity\n\n{intro}\n\n{_table(('measure', 'synthetic', 'real'), rows)}{more}"


def _privacy(report: Mapping[str, Any]) -> str:
    privacy = _part(report, "privacy")
    if not privacy:
        return ""
    expected = _number(privacy.get("copies_expected"))
    rows = [
        ("near-copies of training rows", _number(privacy.get("copies")), f"at most what chance gives: {expected}"),
        ("exact copies", _number(privacy.get("exact_copies")), "0"),
        ("nearest-neighbour ratio", _interval(privacy, "nearest_ratio"), "near 1 or above"),
        ("membership AUC of the denoising loss", _interval(privacy, "membership_auc"), "0.5 (chance)"),
    ]
    note = f"\n\nThe unseen rows: {_line(privacy['note'])}" if privacy.get("note") else ""
    table = _table(("measure", "value", "good"), rows)
    return f"## Privacy\n\n{table}{note}\n\nThese are measurements of this model and these attacks, not a guarantee."


def _gates(report: Mapping[str, Any]) -> str:
    rejected, gates = _part(_part(report, "rows"), "rejected"), _part(report, "gates")
    rows = []
    for name in dict.fromkeys([*gates, *rejected]):
        gate = _part(gates, name)
        worth = _spread(_part(gate, "worth")) if gate.get("worth") else "not measured"
        refused = _number(rejected.get(name, gate.get("rejected")))
        rows.append((_line(name), refused, worth, _line(gate.get("explanation", ""))))
    if not rows:
        return "## Gates\n\nNo gate was on: every candidate was kept."
    intro = (
        "Why candidates were refused, and what each gate gives: the learner's score with all gates minus without it."
    )
    return f"## Gates\n\n{intro}\n\n{_table(('gate', 'rejected', 'gives', 'what it does'), rows)}"


def _limits(findings: Iterable[Mapping[str, str]], origin: Origin) -> str:
    found = [f"- {_line(finding['text'])}" for finding in findings if finding.get("kind") != "good"]
    always = [
        f"- Who made the real labels: {_line(origin.labels)} Where those are wrong, so are these.",
        "- The numbers above are of small learners on one held-out set; measure on real rows of your own as well.",
    ]
    return "## Limits\n\n" + "\n".join(found + always)


def _again(report: Mapping[str, Any], recipe_yaml: str, reproduce: str) -> str:
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", recipe_yaml)), default=0))
    sha = report.get("recipe_sha256", "–")
    return (
        f"## Make it again\n\n```\n{reproduce}\n```\n\nwith the recipe below (SHA-256 `{sha}`); all numbers are in "
        f"`report.json`.\n\n{fence}yaml\n{recipe_yaml.rstrip()}\n{fence}"
    )


def _kind(feature: Any) -> str:
    if isinstance(feature, ClassLabel):
        shown = ", ".join(feature.names[:10]) + (", …" if len(feature.names) > 10 else "")
        return f"class label of {len(feature.names)}: {shown}"
    if isinstance(feature, Mapping):
        return "struct of " + ", ".join(feature)
    inner = getattr(feature, "feature", None)
    if inner is not None:
        return "list of " + _kind(inner)
    return str(getattr(feature, "dtype", None) or "") if type(feature).__name__ == "Value" else type(feature).__name__


def _part(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = record.get(key)
    return found if isinstance(found, Mapping) else {}


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _line(text: Any) -> str:
    """Text of others on one line, without the power to open HTML, an image or a table cell."""
    flat = " ".join(str(text).split())
    return flat.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("![", "!\\[")


def _spread(regime: Mapping[str, Any]) -> str:
    if regime.get("mean") is None:
        return "–"
    return f"{regime['mean']:.4f}" + (f" ± {regime['sd']:.4f}" if regime.get("sd") is not None else "")


def _interval(record: Mapping[str, Any], name: str) -> str:
    low, high = record.get(f"{name}_low"), record.get(f"{name}_high")
    return _number(record.get(name)) + ("" if low is None or high is None else f" (95 %: {low:.3f} to {high:.3f})")


def _number(value: Any) -> str:
    if value is None or value != value:
        return "–"
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.3f}" if abs(value) >= 0.01 else f"{value:.2g}"
    return f"{value:,.0f}" if isinstance(value, int | float) else _line(value)
