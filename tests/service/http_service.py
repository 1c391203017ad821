"""The application alone, without Ray, as a process: on a run's folder, with its jobs in SQLite and nobody to run them.

python http_service.py RUN STATE PORT
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
import uvicorn

from synthgen.pipeline import open_maker
from synthgen.sampling.model_server import ModelServer
from synthgen.service.app import build_app
from synthgen.service.auth import Keys
from synthgen.service.catalog import Catalog
from synthgen.service.jobs.store import JobStore
from synthgen.service.options import ServeOptions
from synthgen.service.service import Service


def main(run: str, state: str, port: str) -> None:
    torch.set_num_threads(1)
    Path(state).mkdir(exist_ok=True)
    more = {"rows_per_request": 4, "rows_per_minute": 10**9, "jobs_per_key": 10**5, "requests_per_key": 10**5}
    options = ServeOptions(recipes=(run,), state=state, **more)
    store = JobStore(f"sqlite:///{state}/jobs.db")
    keys = Keys.read(None, os.environ)
    app = build_app(Service(Catalog.open([run]), ModelServer(open_maker), options, keys, store))
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning", access_log=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
