"""SIGKILL at 20 moments of one run, and what must hold once it is finished all the same."""

import random
import re
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from conftest_run import DIGITS, data_digests, events, start, words

# stage -> (kills, the event that is waited for, how many of them at most, seconds after it at most)
MOMENTS = {
    "training": (7, "training", 3, 0.4),
    "judge": (1, "model", 1, 2.0),
    "sampling": (5, "shard", 2, 0.2),
    "evaluation": (4, "measured", 1, 0.6),
    "export": (3, "export", 1, 0.3),
}


def newest_checkpoint(folder: Path) -> int:
    return max((int(path.name[5:]) for path in (folder / "state" / "training").glob("step-*")), default=0)
