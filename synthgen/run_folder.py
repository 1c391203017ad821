"""What is on disk of one run, and what of it may be trusted after an interruption.

It knows names and digests, not what the stages do.

    with RunFolder(Path("runs/digits"), recipe, fresh=False) as run:
        score = run.recall("train_real/0", compute)
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .errors import UserError
from .recipe import Recipe, difference
from .storage import digest, remove_leftovers, write_whole

OWN = ("state", "model", "judges", "labels", "dataset", "report.html")  # what `--fresh` may delete


class RunFolder:
    """`runs/<name>`: dataset/ model/ judges/ labels/ state/ report.html. One process at a time holds it."""

    def __init__(self, path: Path, recipe: Recipe, fresh: bool) -> None:
        self.path, self.recipe, self.fresh = path, recipe, fresh
        self.state, self.shards = path / "state", path / "state" / "shards"
        self.model, self.judges, self.labels, self.dataset = (
            path / n for n in ("model", "judges", "labels", "dataset")
        )

    def __enter__(self) -> RunFolder:
        self._refuse_foreign_folder()
        self.state.mkdir(parents=True, exist_ok=True)
        self._lock = (self.state / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(
                f"--out: another process is working in {str(self.path)!r}; wait for it or use another --out"
            ) from None
        if self.fresh:
            self._clear()
        self._claim()
        self.shards.mkdir(exist_ok=True)
        for folder in (self.path, self.state, self.shards, self.judges, self.labels):
            if folder.is_dir():
                remove_leftovers(folder)
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()

    def _refuse_foreign_folder(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"--out: {str(self.path)!r} is a file; name a folder")
        if self.path.is_dir() and not (self.state / "recipe.json").exists():
            strangers = sorted(entry.name for entry in self.path.iterdir() if entry.name not in OWN)
            if strangers:
                raise UserError(
                    f"--out: {str(self.path)!r} holds {strangers[0]!r} and is not a run's folder; name an empty or new one"
                )

    def _clear(self) -> None:
        for name in OWN:
            entry = self.path / name
            if name == "state":
                for inner in entry.iterdir():
                    if inner.name != "lock":
                        shutil.rmtree(inner) if inner.is_dir() else inner.unlink()
            elif entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink(missing_ok=True)

    def _claim(self) -> None:
        """Write the recipe down, or check that the folder was made from the same one."""
        path, mine = self.state / "recipe.json", self.recipe.resolved()
        if not path.exists():
            write_whole(path, json.dumps(mine, indent=1))
            return
        changed = difference(json.loads(path.read_text()), mine)
        if changed:
            more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
            raise UserError(
                f"--out: {str(self.path)!r} was made with another recipe: {changed[0]}{more}; use --fresh to start over "
                "or --out for another folder"
            )

    def expect(self, name: str, value: str, fix: str) -> None:
        """Remember `value`; a UserError if an earlier start of this run had another."""
        path = self.state / f"{name}.txt"
        if not path.exists():
            write_whole(path, value)
        elif path.read_text() != value:
            raise UserError(f"{name}: it changed since this run began; {fix}")

    def log(self, event: str, **facts: Any) -> None:
        """One line in state/log.jsonl."""
        line = json.dumps({"time": round(time.time(), 3), "process": os.getpid(), "event": event, **facts})
        with (self.state / "log.jsonl").open("a") as file:
            file.write(line + "\n")

    def seconds_so_far(self) -> float:
        """Wall time of this run: for each process that worked on it, from its start to its last event."""
        begun: dict[int, float] = {}
        total: dict[tuple[int, float], float] = {}
        self.log("clock")
        for line in (self.state / "log.jsonl").read_text().splitlines():
            entry = json.loads(line)
            process = entry["process"]
            if entry["event"] == "start":
                begun[process] = entry["time"]
            if process in begun:
                total[process, begun[process]] = entry["time"] - begun[process]
        return sum(total.values())

    def recall(self, key: str, compute: Callable[[], Any]) -> Any:
        """The JSON value that `compute` gave when it was first asked under this key."""
        path = self.state / "memory" / f"{key.replace('/', '-')}.json"
        try:
            return json.loads(path.read_text())
        except (OSError, ValueError):
            value = compute()
            write_whole(path, json.dumps(value))
            return value

    def shard_path(self, number: int) -> Path:
        return self.shards / f"{number:06d}.parquet"

    def finish_shard(self, number: int, sha256: str, seconds: dict[str, float]) -> None:
        write_whole(self.shard_path(number).with_suffix(".json"), json.dumps({"sha256": sha256, "seconds": seconds}))
        self.log("shard", number=number)

    def shard_is_sound(self, number: int) -> bool:
        """Whether the shard is there as it was written; one that is altered is deleted, never read."""
        path = self.shard_path(number)
        try:
            if json.loads(path.with_suffix(".json").read_text())["sha256"] == digest(path):
                return True
        except (OSError, ValueError, KeyError):
            pass
        path.with_suffix(".json").unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        return False

    def shard_seconds(self, number: int) -> dict[str, float]:
        seconds: dict[str, float] = json.loads(self.shard_path(number).with_suffix(".json").read_text())["seconds"]
        return seconds
