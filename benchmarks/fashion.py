"""Fashion-MNIST, 60,000 real rows read from Parquet files: what 10,000 synthetic rows are worth.

Runs `synthgen run recipes/classification/fashion-mnist.yaml` on local files; every number stands in the run's
report.json.

    python benchmarks/fashion.py --data ../shared/data/fashion_mnist
"""

from _record import ROOT, command_line, difference, judge, make_run, need_data, write

POINTS = 100  # of accuracy
DATA = ROOT.parent / "shared" / "data" / "fashion_mnist"


def main() -> None:
    options = command_line("fashion", __doc__, data=DATA).parse_args()
    data = need_data(options.data, "Fashion-MNIST as train.parquet and test.parquet with the columns image and label")
    own = ("source.kind=files", f"source.path={data}", "count=10000")
    run = make_run("fashion", "classification/fashion-mnist", options, *own)
    real, synthetic, both = ([POINTS * v for v in run.values(kind)] for kind in ("real", "synthetic", "both"))
    gain, sd = difference(both, real)
    details = {"report": run.report, "seconds": run.seconds, "gain_points": {"mean": gain, "sd": sd}}
    write("fashion", [judge("fashion.gap", *difference(real, synthetic))], options, details)


if __name__ == "__main__":
    main()
