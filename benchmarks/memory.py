"""Whether the memory of sampling grows with the rows: the peak for 20,000 rows against that for 2,000.

The digits model is trained once (`synthgen preview`); then `synthgen run` makes 2,000 and 20,000 rows with copies of
it, in turns, each in a process of its own. A process's peak (VmHWM) is set back when its first shard is written and
read when the last one is, before the evaluation, which holds rows in memory on purpose. Linux only.

    python benchmarks/memory.py
"""

import json
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

from _record import RECIPES, command_line, environment, judge, refuse, spread, synthgen, write

FEW, MANY = 2000, 20_000
RECIPE = str(RECIPES / "classification.yaml")
OF_THE_MODEL = ("model", "judges", "labels")
LOOK_EVERY = (
    0.02  # seconds; the bare denoiser is timed for more than a second between the last shard and the evaluation
)


def train(folder: Path, changes: list[str]) -> None:
    """A model and its judge in `folder`."""
    command = synthgen("preview", RECIPE, *changes, "--out", str(folder))
    print("$ " + shlex.join(command), flush=True)
    code = subprocess.run(command, env=environment()).returncode
    if code:
        raise SystemExit(code)


def sample(model: Path, count: int, changes: list[str]) -> dict[str, float]:
    """Making `count` rows with a copy of the model: MiB after the first shard and at the peak, and seconds."""
    with tempfile.TemporaryDirectory(prefix="synthgen-memory-") as temporary:
        folder, told = Path(temporary, "run"), Path(temporary, "stderr")
        for name in OF_THE_MODEL:
            if (model / name).is_dir():
                shutil.copytree(model / name, folder / name)
        command = synthgen("run", RECIPE, *changes, "--set", f"count={count}", "--out", str(folder))
        with told.open("w") as errors:
            process = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=errors)
        try:
            found = watch(process, folder / "state" / "log.jsonl")
        finally:
            stop(process)
        if found is None:
            refuse(f"synthgen run ended before its rows were made: {told.read_text().strip()[-300:]}")
        return found


def watch(process: subprocess.Popen[bytes], log: Path) -> dict[str, float] | None:
    """Follow a run's log from its first shard to the end of its sampling; None if it ends earlier."""
    began, first = 0.0, 0.0
    while process.poll() is None:
        text = log.read_text() if log.exists() else ""
        events = [json.loads(line)["event"] for line in text[: text.rfind("\n") + 1].splitlines()]
        if "model" in events:
            refuse("the copied model was not taken up and a new one was trained; run it again")
        if not began and "shard" in events:
            began, first = time.perf_counter(), memory(process.pid, "VmRSS")
            Path(f"/proc/{process.pid}/clear_refs").write_text("5")  # the peak starts anew: man 5 proc
        if "sampled" in events:
            return {"first": first, "peak": memory(process.pid, "VmHWM"), "seconds": time.perf_counter() - began}
        time.sleep(LOOK_EVERY)
    return None


def memory(process: int, field: str) -> float:
    """MiB, from the kernel's account of a process."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"no {field} in /proc/{process}/status")


def stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main() -> None:
    parser = command_line("memory", __doc__, out=False)
    parser.add_argument("--turns", type=int, default=3, help="how often each number of rows is made; default: 3")
    parser.add_argument("--rows", type=int, nargs=2, default=(FEW, MANY), metavar=("FEW", "MANY"), help="for a try")
    options = parser.parse_args()
    if not Path("/proc/self/clear_refs").exists():
        refuse("the peak memory of another process can be read on Linux only; run it there")
    changes = [word for change in options.changes for word in ("--set", change)]
    found: dict[int, list[dict[str, float]]] = {count: [] for count in options.rows}
    with tempfile.TemporaryDirectory(prefix="synthgen-memory-") as temporary:
        model = Path(temporary, "model")
        train(model, changes)
        for turn in range(max(1, options.turns)):
            for count in found:
                found[count].append(sample(model, count, changes))
                print(f"turn {turn + 1}, {count:,} rows: peak {found[count][-1]['peak']:.0f} MiB", flush=True)
    few, many = ([run["peak"] for run in found[count]] for count in options.rows)
    note = f"medians {median(many):.0f} and {median(few):.0f} MiB, {len(few)} turns"
    sd = spread([a / b for a, b in zip(many, few, strict=True)])
    measured = judge("memory.ratio", median(many) / median(few), sd, "turns", note=note)
    details = {"mebibytes": {str(count): runs for count, runs in found.items()}}
    write("memory", [measured], options, details, tried=tuple(options.rows) != (FEW, MANY))


if __name__ == "__main__":
    main()
