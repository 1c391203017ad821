"""What may be asked of questions about passages.

conditions: {balance: {date: 2, name: 1}, unanswerable: 0.3}
"""

from __future__ import annotations

from pydantic import Field

from .options import ClassConditionOptions


class SpanConditionOptions(ClassConditionOptions):
    """Which answers to ask for. `balance` is about the kinds of answers; `unanswerable` stands beside it."""

    unanswerable: float | None = Field(None, ge=0, le=0.9)
    """Share of questions that their passage does not answer; null: as among the training rows."""
    sure: float = Field(0.5, ge=0, lt=1)
    """How sure a span must be of its kind to be asked for: a probability from the words around it."""
    position: tuple[float, float] = (0.0, 1.0)
    """Where in a passage answers may begin, as shares of its length."""
