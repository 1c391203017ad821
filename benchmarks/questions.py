"""Questions about territories: do they name the right one and ask for the right fact, and what are they worth?

Runs of `synthgen run recipes/qa.yaml`, each with a seed of its own; a reader trained on their rows is scored on
passages with distractors of the same type. Whether that measure fails questions about the wrong territory is tried by
training it on such.

    python benchmarks/questions.py
"""

from statistics import fmean

from _record import command_line, judge_all, make_runs, measure_beside, ratio, write


def main() -> None:
    options = command_line("questions", __doc__, trainings=True).parse_args()
    runs = make_runs("questions", "qa", options)
    wrong = [measure_beside("_wrong_questions.py", run) for run in runs]
    own = [run.report["fidelity"]["own"] for run in runs]
    worth = [ratio(run.values("synthetic"), run.values("real"))[0] for run in runs]
    told = f"real questions that name another territory of their passage: F1 {wrong[0]['f1']:.2f}"
    seconds = [run.seconds for run in runs]
    measures = [
        judge_all("questions.seconds", seconds, note=f"the slowest {max(seconds):.0f} s"),
        judge_all(
            "questions.new",
            [o["right_before_gates"] for o in own],
            note=f"after the gates {fmean(o['right'] for o in own):.3f}",
        ),
        judge_all("questions.seen", [o["right_seen_names"] for o in own]),
        judge_all("questions.unseen", [o["right_unseen_names"] for o in own]),
        judge_all("questions.distinct", [o["distinct"] for o in own]),
        judge_all("questions.ratio", worth, note=told),
        judge_all(
            "questions.few", [w["few"][0] for w in wrong], note="real and synthetic − real, 5 % of the real rows"
        ),
    ]
    write("questions", measures, options, {"reports": [r.report for r in runs], "seconds": seconds, "wrong": wrong})


if __name__ == "__main__":
    main()
