"""Logs as one JSON object a line, of facts that were named on purpose: no header, body, key or URL of a database.

install(sys.stderr)
logging.getLogger("synthgen.service").info("job", extra={"facts": {"id": job.id, "state": "done"}})
"""

from __future__ import annotations

import json
import logging
import time
from typing import TextIO

NAME = "synthgen.service"


class JsonFormatter(logging.Formatter):
    """`time` (UTC), `level`, `event` and the facts."""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry = {
            "time": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        entry |= getattr(record, "facts", {})
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def install(stream: TextIO, level: int = logging.INFO) -> None:
    """The service's own logger writes to `stream`, once a line."""
    logger = logging.getLogger(NAME)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False
