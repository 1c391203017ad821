"""What a recipe lets those change who ask for its rows over HTTP."""

from __future__ import annotations

from pydantic import Field

from .options import Options

USUAL = ("conditions.balance", "sample.steps", "sample.guidance", "sample.temperature")
"""Opened where a recipe says nothing: what changes rows, and neither trains nor reads a file."""


class CallerOptions(Options):
    """What a request may change, and how much it may ask for."""

    open: tuple[str, ...] | None = None
    """Fields that callers may set, such as [conditions.balance, sample.steps]; of `conditions` and `sample` alone.
    null: balance, steps, guidance and temperature, as far as the task has them."""
    most_rows: int = Field(1024, ge=1, le=1_000_000)
    """Rows of one request; a job may ask for more."""
    most_job_rows: int = Field(1_000_000, ge=1, le=100_000_000)
    """Rows of one job."""
    most_steps: int = Field(50, ge=1, le=1000)
    """Steps of the solver that a request may ask for."""
