"""3D shapes: time, worth by class and by part, how well they pass for real, nearness and efficiency.

One run of `synthgen run recipes/3d.yaml`; every number stands in its report.json or in its state folder.

    python benchmarks/shapes.py
"""

from __future__ import annotations

from statistics import fmean

from _record import Run, command_line, judge, make_run, ratio, write

PERCENT = 100


def split_scores(run: Run, kind: str) -> tuple[list[float], list[float]]:
    """(class accuracy, part mIoU) by seed. The learner's score is their mean; held-out rows hold each class alike."""
    classes = len(run.report["classes"])
    by_class = [run.class_values(kind, number) for number in range(classes)]
    accuracy = [fmean(values) for values in zip(*by_class, strict=True)]
    return accuracy, [2 * score - own for score, own in zip(run.values(kind), accuracy, strict=True)]


def main() -> None:
    options = command_line("shapes", __doc__).parse_args()
    run = make_run("shapes", "3d", options)
    real, synthetic = split_scores(run, "real"), split_scores(run, "synthetic")
    report = run.report
    own, privacy = report["fidelity"]["own"], report["privacy"]
    measures = [
        judge("shapes.seconds", run.seconds, None, note="one run"),
        judge("shapes.accuracy", *ratio(synthetic[0], real[0])),
        judge("shapes.parts", *ratio(synthetic[1], real[1])),
        judge("shapes.one_nna", PERCENT * own["one_nna_chamfer"], note=f"EMD {PERCENT * own['one_nna_emd']:.1f} %"),
        judge("shapes.nearest", privacy["nearest_ratio"]),
        judge("shapes.copies", privacy["copies"], note=f"{privacy['copies_expected']:.1f} expected by chance"),
        judge("shapes.efficiency", report["throughput"]["efficiency"], note="one run"),
    ]
    scores = {
        "accuracy": {"real": real[0], "synthetic": synthetic[0]},
        "parts": {"real": real[1], "synthetic": synthetic[1]},
    }
    write("shapes", measures, options, {"report": report, "seconds": run.seconds, "scores": scores})


if __name__ == "__main__":
    main()
