"""Digits 0 to 4, then 5 to 9: what a model that goes on learning keeps of what it knew, with replay and without.

One run learns the digits 0 to 4. Two more go on from its model with real rows of 5 to 9 alone: one draws old rows with
the earlier model, the other does not. Each report tells what the old classes' rows teach a learner before and after.

    python benchmarks/forgetting.py
"""

from argparse import Namespace

from _record import command_line, default_folder, judge, make_run, ratio, write

OLD, NEW = '["0", "1", "2", "3", "4"]', '["5", "6", "7", "8", "9"]'
REPLAY = 0.3
SHARED = ("count=2000", "train.seconds=null", "evaluate.gates=false", "evaluate.baseline=false")
FIRST, THEN = "train.steps=2000", "train.steps=1500"


def main() -> None:
    options = command_line("forgetting", __doc__).parse_args()
    folder = default_folder("forgetting", options)
    first = make_run("forgetting", "classification", options, *SHARED, FIRST, f"source.only={OLD}")
    found = {}
    for replay in (REPLAY, 0):
        place = Namespace(**vars(options))
        place.out = folder.with_name(f"{folder.name}-{replay:g}")
        model = f"model={{base: {first.folder}, continue: {{replay: {replay}}}}}"
        own = (*SHARED, THEN, f"source.only={NEW}", model)
        found[replay] = make_run("forgetting", "classification", place, *own)
    kept = {
        replay: ratio(*(run.report["utility"]["forgetting"][time]["values"] for time in ("after", "before")))
        for replay, run in found.items()
    }
    without = f"without replay {kept[0][0]:.3f} ± {kept[0][1] or 0:.3f}"
    measures = [judge("forgetting.kept", *kept[REPLAY], note=without)]
    details = {
        "replay": REPLAY,
        "forgetting": {f"{replay:g}": run.report["utility"]["forgetting"] for replay, run in found.items()},
        "new": {f"{replay:g}": run.report["utility"]["train_synthetic_test_real"] for replay, run in found.items()},
        "old_alone": first.report["utility"]["train_synthetic_test_real"],
        "seconds": [run.seconds for run in (first, *found.values())],
    }
    write("forgetting", measures, options, details)


if __name__ == "__main__":
    main()
