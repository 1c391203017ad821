"""How a run tells where it is. Knows nothing of what the stages do.

with on(sys.stderr) as progress:      # bars on a terminal, plain lines elsewhere
    progress.stage("train", total=120)
    progress.advance(1.5)
    progress.note("loss 0.12")
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TextIO


class Progress(Protocol):
    """What the pipeline is given. Every method may be called from any thread."""

    def stage(self, name: str, total: float | None = None) -> None:
        """A new stage begins; the one before it is done. `total` None: nobody knows how much there is."""

    def advance(self, n: float = 1) -> None:
        """`n` more of the stage's total are done."""

    def note(self, text: str) -> None:
        """A line that a person should see."""


class Silent:
    """Says nothing; for tests and for use as a library."""

    def stage(self, name: str, total: float | None = None) -> None:
        pass

    def advance(self, n: float = 1) -> None:
        pass

    def note(self, text: str) -> None:
        pass


class Lines:
    """One plain line when a stage begins, one every `every` seconds while it lasts."""

    def __init__(self, stream: TextIO, every: float = 15.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.stream, self.every, self.clock = stream, every, clock
        self.lock = threading.Lock()
        self.name, self.done = "", 0.0
        self.total: float | None = None
        self.began = self.told = clock()

    def stage(self, name: str, total: float | None = None) -> None:
        with self.lock:
            self.name, self.total, self.done = name, total, 0.0
            self.began = self.told = self.clock()
            self._say(name)

    def advance(self, n: float = 1) -> None:
        with self.lock:
            self.done += n
            now = self.clock()
            if now - self.told >= self.every:
                self.told = now
                self._say(f"{self.name} {self._share(now - self.began)}")

    def note(self, text: str) -> None:
        with self.lock:
            self._say(f"  {text}")

    def _share(self, seconds: float) -> str:
        if not self.total:
            return f"{self.done:.0f}"
        share = min(self.done / self.total, 1.0)
        left = f", {duration(seconds / share - seconds)} left" if share > 0 else ""
        return f"{100 * share:.0f} %{left}"

    def _say(self, text: str) -> None:
        print(text, file=self.stream, flush=True)


class Bars:
    """A bar with the time that is left for each stage; `rich` draws them."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self.bars = RichProgress(
            TextColumn("{task.description:<10}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(file=stream),
        )
        self.current: Any = None
        self.bars.start()

    def stage(self, name: str, total: float | None = None) -> None:
        self._finish()
        self.current = self.bars.add_task(name, total=total)

    def advance(self, n: float = 1) -> None:
        if self.current is not None:
            self.bars.advance(self.current, n)

    def note(self, text: str) -> None:
        self.bars.console.print(text, markup=False, highlight=False)

    def close(self, finished: bool) -> None:
        if finished:
            self._finish()
        self.bars.stop()

    def _finish(self) -> None:
        # A stage that ends before its bound (early stop, fewer candidates) is done all the same.
        if self.current is not None:
            done = self.bars.tasks[self.bars.task_ids.index(self.current)].completed
            self.bars.update(self.current, total=done or 1, completed=done or 1)


@contextmanager
def on(stream: TextIO) -> Iterator[Progress]:
    """Bars if `stream` is a terminal that can redraw, else lines."""
    if not stream.isatty():
        yield Lines(stream)
        return
    bars = Bars(stream)
    finished = False
    try:
        yield bars
        finished = True
    finally:
        bars.close(finished)


def duration(seconds: float) -> str:
    """'40 s', '4 min', '2 h 30 min', '3 days': as exact as an estimate may sound."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{round(minutes / 1440)} days"
