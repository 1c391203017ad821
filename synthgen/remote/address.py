"""A URL that stands for a run's folder, and where this machine keeps its copy. Imports no file system.

place = read_place("s3://bucket/runs/digits")      # an Address; of "runs/digits" a Path
place.copy()                                       # ~/.cache/synthgen/runs/digits-5b0c1f2e9a47
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import UserError

URL = re.compile(r"([^/]*)://(.*)", re.DOTALL)
PROTOCOL = re.compile(r"[a-z][a-z0-9+.-]*")
CACHE = "SYNTHGEN_CACHE"  # of the environment: the folder of the copies


@dataclass(frozen=True)
class Address:
    """A folder that another machine keeps."""

    url: str  # without a slash at its end
    option: str = field(default="--out", compare=False)  # what the user wrote it for

    def __str__(self) -> str:
        """The URL as it may be shown: without a password."""
        return re.sub(r"://([^/@:]*):[^/@]*@", r"://\1@", self.url)

    @property
    def protocol(self) -> str:
        return self.url.partition("://")[0]

    @property
    def name(self) -> str:
        """What it is called there, and a digest of the whole, fit for a folder's name."""
        last = re.sub(r"[^A-Za-z0-9_.-]", "_", self.url.rpartition("/")[2])[:40].strip(".") or "run"
        return f"{last}-{hashlib.sha256(self.url.encode()).hexdigest()[:12]}"

    def copy(self) -> Path:
        """The folder on this machine in which its run is worked on."""
        return cache() / "runs" / self.name


Place = Path | Address


def read_place(text: str, option: str = "--out") -> Place:
    """What the user named: a folder of this machine, or a URL. Raises UserError for a URL that names no folder."""
    found = URL.fullmatch(text)
    if found is None:
        return Path(text)
    protocol, rest = found[1].lower(), found[2].rstrip("/")
    if not PROTOCOL.fullmatch(protocol) or "::" in rest or not rest.isprintable():
        raise UserError(f"{option}: {text!r} is not the URL of a folder; write one such as s3://bucket/runs/digits")
    if not rest.lstrip("/"):
        raise UserError(f"{option}: {text!r} names no bucket or folder; write one such as {protocol}://bucket/runs/x")
    return Address(f"{protocol}://{rest}", option)


def cache() -> Path:
    """The folder of the copies; what is in it may be deleted while no run is at work."""
    if own := os.environ.get(CACHE):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "synthgen"


def on_this_machine(place: Place) -> Path:
    """The folder in which work is done."""
    return place.copy() if isinstance(place, Address) else place
