"""What a report means, in plain sentences: misses are stated as plainly as wins.

Knows the keys of report.json and nothing else; a key that is absent gives no sentence.

    for finding in state_findings(report):
        print(finding["kind"], finding["text"])     # kind: good, note or miss
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Finding = dict[str, str]
Found = Iterator[tuple[str, str]]

GOOD_WORTH, FAIR_WORTH = 0.97, 0.90  # train-synthetic ÷ train-real
CLASS_GAP = 0.05  # of the metric, between train-real and train-synthetic
MUCH = 1.5  # copies against what chance gives
LEAK, NEAR = 0.6, 0.9  # membership AUC; nearest-neighbour ratio
EFFICIENCY = 0.85


def state_findings(report: Mapping[str, Any]) -> list[Finding]:
    """Sentences about rows, worth, classes, fidelity, privacy, gates and speed, in that order."""
    parts: tuple[Callable[[Mapping[str, Any]], Found], ...] = (_rows, _worth, _gain, _baseline, _classes, _forgetting)
    parts += (_judged, _fidelity, _copies, _nearness, _membership, _gates, _speed)
    return [{"kind": kind, "text": text} for part in parts for kind, text in part(report)]


def headline(report: Mapping[str, Any]) -> str:
    """What the rows are worth, in one sentence; a sentence that says so where it was not measured."""
    utility = _get(report, "utility")
    real, synthetic = _get(utility, "train_real_test_real"), _get(utility, "train_synthetic_test_real")
    worth = utility.get("worth")
    if worth is None or not real or not synthetic:
        return "What these rows are worth was not measured."
    metric, seeds = utility.get("metric", "score"), utility.get("seeds", len(synthetic.get("values", [])))
    return (
        f"A model trained on these synthetic rows alone reaches {worth:.1%} of what the same model reaches on the real "
        f"rows: {metric} {_pm(synthetic)} against {_pm(real)}, on real rows that nothing else has seen "
        f"({seeds} seed{'s' if seeds != 1 else ''}, equal training steps)."
    )


def _rows(report: Mapping[str, Any]) -> Found:
    rows = _get(report, "rows")
    accepted, requested = rows.get("accepted"), rows.get("requested")
    if accepted is None or requested is None:
        return
    if accepted < requested:
        yield "miss", f"{requested:,} rows were asked for, and only {accepted:,} were accepted."
    candidates = rows.get("candidates")
    if candidates and accepted / candidates < 0.5:
        yield "note", f"The gates kept only {accepted / candidates:.0%} of the {candidates:,} candidates."


def _judged(report: Mapping[str, Any]) -> Found:
    names = report.get("judged") or ()
    if names:
        yield (
            "note",
            f"The {' and '.join(names)} of rows are not right by construction: a judge trained on real rows saw them. "
            "They are as good as that judge, and gates that ask it know its mistakes only in part.",
        )


def _worth(report: Mapping[str, Any]) -> Found:
    worth = _get(report, "utility").get("worth")
    if worth is None:
        return
    loss = f"Training on synthetic rows instead of real ones costs {max(0.0, 1 - worth):.1%} of the score."
    if worth >= 1:
        yield "good", "Training on synthetic rows alone is as good as training on the real ones."
    else:
        yield ("good" if worth >= GOOD_WORTH else "note" if worth >= FAIR_WORTH else "miss"), loss


def _forgetting(report: Mapping[str, Any]) -> Found:
    found = _get(_get(report, "utility"), "forgetting")
    kept = found.get("kept")
    if kept is None:
        return
    replay = found.get("replay", 0)
    how = f"with {replay:.0%} of its training rows drawn by the earlier model" if replay else "without rows of its own"
    yield (
        "good" if kept >= GOOD_WORTH else "note" if kept >= FAIR_WORTH else "miss",
        f"Having gone on learning {how}, the model keeps {kept:.1%} of what its rows of the old classes were worth: "
        f"{found.get('metric', 'score')} {_pm(found['after'])} against {_pm(found['before'])}.",
    )


def _gain(report: Mapping[str, Any]) -> Found:
    gain = _get(_get(report, "utility"), "gain")
    mean = gain.get("mean")
    if mean is None:
        return
    spread = gain.get("sd")
    if spread is None:
        yield "note", f"Adding the synthetic rows to the real ones: {mean:+.4f} on one learner seed, so a hint only."
        return
    told = f"{abs(mean):.4f} ± {spread:.4f}"
    if abs(mean) <= spread:
        yield (
            "note",
            "Adding the synthetic rows to the real ones makes no difference beyond the seeds' spread "
            f"({mean:+.4f} ± {spread:.4f}).",
        )
    elif mean > 0:
        yield "good", f"Adding the synthetic rows to the real ones raises the score by {told}."
    else:
        yield "miss", f"Adding the synthetic rows to the real ones lowers the score by {told}."


def _baseline(report: Mapping[str, Any]) -> Found:
    utility = _get(report, "utility")
    classical, both = _get(utility, "baseline_augmentation"), _get(utility, "train_both_test_real")
    if "mean" not in classical or "mean" not in both:
        return
    against = f"({_pm(classical)} against {_pm(both)} with real and synthetic rows)"
    ahead = classical["mean"] - both["mean"]
    if classical.get("sd") is None or both.get("sd") is None:
        yield "note", f"Classical augmentation of the real rows, on one learner seed: {against[1:-1]}."
        return
    spread = max(classical["sd"], both["sd"])
    if abs(ahead) <= spread:
        yield "note", f"Classical augmentation of the real rows does as well {against}."
    elif ahead > 0:
        yield "miss", f"Classical augmentation of the real rows does better {against}."
    else:
        yield "good", f"Classical augmentation of the real rows does less {against}."


def _classes(report: Mapping[str, Any]) -> Found:
    utility = _get(report, "utility")
    real = _get(_get(utility, "train_real_test_real"), "per_class")
    synthetic = _get(_get(utility, "train_synthetic_test_real"), "per_class")
    gaps = {n: real[n] - synthetic[n] for n in real if real[n] is not None and synthetic.get(n) is not None}
    worst = max(gaps, key=lambda name: gaps[name], default=None)
    if worst is not None and gaps[worst] > CLASS_GAP:
        yield "note", f"The class that loses most is {worst!r}: {synthetic[worst]:.3f} instead of {real[worst]:.3f}."
    empty = [name for name, value in real.items() if value is None]
    if empty:
        yield "note", f"No held-out row has the class {', '.join(map(repr, empty[:5]))}: nothing is known about it."


def _fidelity(report: Mapping[str, Any]) -> Found:
    fidelity = _get(report, "fidelity")
    recall = fidelity.get("recall")
    usual = _get(fidelity, "real").get("recall") or 1.0
    if recall is not None and recall < 0.7 * usual:
        yield (
            "note",
            "The synthetic rows miss part of the real variety: "
            f"recall {recall:.2f}, where real rows reach {usual:.2f}.",
        )


def _copies(report: Mapping[str, Any]) -> Found:
    privacy = _get(report, "privacy")
    copies = privacy.get("copies")
    if copies is None:
        return
    expected = privacy.get("copies_expected") or 0.0
    against = (
        f"{copies:,} of the rows are as near to one training row as a copy; chance alone gives about {expected:.0f}."
    )
    if copies > max(MUCH * expected, expected + 3):
        yield "miss", against
    else:
        yield "good", against if copies else "No row is a near-copy of a training row."


def _nearness(report: Mapping[str, Any]) -> Found:
    privacy = _get(report, "privacy")
    ratio, high = privacy.get("nearest_ratio"), privacy.get("nearest_ratio_high")
    if ratio is None or ratio >= NEAR or (high is not None and high >= 1):
        return
    yield (
        "note",
        "Synthetic rows lie closer to the training rows than unseen real rows do "
        f"(nearest-neighbour ratio {ratio:.2f}; 1 would be equal).",
    )


def _membership(report: Mapping[str, Any]) -> Found:
    privacy = _get(report, "privacy")
    auc, low = privacy.get("membership_auc"), privacy.get("membership_auc_low")
    if auc is None:
        return
    told = f"membership AUC {auc:.3f}; 0.5 is chance"
    if (low if low is not None else auc) <= 0.5:
        yield (
            "good",
            f"The model's loss does not tell training rows from unseen ones ({told}).",
        )
    elif auc < LEAK:
        yield (
            "note",
            f"The model's loss tells training rows from unseen ones a little better than chance ({told}).",
        )
    else:
        yield (
            "miss",
            f"The model's loss tells training rows from unseen ones ({told}).",
        )


def _gates(report: Mapping[str, Any]) -> Found:
    for name, gate in _get(report, "gates").items():
        worth = _get(gate, "worth")
        mean, sd = worth.get("mean"), worth.get("sd")
        if mean is not None and mean < 0 and sd is None:
            yield "note", f"The gate {name!r} may cost worth ({mean:+.4f} on a single learner seed, so a hint only)."
        elif mean is not None and mean < 0 and -mean > sd:
            yield "miss", f"The gate {name!r} made the rows worth less ({mean:+.4f} ± {sd:.4f})."


def _speed(report: Mapping[str, Any]) -> Found:
    efficiency = _get(report, "throughput").get("efficiency")
    if efficiency is not None and efficiency < EFFICIENCY:
        yield (
            "note",
            f"Rows were made at {efficiency:.0%} of the speed of the bare denoiser; "
            "the rest of the time went into labels, gates and writing.",
        )


def _get(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = record.get(key)
    return found if isinstance(found, Mapping) else {}


def _pm(regime: Mapping[str, Any]) -> str:
    sd = regime.get("sd")
    return f"{regime['mean']:.3f}" + (f" ± {sd:.3f}" if sd is not None else "")
