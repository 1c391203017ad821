"""`python -m synthgen` is the command `synthgen`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
