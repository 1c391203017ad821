"""Questions about territories: do they name the right one and ask for the right fact, and what are they worth?

A run of `synthgen run recipes/qa.yaml`; a reader trained on its rows is scored on passages with distractors of the same
type. Whether that measure fails questions about the wrong territory is tried by training it on such.

    python benchmarks/questions.py
"""

from _record import command_line, judge, make_run, measure_beside, ratio, write


def main() -> None:
    options = command_line("questions", __doc__).parse_args()
    run = make_run("questions", "qa", options)
    wrong = measure_beside("_wrong_questions.py", run)
    own = run.report["fidelity"]["own"]
    after = f"one training; after the gates {own['right']:.3f}"
    told = f"real questions that name another territory of their passage: F1 {wrong['f1']:.2f}"
    measures = [
        judge("questions.seconds", run.seconds, note="one run"),
        judge("questions.new", own["right_before_gates"], note=after),
        judge("questions.seen", own["right_seen_names"], note="one training"),
        judge("questions.unseen", own["right_unseen_names"], note="one training"),
        judge("questions.distinct", own["distinct"]),
        judge("questions.ratio", *ratio(run.values("synthetic"), run.values("real")), note=told),
        judge("questions.few", *wrong["few"], note="real and synthetic − real, 5 % of the real rows"),
    ]
    write("questions", measures, options, {"report": run.report, "seconds": run.seconds, "wrong": wrong})


if __name__ == "__main__":
    main()
