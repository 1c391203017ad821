"""The base of every options class: frozen, and unknown fields are refused.

Each stage keeps its options beside itself in `<stage>/options.py`, which imports pydantic and nothing heavy.
"""

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class ConditionOptions(Options):
    """What a task's label generator may be told."""

    @property
    def trains(self) -> bool:
        """Whether the label generator is a model that has to be trained first."""
        return False
