"""Where a run's folder has its home: here, or somewhere that its files are sent to as they are finished.

The seam between a run's folder and whatever keeps it. It knows no file by name and no network.

    RunFolder(Path("runs/digits"), recipe, fresh=False, home=Here(Path("runs/digits")))
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class Home(Protocol):
    """Keeps a run. Every function may raise UserError where the keeping fails; `leave` alone never hides another."""

    @property
    def name(self) -> str:
        """What the user calls the place."""

    def take(self) -> None:
        """Claim the place for this process, or say who has it. Nothing else there is changed."""

    def fetch(self) -> None:
        """Make the folder what the place holds."""

    def clear(self) -> None:
        """Delete the run there; its folder is cleared already."""

    def begin(self) -> None:
        """Send what is in the folder, and from now on whatever changes in it."""

    def notice(self) -> None:
        """Raise what went wrong meanwhile. Cheap."""

    def send(self) -> None:
        """Come back once everything that is in the folder now is there."""

    def leave(self, finish: bool) -> None:
        """Give the place back, after sending what is left if `finish`."""


class Here:
    """The folder is its own home."""

    def __init__(self, folder: Path) -> None:
        self.name = str(folder)

    def take(self) -> None:
        pass

    def fetch(self) -> None:
        pass

    def clear(self) -> None:
        pass

    def begin(self) -> None:
        pass

    def notice(self) -> None:
        pass

    def send(self) -> None:
        pass

    def leave(self, finish: bool) -> None:
        pass
