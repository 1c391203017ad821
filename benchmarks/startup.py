"""How long `synthgen --help` takes, against what Python needs to import typer.

Both commands are run in turns, so that both meet the same disturbances. Median and quartiles over the turns.

    python benchmarks/startup.py --turns 25
"""

import subprocess
import sys
import time
from statistics import median, quantiles

from _record import command_line, environment, judge, synthgen, write

LEAST_TURNS = 15


def seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=environment())
    return time.perf_counter() - began


def main() -> None:
    parser = command_line("startup", __doc__, recipe=False, out=False)
    parser.add_argument("--turns", type=int, default=25, help=f"below {LEAST_TURNS} it counts as a try")
    options = parser.parse_args()
    commands = {"synthgen": synthgen("--help"), "typer": [sys.executable, "-c", "import typer"]}
    for command in commands.values():
        seconds(command)  # fills the disk cache and writes bytecode
    turns = [{name: seconds(command) for name, command in commands.items()} for _ in range(max(2, options.turns))]
    times = {name: [turn[name] for turn in turns] for name in commands}
    low, _, high = quantiles([turn["synthgen"] / turn["typer"] for turn in turns], n=4)
    value = median(times["synthgen"]) / median(times["typer"])
    note = (
        f"medians {median(times['synthgen']):.3f} s and {median(times['typer']):.3f} s, {len(turns)} turns; "
        f"quartiles of the ratio {low:.2f} to {high:.2f}"
    )
    told = {name: ["python", *words[1:]] for name, words in commands.items()}
    details = {"seconds": times, "commands": told, "ratio_quartiles": [low, high]}
    write("startup", [judge("startup.ratio", value, note=note)], options, details, tried=len(turns) < LEAST_TURNS)


if __name__ == "__main__":
    main()
