"""Write docs/openapi.json anew: what the HTTP service takes and gives.

python docs/openapi.py
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from synthgen.sampling.model_server import ModelServer
from synthgen.service.app import build_app
from synthgen.service.auth import Keys
from synthgen.service.catalog import Catalog
from synthgen.service.jobs.store import JobStore
from synthgen.service.options import ServeOptions
from synthgen.service.service import Service

PLACE = Path(__file__).with_name("openapi.json")


def describe() -> str:
    """The document as text; it does not depend on which recipes are served."""
    with tempfile.TemporaryDirectory() as folder:
        store = JobStore(f"sqlite:///{folder}/jobs.db")
        options = ServeOptions(recipes=("any",), state=folder)
        rows: ModelServer = ModelServer(lambda what: what)
        app = build_app(Service(Catalog({}), rows, options, Keys({}), store))
        document = app.openapi()
        store.close()
    document["info"]["version"] = "1"  # of the routes, not of the package
    return json.dumps(document, indent=1, ensure_ascii=True, sort_keys=True) + "\n"


if __name__ == "__main__":
    PLACE.write_text(describe(), encoding="utf-8")
