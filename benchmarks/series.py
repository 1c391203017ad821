"""Time series: worth, nearness and gain on small archives, and how well windows of ETTh1 pass for real.

Runs of `synthgen run recipes/timeseries.yaml` on BasicMotions, ItalyPowerDemand (all rows, and five of each class) and
on windows of 24 hours of ETTh1 (Zhou et al. 2021). Accuracies are also measured with aeon's own MiniRocket, in a
process that holds nothing else.

    python benchmarks/series.py --data ../shared/data/ett_hourly
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

from _record import ROOT, Run, command_line, difference, judge, make_run, ratio, refuse, write

DATA = ROOT.parent / "shared" / "data" / "ett_hourly"
FEW = 5  # real rows a class
ORIGIN = "Zhou et al., Informer, AAAI 2021: ETDataset, ETTh1"
ETT = (
    "name=etth1", "description=Loads and oil temperature of a transformer, a day by the hour.", "source.kind=files",
    "source.columns={time: date}", "source.length=24", "source.stride=1", "source.license=cc-by-nd-4.0",
    f"source.origin='{ORIGIN}'", "model.patch=2", "model.width=128", "train.augment=[]", "train.batch_size=64",
    "train.seconds=150", "train.early_stop={patience: null, nearest_ratio: null}", "gates.agreement=off", "count=2000",
)  # fmt: skip


def check_with_aeon(run: Run) -> dict[str, Any]:
    """Accuracies of aeon's MiniRocketClassifier by kind of training rows."""
    script = Path(__file__).with_name("_minirocket.py")
    found = subprocess.run([sys.executable, script, run.folder], check=True, capture_output=True, text=True)
    return dict(json.loads(found.stdout.splitlines()[-1]))


def main() -> None:
    parser = command_line("series", __doc__)
    parser.add_argument("--data", type=Path, default=DATA, help=f"default: {DATA}")
    parser.add_argument("--only", help="motions, power, few or etth1, for a try")
    options = parser.parse_args()
    if not (options.data / "ETTh1.csv").is_file() and options.only in (None, "etth1"):
        refuse(f"--data: {str(options.data)!r} has no ETTh1.csv; this measurement needs {ORIGIN}")
    measures, details = [], {}
    for name in ("motions", "power", "few", "etth1"):
        if options.only in (None, name):
            found, detail = MEASURES[name](options)
            measures += found
            details[name] = detail
    write("series", measures, options, details, tried=bool(options.only))


def measure_archive(name: str, options: argparse.Namespace, *more: str) -> tuple[list[Any], dict[str, Any]]:
    run = make_run(f"series-{name}", "timeseries", options, f"name={name}", f"source.name={name}", *more)
    aeon = check_with_aeon(run)
    scores = [judge(f"series.{name}.ratio", *ratio(aeon["synthetic"], aeon["real"]), note="aeon's MiniRocket")]
    scores.append(judge(f"series.{name}.nearest", run.report["privacy"]["nearest_ratio"], None))
    if name == "motions":
        scores.insert(0, judge("series.motions.seconds", run.seconds, None, note="one run"))
        scores.append(judge("series.motions.efficiency", run.report["throughput"]["efficiency"], None, note="one run"))
        scores.append(judge("series.motions.copies", run.report["privacy"]["copies"], None))
    return scores, {"report": run.report, "seconds": run.seconds, "aeon": aeon}


def measure_few(options: argparse.Namespace) -> tuple[list[Any], dict[str, Any]]:
    measures, details = [], {}
    for name, more in (("power", POWER), ("motions", ())):
        few = (f"name={name}-few", f"source.name={name}", f"source.few={FEW}")
        run = make_run(f"series-{name}-few", "timeseries", options, *few, *more)
        aeon = check_with_aeon(run)
        note = f"real {fmean(aeon['real']):.3f}; the run's own learner: " + (
            f"{fmean(run.values('both')) - fmean(run.values('real')):+.4f}"
        )
        measures.append(judge(f"series.{name}.few", *difference(aeon["both"], aeon["real"]), note=note))
        details[name] = {"report": run.report, "seconds": run.seconds, "aeon": aeon}
    return measures, details


def measure_ett(options: argparse.Namespace) -> tuple[list[Any], dict[str, Any]]:
    run = make_run("series-etth1", "timeseries", options, *ETT, f"source.path={options.data.resolve() / 'ETTh1.csv'}")
    own = run.report["fidelity"]["own"]
    note = f"against held-out months {own['discriminative_score']:.3f}; real against those: " + (
        f"{own['discriminative_score_real']:.3f}"
    )
    return [judge("series.etth1.discriminative", own["discriminative_score_train"], None, note=note)], {
        "report": run.report, "seconds": run.seconds
    }  # fmt: skip


POWER = ("model.patch=1", "train.seconds=20", "description=Days of electricity demand by season.")
MEASURES = {
    "motions": lambda options: measure_archive("motions", options),
    "power": lambda options: measure_archive("power", options, *POWER),
    "few": measure_few,
    "etth1": measure_ett,
}


if __name__ == "__main__":
    main()
