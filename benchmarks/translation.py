"""Phrases in two languages: right in every character, worth to a translator, and an autoregressive model beside.

A run of `synthgen run recipes/translation.yaml`, then a prefix language model of the same blocks, rows, slots and
seconds (`_autoregressive.py`): what it gets right, and how many rows a second it writes token by token.

    python benchmarks/translation.py
"""

from _record import command_line, judge, make_run, measure_beside, ratio, write

ONE = "one training"


def main() -> None:
    options = command_line("translation", __doc__).parse_args()
    run = make_run("translation", "translation", options)
    beside = measure_beside("_autoregressive.py", run)
    own, utility = run.report["fidelity"]["own"], run.report["utility"]
    regimes = [utility[f"train_{kind}_test_real"] for kind in ("synthetic", "real")]
    exact = ratio(*(regime["also"]["exact"]["values"] for regime in regimes))
    measures = [
        judge("translation.seconds", run.seconds, note="one run"),
        judge("translation.given", own["exact_given_source"], note=f"{ONE}; autoregressive {beside['given']:.3f}"),
        judge("translation.before", own["exact_before_gates"], note=f"{ONE}; autoregressive {beside['new']:.3f}"),
        judge("translation.after", own["exact"], note=ONE),
        judge("translation.new", own["new"], note=ONE),
        judge("translation.exact", *exact),
        judge("translation.chrf", *ratio(*(regime["values"] for regime in regimes))),
        judge("translation.speed", beside["speed"], beside["speed_sd"], "rounds", note="same rows, the same process"),
    ]
    write("translation", measures, options, {"report": run.report, "seconds": run.seconds, "autoregressive": beside})


if __name__ == "__main__":
    main()
