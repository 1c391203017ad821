"""Recordings with labelled episodes: does an event detector gain from synthetic episodes, and more so where real ones
are rare?

The bar asks for freezing of gait, but the copy of Daphnet that aeon ships marks no episode. In its place: motion
capture of one person (CMU Graphics Lab, subject 86; four joint angles at 120 Hz), where walking is the usual and every
other activity an episode. Three of the nine recordings, taken on other occasions, are held out. Two runs: with all real
training episodes, drawn as often as they are, and with every tenth, drawn in half of the rows. The score: the share of
episode steps found at 5 % false alarms.

    pip download --no-deps tsseg==0.3.0 && unzip tsseg-0.3.0-py3-none-any.whl 'tsseg/data/mocap/*'
    python benchmarks/episodes.py --data tsseg/data/mocap
"""

from __future__ import annotations

import argparse
import csv
from itertools import groupby
from pathlib import Path

from _record import RUNS, Run, command_line, difference, judge, make_run, refuse, write

TRAIN, TEST = ("86_01", "86_02", "86_03", "86_07", "86_08", "86_09"), ("86_10", "86_11", "86_14")
ANGLES = ("right_arm", "left_arm", "right_thigh", "left_thigh")
EVERY = 4  # of the 120 samples a second one is kept
RARE = 10  # of so many real episodes one is kept
LENGTH, STRIDE = 128, 8  # steps of a row: 4.3 s
CASES = (("all", 1, "{}"), ("rare", RARE, "{activity: {share: 0.5}}"))  # asked for where they are rare, else as real

Step = tuple[list[str], bool]


def read_steps(path: Path) -> list[Step]:
    """(angles, whether an episode is on) of a recording: columns of angles, then the activity, 0 for walking."""
    with path.open(newline="") as file:
        return [(row[:-1], row[-1] != "0") for row in list(csv.reader(file))[::EVERY]]


def drop_episodes(recordings: dict[str, list[Step]], every: int) -> dict[str, list[Step]]:
    """The recordings with every `every`-th episode; where one is left out, a recording is cut in two."""
    found: dict[str, list[Step]] = {}
    episodes = 0
    for name, steps in recordings.items():
        piece = 0
        for on, group in groupby(steps, key=lambda step: step[1]):
            if on:
                episodes += 1
                if episodes % every != every // 2 % every:
                    piece += 1
                    continue
            found.setdefault(f"{name}_{piece}", []).extend(group)
    return found


def write_steps(folder: Path, recordings: dict[str, list[Step]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.csv"):
        old.unlink()
    for name, steps in recordings.items():
        with (folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["seconds", *ANGLES, "activity"])
            writer.writerows([f"{i * EVERY / 120:.5f}", *angles, int(on)] for i, (angles, on) in enumerate(steps))


def run_on(name: str, every: int, events: str, options: argparse.Namespace) -> Run:
    folder = RUNS / "episodes" / name
    train = {stem: read_steps(options.data / f"{stem}.csv") for stem in TRAIN}
    write_steps(folder / "train", drop_episodes(train, every))
    write_steps(folder / "test", {stem: read_steps(options.data / f"{stem}.csv") for stem in TEST})
    own = (
        f"name=episodes-{name}", "description=Walking, with episodes of other activities.", "source.kind=files",
        f"source.path={folder}", "source.name=null", "source.columns={time: seconds, events: activity}",
        "source.kinds=[activity]", f"source.length={LENGTH}", f"source.stride={STRIDE}",
        "source.origin=CMU Graphics Lab Motion Capture Database, subject 86", "conditions.balance=real",
        f"conditions.events={events}", "train.seconds=180",
    )  # fmt: skip
    return make_run(f"episodes-{name}", "timeseries", options, *own)


def main() -> None:
    options = command_line("episodes", __doc__, data=Path("tsseg/data/mocap")).parse_args()
    if not (options.data / f"{TRAIN[0]}.csv").is_file():
        refuse(f"--data: {str(options.data)!r} has no {TRAIN[0]}.csv; see the top of this file for where to get it")
    measures, details = [], {}
    for name, every, events in CASES:
        run = run_on(name, every, events, options)
        real, both, synthetic = (sum(run.values(kind)) / 3 for kind in ("real", "both", "synthetic"))
        note = f"recall at 5 % false alarms: real {real:.3f}, both {both:.3f}, synthetic {synthetic:.3f}"
        measures.append(judge(f"episodes.{name}", *difference(run.values("both"), run.values("real")), note=note))
        details[name] = {"report": run.report, "seconds": run.seconds}
    write("episodes", measures, options, details)


if __name__ == "__main__":
    main()
