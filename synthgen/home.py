"""Where a run's folder has its home: here, or somewhere that its files are sent to as they are finished.

The seam between a run's folder and whatever keeps it. It knows no file by name and no network.

    RunFolder(Path("runs/digits"), recipe, fresh=False, home=Home("runs/digits"))
"""

from __future__ import annotations


class Home:
    """The folder itself, for which nothing has to be done; what keeps a run elsewhere says all of this anew.

    Every function may raise UserError where the keeping fails; `leave` alone never hides another.
    """

    def __init__(self, name: str) -> None:
        """`name`: what the user calls the place."""
        self.name = name

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
