"""Dialogues with an assistant: is what it says so, and what are they worth to a reader of intents and slots?

python benchmarks/conversation.py
"""

from _record import command_line, judge, make_run, ratio, write


def main() -> None:
    options = command_line("conversation", __doc__).parse_args()
    run = make_run("conversation", "conversation", options)
    own, utility = run.report["fidelity"]["own"], run.report["utility"]
    regimes = [utility[f"train_{kind}_test_real"] for kind in ("synthetic", "real")]
    slots, _ = ratio(*(regime["also"]["slot F1"]["values"] for regime in regimes))
    before = f"one training; before the gates {own['facts_before_gates']:.3f}; by the reader that is also a gate"
    told = f"slot F1 {slots:.3f}; perplexity {own['perplexity']:.2f}, of real rows {own['perplexity_real']:.2f}"
    measures = [
        judge("conversation.seconds", run.seconds, note="one run"),
        judge("conversation.facts", own["facts"], note=before),
        judge("conversation.intents", *ratio(*(regime["values"] for regime in regimes)), note=told),
    ]
    write("conversation", measures, options, {"report": run.report, "seconds": run.seconds})


if __name__ == "__main__":
    main()
