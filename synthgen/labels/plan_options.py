"""What may be asked of dialogues.

conditions: {turns: [2, 6], tones: {polite: 2, plain: 1}}
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from .options import ClassConditionOptions

Count = Annotated[int, Field(ge=1, le=64)]
Weight = Annotated[float, Field(ge=0)]


class PlanConditionOptions(ClassConditionOptions):
    """Which dialogues to write. `balance` is about what their users want first."""

    turns: tuple[Count, Count] | None = None
    """The fewest turns of a dialogue, and the most; null: as in the real ones."""
    tones: dict[Annotated[str, Field(min_length=1, max_length=200)], Weight] | None = None
    """Weights of the tones (personas); null: as in the real ones."""
    recombine: bool = True
    """Values of slots come from other dialogues, from slots of the same name; off: a real dialogue's own. Built-in
    dialogues are about facts, which are never mixed."""

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.turns is not None and self.turns[0] > self.turns[1]:
            raise ValueError(f"turns {list(self.turns)} go from more to fewer; write the smaller number first")
        if self.tones is not None and not sum(self.tones.values()) > 0:
            raise ValueError("every weight of tones is 0; give at least one tone a weight above 0")
        return self
