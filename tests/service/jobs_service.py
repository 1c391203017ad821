"""A service's jobs alone, as a process that can be killed: its supervisor, on what the first line of input says.

python jobs_service.py          # {"url": …, "words": ["runs/digits"], "root": …, "options": {…}}
"""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
from pathlib import Path

from synthgen.service.catalog import Catalog
from synthgen.service.jobs.options import JobOptions
from synthgen.service.jobs.store import JobStore
from synthgen.service.jobs.supervisor import Supervisor


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    asked = json.loads(sys.stdin.readline())
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    catalog = Catalog.open(asked["words"])
    with Supervisor(JobStore(asked["url"]), catalog, Path(asked["root"]), JobOptions(**asked["options"])):
        print("ready", flush=True)
        ended.wait()


if __name__ == "__main__":
    main()
