"""Fifty handwritten digits: what synthetic rows give when their model starts from one of clothes, or from nothing.

A model of Fashion-MNIST, read at 8×8 pixels, is trained once. Then, for each of five seeds, which also choose the fifty
digits, the same recipe is run twice, from that model and from scratch. Accuracy is that of the runs' learners on
held-out digits, mean over their seeds. Either start has the guidance that gave more with fifty other digits, tried on
rows that are not held out: none from scratch, 2 from the base. With synthetic rows they see as many real ones.

    python benchmarks/bases.py --data ../shared/data/fashion_mnist
"""

from argparse import Namespace
from pathlib import Path
from statistics import fmean

import pyarrow as pa
import pyarrow.parquet as pq
from _record import ROOT, Run, command_line, default_folder, judge_all, make_run, need_data, write

from synthgen.export.parquet import encode_png
from synthgen.sources import ImageSourceOptions, load_labelled_images
from synthgen.types import join_rows

POINTS = 100  # of accuracy
DATA = ROOT.parent / "shared" / "data" / "fashion_mnist"
REAL = 50
GUIDED = ("train.drop=0.1", "sample.guidance=2")
KINDS = ("kept", "resized", "new")  # of tensors
NET = ("model={widths: [64], blocks: 1}",)
BASE = (
    *NET, "source.kind=files", "source.size=8", "count=64", "train.seconds=null", "train.steps=2000",
    "train.batch_size=32", "evaluate.seeds=1", "evaluate.steps=50", "evaluate.gates=false", "evaluate.baseline=false",
)  # fmt: skip
DIGITS = (
    "source.kind=files", f"source.images={REAL + 6}",  # six serve choices
    "count=500", "train.seconds=null", "train.steps=400", "train.augment=[shift, warp]", "evaluate.gates=false",
    "evaluate.seeds=2",
)  # fmt: skip


def write_digits(folder: Path) -> Path:
    """The built-in digits as files: of those, also the rows that serve choices are counted among the few."""
    data = load_labelled_images(ImageSourceOptions(kind="builtin", name="digits"), 0)
    folder.mkdir(parents=True, exist_ok=True)
    for name, parts in (("train", (data.train, data.validation)), ("test", (data.heldout,))):
        rows = join_rows(*parts)
        images = [encode_png(image) for image in rows["image"]]
        pq.write_table(pa.table({"image": images, "label": rows["label"]}), folder / f"{name}.parquet")
    return folder


def main() -> None:
    parser = command_line("bases", __doc__, data=DATA, trainings=True)
    parser.set_defaults(trainings=5)
    options = parser.parse_args()
    data = need_data(options.data, "Fashion-MNIST as train.parquet and test.parquet with the columns image and label")
    folder = default_folder("bases", options)
    clothes = make_run("bases", "classification/fashion-mnist", options, *BASE, f"source.path={data}")
    digits = write_digits(folder.with_name(f"{folder.name}-digits"))
    runs: dict[str, list[Run]] = {"scratch": [], "base": []}
    for seed in range(options.trainings):
        for start, own in (("scratch", NET), ("base", (f"model={{base: {clothes.folder / 'model'}}}", *GUIDED))):
            place = Namespace(**vars(options))
            place.out = folder.with_name(f"{folder.name}-{start}-{seed}")
            changes = (*DIGITS, f"source.path={digits}", f"seed={seed}", *own)
            runs[start].append(make_run("bases", "classification", place, *changes))
    found = {
        start: {kind: [POINTS * fmean(run.values(kind)) for run in made] for kind in ("real", "synthetic", "both")}
        for start, made in runs.items()
    }
    augmented = [POINTS * run.report["utility"]["baseline_augmentation"]["mean"] for run in runs["scratch"]]
    better = [a - b for a, b in zip(found["base"]["both"], found["scratch"]["both"], strict=True)]
    worth = [a - b for a, b in zip(found["scratch"]["both"], found["scratch"]["real"], strict=True)]
    against = fmean(b - a for a, b in zip(augmented, found["base"]["both"], strict=True))
    alone = fmean(a - b for a, b in zip(found["base"]["synthetic"], found["scratch"]["synthetic"], strict=True))
    measures = [
        judge_all("bases.start", better, note=f"synthetic rows alone: {alone:+.2f} points"),
        judge_all("bases.scratch", worth, note=f"base − classical augmentation: {against:+.2f} points"),
    ]
    told = runs["base"][0].report["training"]["base"]
    details = {
        "accuracy": {**found, "augmented": augmented}, "real_rows": runs["scratch"][0].report["data"],
        "base_steps": clothes.report["training"]["steps"], "taken_over": {kind: len(told[kind]) for kind in KINDS},
        "seconds": {start: [run.seconds for run in made] for start, made in runs.items()},
    }  # fmt: skip
    write("bases", measures, options, details)


if __name__ == "__main__":
    main()
