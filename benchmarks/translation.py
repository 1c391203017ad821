"""Phrases in two languages: right in every character, worth to a translator, and an autoregressive model beside.

A run of `synthgen run recipes/translation.yaml`, then a prefix language model of the same blocks, rows, slots and
seconds (`_autoregressive.py`): what it gets right, and how many rows a second it writes token by token.

    python benchmarks/translation.py
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from _record import Run, command_line, environment, judge, make_run, ratio, write

ONE = "one training"


def write_token_by_token(run: Run) -> dict[str, Any]:
    script = Path(__file__).with_name("_autoregressive.py")
    command = [sys.executable, str(script), str(run.folder)]
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment())
    return dict(json.loads(found.stdout.splitlines()[-1]))


def main() -> None:
    options = command_line("translation", __doc__).parse_args()
    run = make_run("translation", "translation", options)
    beside = write_token_by_token(run)
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
