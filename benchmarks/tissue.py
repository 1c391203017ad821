"""Stained tissue, the recipe of `make run`: how long it takes, what its rows are worth, how fast they are made.

Runs `synthgen run recipes/segmentation.yaml` from nothing. Scores and efficiency stand in the run's report.json; the
seconds are the wall time of the command.

    python benchmarks/tissue.py
"""

from _record import command_line, difference, judge, make_run, ratio, write


def main() -> None:
    options = command_line("tissue", __doc__).parse_args()
    run = make_run("tissue", "segmentation", options)
    real, synthetic, both = (run.values(kind) for kind in ("real", "synthetic", "both"))
    measures = [
        judge("tissue.seconds", run.seconds, note="one run"),
        judge("tissue.ratio", *ratio(synthetic, real)),
        judge("tissue.gain", *difference(both, real)),
        judge("tissue.efficiency", run.report["throughput"]["efficiency"], note="one run"),
    ]
    write("tissue", measures, options, {"report": run.report})


if __name__ == "__main__":
    main()
