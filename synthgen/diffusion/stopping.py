"""Work that somebody no longer wants ends at the next step of the denoiser.

with stoppable(event):
    solve(…)                # raises Stopped once event.is_set()
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_here = threading.local()


class Stopped(Exception):
    """The rows are not wanted any more."""


@contextmanager
def stoppable(event: threading.Event) -> Iterator[None]:
    """Steps that this thread takes inside the block end when the event is set."""
    before = getattr(_here, "event", None)
    _here.event = event
    try:
        yield
    finally:
        _here.event = before


def go_on() -> None:
    """Raises Stopped if this thread's work is not wanted any more; called before each step."""
    event = getattr(_here, "event", None)
    if event is not None and event.is_set():
        raise Stopped
