"""Dialogues with an assistant: is what it says so, and what are they worth to a reader of intents and slots?

Runs of `synthgen run recipes/conversation.yaml`, each with a seed of its own.

    python benchmarks/conversation.py
"""

from statistics import fmean

from _record import Run, command_line, judge_all, make_runs, ratio, write


def main() -> None:
    options = command_line("conversation", __doc__, trainings=True).parse_args()
    runs = make_runs("conversation", "conversation", options)
    own = [run.report["fidelity"]["own"] for run in runs]
    before, perplexity, real = (
        fmean(o[name] for o in own) for name in ("facts_before_gates", "perplexity", "perplexity_real")
    )
    slots = fmean(ratio(*(regime["also"]["slot F1"]["values"] for regime in _regimes(run)))[0] for run in runs)
    intents = [ratio(*(regime["values"] for regime in _regimes(run)))[0] for run in runs]
    seconds = [run.seconds for run in runs]
    told = f"slot F1 {slots:.3f}; perplexity {perplexity:.2f}, of real rows {real:.2f}"
    measures = [
        judge_all("conversation.seconds", seconds, note=f"the slowest {max(seconds):.0f} s"),
        judge_all(
            "conversation.facts",
            [o["facts"] for o in own],
            note=f"before the gates {before:.3f}; by the reader that is also a gate",
        ),
        judge_all("conversation.intents", intents, note=told),
    ]
    write("conversation", measures, options, {"reports": [run.report for run in runs], "seconds": seconds})


def _regimes(run: Run) -> list[dict]:
    return [run.report["utility"][f"train_{kind}_test_real"] for kind in ("synthetic", "real")]


if __name__ == "__main__":
    main()
