"""Waiting for a page. Playwright's own `wait_for_function` evaluates strings, which the page's policy forbids."""

from __future__ import annotations

import time
from typing import Any


def until(page: Any, expression: str, seconds: float = 15) -> None:
    """Come back once the JavaScript expression holds on the page."""
    end = time.monotonic() + seconds
    while not page.evaluate(f"Boolean({expression})"):
        assert time.monotonic() < end, f"it never came to {expression}"
        page.wait_for_timeout(50)
