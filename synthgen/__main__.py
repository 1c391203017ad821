"""The command `synthgen`, also as `python -m synthgen`."""

import os
import sys

from .cli import main


def command() -> None:
    """Run the words of the command line and leave.

    An interrupted run leaves at once: whatever is finished is on disk, and threads that are still at work, such as
    learners of half a minute, have nothing to save.
    """
    code = main()
    if code == 130:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    command()
