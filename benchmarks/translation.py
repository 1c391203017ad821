"""Phrases in two languages: right in every character, worth to a translator, and an autoregressive model beside.

Runs of `synthgen run recipes/translation.yaml`, each with a seed of its own; beside the first a prefix language model
of the same blocks, rows, slots and seconds (`_autoregressive.py`): what it gets right, and how many rows a second it
writes token by token.

    python benchmarks/translation.py
"""

from _record import command_line, judge, judge_all, make_runs, measure_beside, ratio, write


def main() -> None:
    options = command_line("translation", __doc__, trainings=True).parse_args()
    runs = make_runs("translation", "translation", options)
    beside = measure_beside("_autoregressive.py", runs[0])
    own = [run.report["fidelity"]["own"] for run in runs]
    utility = [[run.report["utility"][f"train_{kind}_test_real"] for kind in ("synthetic", "real")] for run in runs]
    exact = [ratio(*(regime["also"]["exact"]["values"] for regime in pair))[0] for pair in utility]
    chrf = [ratio(*(regime["values"] for regime in pair))[0] for pair in utility]
    speeds = ", ".join(f"{batch} rows: {found['ratio']:.2f}" for batch, found in beside["by_batch"].items())
    seconds = [run.seconds for run in runs]
    measures = [
        judge_all("translation.seconds", seconds, note=f"the slowest {max(seconds):.0f} s"),
        judge_all(
            "translation.given", [o["exact_given_source"] for o in own], note=f"autoregressive {beside['given']:.3f}"
        ),
        judge_all(
            "translation.before", [o["exact_before_gates"] for o in own], note=f"autoregressive {beside['new']:.3f}"
        ),
        judge_all("translation.after", [o["exact"] for o in own]),
        judge_all("translation.new", [o["new"] for o in own]),
        judge_all("translation.exact", exact),
        judge_all("translation.chrf", chrf),
        judge("translation.speed", beside["speed"], beside["speed_sd"], "rounds", note=f"by batch: {speeds}"),
    ]
    reports = [run.report for run in runs]
    write("translation", measures, options, {"reports": reports, "seconds": seconds, "autoregressive": beside})


if __name__ == "__main__":
    main()
