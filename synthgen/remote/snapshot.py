"""The files of a run's folder as they were together at one moment, while others write there.

Files below a run's folder are whole from the first (`synthgen.storage`), and what rests on something is written after
it. So whoever looks at what rests on others first, and finds everything unchanged in a second look, has seen a state
in which the folder really was.

    for path, mark in take_snapshot(folder).items(): ...
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from ..storage import DIGESTS

# What a run's folder holds, each after what it rests on.
ORDER = (
    "state/recipe.json", "state/source.txt", "state/base.txt", "state/replay", "state/encoded", "state/training",
    "model", "labels", "judges", "state/makers.json", "state/looks", "state/shards", "state/memory",
    "state/rejections.parquet", "preview.png", "preview.txt", "preview.parquet", "dataset", "report.html", "state/done",
)  # fmt: skip
LOG = "state/log.jsonl"  # the only file that grows; it counts as it is
TRIES = 20  # looks at a folder that changes

Mark = tuple[int, int, int]  # size, time of change, number on the disk


def take_snapshot(folder: Path) -> dict[str, Mark] | None:
    """Each file but the log; None where the folder never held still."""
    for _ in range(TRIES):
        seen, again = _look(folder), _look(folder)
        if all(again.get(path) == mark for path, mark in seen.items()):
            return seen
        time.sleep(0.02)
    return None


def rank(path: str) -> tuple[int, int]:
    """Where a file comes in the order of sending: after what it rests on, and markers after what they vouch for."""
    place = next(number for number, name in enumerate(ORDER) if path == name or path.startswith(f"{name}/"))
    name = path.rpartition("/")[2]
    return place, 2 if name == DIGESTS else int(name.endswith(".json"))


def mark_of(status: os.stat_result) -> Mark:
    return status.st_size, status.st_mtime_ns, status.st_ino


def is_kept(path: str) -> bool:
    """Whether a file of that relative path is one of a run's; not the log."""
    return any(path == name or path.startswith(f"{name}/") for name in ORDER)


def _look(folder: Path) -> dict[str, Mark]:
    found = {path: mark for name in reversed(ORDER) for path, mark in _walk(folder, name)}
    lone = [path for path in found if path.startswith("state/shards/") and _rows(path) not in found]
    return {path: mark for path, mark in found.items() if path not in lone}


def _rows(path: str) -> str:
    return f"{path.rpartition('.')[0]}.parquet"


def _walk(folder: Path, name: str) -> Iterator[tuple[str, Mark]]:
    places = [folder / name]
    while places:
        place = places.pop()
        try:
            if place.is_dir():
                places += [Path(entry.path) for entry in os.scandir(place) if not entry.name.startswith(".")]
            else:
                yield place.relative_to(folder).as_posix(), mark_of(place.stat())
        except FileNotFoundError:  # not there, or gone meanwhile
            continue
