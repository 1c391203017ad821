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
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from .errors import Interrupted, UserError
from .home import Home
from .recipe import Recipe, difference, with_defaults
from .storage import digest, digest_folder, is_same, is_sound, link_whole, remove_leftovers, write_whole

# What a run writes and `--fresh` may delete, in this order: what was made from something goes before it, so that a
# deletion that is cut short leaves nothing whose making is unknown. The recipe goes last.
OWN = ("preview.png", "preview.txt", "preview.parquet", "report.html", "dataset", "state", "judges", "labels", "model")
LAST = ("training", "replay", "base.txt", "source.txt", "recipe.json")  # of state/
INHERITED = (
    "state/source.txt",
    "state/replay",
    "state/looks",
    "judges",
    "labels",
    "state/makers.json",
    "model",
)  # the model last
PAUSE = 0.1  # seconds between two looks whether another process still holds the folder


class RunFolder:
    """`runs/<name>`: dataset/ model/ judges/ labels/ state/ report.html. One process at a time holds it."""

    def __init__(self, path: Path, recipe: Recipe, fresh: bool, patience: float = 0, home: Home | None = None) -> None:
        """`patience`: seconds to wait for another process that holds the folder; `home`: where else the run is kept."""
        self.path, self.recipe, self.fresh, self.patience = path, recipe, fresh, patience
        self.home = home or Home(str(path))
        self.state, self.shards = path / "state", path / "state" / "shards"
        self.replay = self.state / "replay"  # what is kept of a model that goes on learning
        self.model, self.judges, self.labels, self.dataset = (
            path / n for n in ("model", "judges", "labels", "dataset")
        )

    def __enter__(self) -> RunFolder:
        self._refuse_foreign_folder()
        self._missing = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        self._lock = self._hold()
        try:
            self.home.take()
            if self.fresh:
                self._clear()
                self.home.clear()
            else:
                self.home.fetch()
            self._claim()
            self._tidy()
            self.home.begin()
        except BaseException as error:
            self._give_up(error)
            raise
        return self

    def _hold(self) -> TextIO:
        """The folder's lock, once nobody else has it."""
        until = time.monotonic() + self.patience
        while True:
            try:
                self.state.mkdir(parents=True, exist_ok=True)
            except FileNotFoundError:  # of folders that are no real ones, such as those of /proc
                raise UserError(f"--out: {str(self.path)!r} cannot be made there; choose another folder") from None
            lock = (self.state / "lock").open("w")
            while not _try_lock(lock):
                if time.monotonic() >= until:
                    lock.close()
                    raise UserError(
                        f"--out: another process is working in {self.home.name!r}; wait for it or use another --out"
                    )
                time.sleep(PAUSE)
            if _is_same_file(lock, self.state / "lock"):
                return lock
            lock.close()  # of a folder that was taken away meanwhile

    def __exit__(self, kind: type[BaseException] | None = None, error: BaseException | None = None, *_: object) -> None:
        refused = isinstance(error, UserError) and not self._has_work()
        try:
            self._leave_home(error, refused)
        finally:
            if refused:
                self._vanish()
            self._lock.close()

    def _leave_home(self, error: BaseException | None, refused: bool) -> None:
        try:
            try:
                if refused:
                    self.home.clear()
            finally:
                self.home.leave(finish=not isinstance(error, KeyboardInterrupt | Interrupted))
        except UserError:
            if error is None:
                raise

    def _give_up(self, error: BaseException) -> None:
        """Leave a folder that was not entered."""
        try:
            with suppress(UserError):
                self.home.leave(finish=False)
            if isinstance(error, UserError) and self._missing and not self._has_work():
                self._vanish()
        finally:
            self._lock.close()

    def _has_work(self) -> bool:
        """Whether anything was made here that took time."""
        made = (self.model, self.labels, self.judges, self.dataset, self.state / "training", self.shards)
        return any(folder.is_dir() and any(folder.iterdir()) for folder in made)

    def _vanish(self) -> None:
        """Leave nothing of a run that was refused before it made anything."""
        if self._missing:
            shutil.rmtree(self.path)
            for folder in self._missing[1:]:
                folder.rmdir()
        else:
            for inner in self.state.iterdir():
                _delete(inner)

    def _refuse_foreign_folder(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"--out: {str(self.path)!r} is a file; name a folder")
        if self.path.is_dir() and not (self.state / "recipe.json").exists():
            strangers = sorted(entry.name for entry in self.path.iterdir() if entry.name not in OWN)
            if strangers:
                raise UserError(
                    f"--out: {str(self.path)!r} holds {strangers[0]!r} and is not a run's folder; name a new one"
                )

    def _clear(self) -> None:
        for name in OWN:
            if name != "state":
                _delete(self.path / name)
                continue
            for inner in self.state.iterdir():
                if inner.name not in ("lock", *LAST):
                    _delete(inner)
        for name in LAST:
            _delete(self.state / name)

    def _tidy(self) -> None:
        """Delete what interrupted writes left behind."""
        self.shards.mkdir(exist_ok=True)
        for name in (".", "state", "state/shards", "state/memory", "state/looks", "state/encoded", "judges", "labels"):
            if (self.path / name).is_dir():
                remove_leftovers(self.path / name)
        for name, files in self._known_makers().items():
            if name != "model" and files != digest_folder(self.path / name):
                _delete(self.path / name)

    def _known_makers(self) -> dict[str, Any]:
        try:
            known: dict[str, Any] = json.loads((self.state / "makers.json").read_text())
        except (OSError, ValueError):
            return {}
        return known

    def _claim(self) -> None:
        """Write the recipe down, or check that the folder was made from the same one."""
        path, mine = self.state / "recipe.json", self.recipe.resolved()
        if not path.exists():
            write_whole(path, json.dumps(mine, indent=1))
            return
        try:
            changed = difference(with_defaults(json.loads(path.read_text()), mine), mine)
        except ValueError:
            raise UserError(f"--out: {str(path)!r} is damaged; use --fresh to start over") from None
        if changed and not self._has_work():
            for name in LAST:
                _delete(self.state / name)
            return self._claim()
        if changed:
            more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
            raise UserError(
                f"--out: {self.home.name!r} was made with another recipe: {changed[0]}{more}; use --fresh to start "
                "over or --out for another folder"
            )

    def expect(self, name: str, value: str, fix: str, field: str = "") -> None:
        """Remember `value`; a UserError if an earlier start of this run had another."""
        path = self.state / f"{name}.txt"
        if not path.exists():
            write_whole(path, value)
        elif path.read_text() != value:
            raise UserError(f"{field or name}: it changed since this run began; {fix}")

    def rest_on(self, model: str) -> None:
        """Keep shards and measurements only if they were made with this model, judge and label generator.

        One of those that was damaged is made again; bounded by time, a training then ends with other weights.
        """
        mark = {"model": model, "judges": digest_folder(self.judges), "labels": digest_folder(self.labels)}
        known = self._known_makers()
        if known and known != mark:
            for made in ("done", "memory", "shards"):
                _delete(self.state / made)
            self.shards.mkdir()
            self.log("made anew", what="shards")
        if known != mark:
            write_whole(self.state / "makers.json", json.dumps(mark, indent=1))

    def is_equipped(self) -> bool:
        """Whether model, judge and labels of this recipe are there as they were written. Needs no lock."""
        try:
            asked = json.loads((self.state / "recipe.json").read_text())
        except (OSError, ValueError):
            return False
        known = self._known_makers()
        return (
            not difference(asked, self.recipe.resolved())
            and bool(known)
            and is_sound(self.model)
            and all(known[name] == digest_folder(self.path / name) for name in ("judges", "labels"))
        )

    def inherit(self, origin: Path) -> None:
        """Take over source digest, model, judge and labels of the run in `origin`, unless there is a model already.

        Files are shared by hard links where the disk allows it: nothing ever changes one in place.
        """
        if is_sound(self.model):
            return
        for name in INHERITED:
            if (origin / name).exists():
                link_whole(origin / name, self.path / name)
        self.log("inherited", origin=str(origin))

    def is_finished(self) -> bool:
        """Whether the dataset is there as it was written."""
        try:
            wanted = json.loads((self.state / "done").read_text())
        except (OSError, ValueError):
            return False
        ours = {name: wanted[name] for name in wanted if _is_ours(name)}
        return bool(ours) and is_same(self.dataset, ours) and (self.path / "report.html").is_file()

    def log(self, event: str, **facts: Any) -> None:
        """One line in state/log.jsonl. Raises what went wrong with the run's home meanwhile."""
        self.home.notice()
        line = json.dumps({"time": round(time.time(), 3), "process": os.getpid(), "event": event, **facts})
        with (self.state / "log.jsonl").open("a") as file:
            file.write(line + "\n")

    def seconds_so_far(self) -> float:
        """Wall time of this run: for each process that worked on it, from its start to its last event."""
        begun: dict[int, float] = {}
        total: dict[tuple[int, float], float] = {}
        self.log("clock")
        for line in (self.state / "log.jsonl").read_text().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:  # cut short by a full disk
                continue
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


def _try_lock(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_same_file(file: TextIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _is_ours(name: str) -> bool:
    # People may well write on the card; the rows and what was measured are ours.
    return name == "report.json" or name.startswith("data/")


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
