"""Cell nuclei as a user's own data: 64×64 tiles of microscope images, real masks recombined.

Two runs of the segmentation recipe on files: with all annotated images (the ratio of foreground IoU), and with ten
(whether synthetic rows help where real ones are few). Scores stand in report.json; those of one class by seed, in the
run's state folder.

    python benchmarks/nuclei.py --data ../shared/data/dsb2018_nuclei
"""

import argparse
from pathlib import Path

from _record import ROOT, Run, command_line, difference, judge, make_run, need_data, ratio, write

DATA = ROOT.parent / "shared" / "data" / "dsb2018_nuclei"
FEW = 10
FOREGROUND = 1  # number of the class
ORIGIN = "Caicedo et al., Nature Methods 16 (2019): 2018 Data Science Bowl, BBBC038"


def run_on(name: str, data: Path, options: argparse.Namespace, *more: str) -> Run:
    own = (
        f"name={name}", "description=Cell nuclei under the microscope, drawn to masks.", "source.kind=files",
        f"source.path={data}", "source.size=64", "source.fit=tile", "source.license=cc0-1.0",
        f"source.origin='{ORIGIN}'", "conditions.masks=recombine", "conditions.join=0", "model.widths=[32,48,64,64]",
    )  # fmt: skip
    return make_run(name, "segmentation", options, *own, *more)


def main() -> None:
    parser = command_line("nuclei", __doc__, data=DATA)
    parser.add_argument("--only", choices=("all", "few"), help="one of the two runs, for a try")
    options = parser.parse_args()
    data = need_data(options.data, "nuclei as train.parquet and test.parquet with the columns image and mask")
    out, measures, details = options.out, [], {}
    if options.only != "few":
        options.out = out and out / "all"
        run = run_on("nuclei", data, options)
        foreground = {kind: run.class_values(kind, FOREGROUND) for kind in ("real", "synthetic", "both")}
        measures.append(judge("nuclei.ratio", *ratio(foreground["synthetic"], foreground["real"])))
        details["all"] = {"report": run.report, "seconds": run.seconds, "foreground_iou": foreground}
    if options.only != "all":
        options.out = out and out / "few"
        run = run_on("nuclei-few", data, options, f"source.images={FEW}")
        foreground = {kind: run.class_values(kind, FOREGROUND) for kind in ("real", "synthetic", "both")}
        note = "foreground IoU {:+.4f} ± {:.4f}".format(
            *map(_number, difference(foreground["both"], foreground["real"]))
        )
        measures.append(judge("nuclei.gain", *difference(run.values("both"), run.values("real")), note=note))
        details["few"] = {"report": run.report, "seconds": run.seconds, "foreground_iou": foreground}
    write("nuclei", measures, options, details, tried=bool(options.only))


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


if __name__ == "__main__":
    main()
