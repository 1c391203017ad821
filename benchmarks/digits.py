"""Handwritten digits: what 5,000 rows of the classification recipe are worth, and how fast they are made.

Runs `synthgen run recipes/classification.yaml` from nothing; every number stands in the run's report.json.

    python benchmarks/digits.py
"""

from _record import command_line, difference, judge, make_run, write

POINTS = 100  # of accuracy


def main() -> None:
    options = command_line("digits", __doc__).parse_args()
    run = make_run("digits", "classification", options)
    real, synthetic, both = ([POINTS * v for v in run.values(kind)] for kind in ("real", "synthetic", "both"))
    measures = [
        judge("digits.gap", *difference(real, synthetic)),
        judge("digits.gain", *difference(both, real)),
        judge("digits.efficiency", run.report["throughput"]["efficiency"], note="one run"),
    ]
    write("digits", measures, options, {"report": run.report, "seconds": run.seconds})


if __name__ == "__main__":
    main()
