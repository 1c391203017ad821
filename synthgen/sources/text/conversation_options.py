"""What a recipe may say about a source of conversations. Knows fields and bounds, not how anything is read.

ConversationSourceOptions(kind="files", path="chats.jsonl", columns={"messages": "conversations"}, turns=6)
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..options import SourceOptions, Word

Role = Literal["messages", "prompt", "response", "intents", "topic", "tone"]


class ConversationSourceOptions(SourceOptions):
    """Dialogues of a user with an assistant: messages with roles, or pairs of prompt and response."""

    path: Annotated[str, Field(min_length=1, max_length=4000)] | None = None
    """files: a file, a folder or a glob; Parquet, JSON lines, JSON, CSV or TSV. Never a URL."""
    columns: dict[Role, Word] = Field(default_factory=dict)
    """Our column to the name it has in the source; null: the usual names. messages: a list of {role, content} or of
    {from, value}, which may carry an intent and slots, or the frames of schema-guided dialogues. prompt and response:
    the two turns of a dialogue, where there are no messages. intents: one a turn, or one word for the first user turn.
    topic: the class where there are no intents. tone: of the whole dialogue."""
    turns: Annotated[int, Field(ge=2, le=64)] = 12
    """Longer dialogues are cut to at most so many turns, at the end of one of the assistant's."""
    longest: Annotated[int, Field(ge=8, le=10_000)] = 400
    """Dialogues with a turn of more characters are left out."""

    @model_validator(mode="after")
    def _is_of_one_form(self) -> Self:
        pair = {"prompt", "response"} & set(self.columns)
        if pair and "messages" in self.columns:
            raise ValueError("columns name messages and also a prompt or response; keep one of the two forms")
        if len(pair) == 1:
            raise ValueError(f"columns name only the {pair.pop()} of a pair; name prompt and response")
        return self
