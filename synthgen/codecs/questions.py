"""Questions <-> tokens. What the net sees is the answer, marked, in the sentences around it; it writes the question.

Names and numbers of those sentences are slots, so that a question names what its passage names. Rows without an answer
teach nothing of how to ask; they are shown as they are only where a loss is measured.

    codec = fit_question_codec(data, names, pieces=2000, slots=8)
    x = codec.encode(rows)      # int64 (B, L)
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from tokenizers import Tokenizer

from ..diffusion.masked import round_up
from ..passages import KnownNames, find_window
from ..slots import Value, code_value, lift
from ..types import Columns, Data, count_rows, take_rows
from ..vocabulary import FIRST, Vocabulary
from .tokens import BLOCK, FRAME, Frame, Segment, TokenCodec, Told, close, describe_texts, find_room

MARKS = ("answer", "/answer", "none")
PLACEHOLDER = "\ufdd0"  # stands for the answer while names are lifted; no text has it: no character is assigned there
MOST_WINDOW = 120  # tokens: of longer windows those around the answer


@dataclass(frozen=True)
class QuestionCodec(TokenCodec):
    """Columns context, question, answer, start, label. Conditions have None for the question, and may have

    about: (window, start of the answer in it, answer): the sentences that the question is written from, where they are
    not those of the context.
    """

    vocabulary: Vocabulary
    names: KnownNames
    room: int
    longest: int
    block: int = BLOCK

    def views(self, columns: Columns) -> Columns:
        """The rows that have an answer."""
        return take_rows(columns, columns["start"] >= 0)

    def decode(self, x: torch.Tensor, columns: Columns) -> Columns:
        """`columns` with the question."""
        question = columns["question"].copy()
        for row, (tokens, frame) in enumerate(zip(x.tolist(), self.frames(columns), strict=True)):
            if frame.segments[0].is_written:
                question[row] = self.vocabulary.decode(tokens[frame.spans()[0]], frame.values).strip()
        return {**{name: values for name, values in columns.items() if name != FRAME}, "question": question}

    def describe(self, columns: Columns) -> np.ndarray:
        """float32 (N, 256): which groups of characters question and answer have."""
        return describe_texts([f"{q} | {a}" for q, a in zip(columns["question"], columns["answer"], strict=True)])

    def files(self) -> Mapping[str, str]:
        told = {"slots": self.vocabulary.slots, "marks": MARKS, "room": self.room, "names": self.names.known}
        return {"tokenizer.json": self.vocabulary.tokenizer.to_str(), "codec.json": json.dumps(told, indent=1)}

    def build_frames(self, columns: Columns) -> Iterator[Frame]:
        for row in range(count_rows(columns)):
            window, start, answer = find_about(columns, row, self.names)
            texts, values = lift_row(window, start, answer, columns["question"][row] or "", self.names, self.vocabulary)
            question = Segment(self.room)
            if columns["question"][row] is not None:
                tokens = close(self.vocabulary.encode(texts[1]))
                question = Segment(find_room(len(tokens) - 1), tokens)
            yield Frame(self._prefix(texts[0], answer, values), (question,), 0, values)

    def _prefix(self, window: str, answer: str, values: tuple[Value, ...]) -> tuple[Told, ...]:
        before, _, after = window.partition(PLACEHOLDER)
        first, last = (self._told(text, values) for text in (before, after))
        marked = [self.vocabulary.mark("none")]
        if answer:
            inside = self.vocabulary.encode(answer.replace("⟨", "⟨⟨").replace("⟩", "⟩⟩"))
            marked = [self.vocabulary.mark("answer"), *inside[: MOST_WINDOW // 2], self.vocabulary.mark("/answer")]
        spare = max(0, MOST_WINDOW - len(marked))
        first = first[max(0, len(first) - max(spare // 2, spare - len(last))) :]
        return (*first, *(Told(token) for token in marked), *last[: spare - len(first)])

    def _told(self, text: str, values: tuple[Value, ...]) -> list[Told]:
        tokens = self.vocabulary.encode(text)
        slots = range(FIRST, FIRST + len(values))
        return [Told(token, code_value(values[token - FIRST]) if token in slots else 0) for token in tokens]


def find_about(columns: Columns, row: int, names: KnownNames) -> tuple[str, int, str]:
    """(window, start of the answer in it, answer) of a row; without an answer the first sentences, and -1."""
    if "about" in columns and columns["about"][row] is not None:
        found: tuple[str, int, str] = columns["about"][row]
        return found
    context, answer, start = columns["context"][row], columns["answer"][row], int(columns["start"][row])
    if start < 0:
        first, last = find_window(context, 0, 1, names)
        return context[first:last], -1, ""
    first, last = find_window(context, start, start + len(answer), names)
    return context[first:last], start - first, answer


def lift_row(
    window: str, start: int, answer: str, question: str, names: KnownNames, vocabulary: Vocabulary
) -> tuple[tuple[str, ...], tuple[Value, ...]]:
    """(window, question) with slots, a placeholder where the answer stands; and the slots' values."""
    marked = window if start < 0 else f"{window[:start]}{PLACEHOLDER}{window[start + len(answer) :]}"
    lifted = lift((marked, question), vocabulary.slots, 0, names)
    return lifted.texts, lifted.values


def fit_question_codec(data: Data, names: KnownNames, pieces: int | Tokenizer, slots: int) -> QuestionCodec:
    """Pieces and the question's room from the training rows."""
    plain = Vocabulary.fit([], 256, slots, MARKS)
    texts: list[str] = []
    questions: list[str] = []
    for row in range(count_rows(data.train)):
        window, start, answer = find_about(data.train, row, names)
        lifted, _ = lift_row(window, start, answer, data.train["question"][row], names, plain)
        texts += [lifted[0].replace(PLACEHOLDER, ""), answer.replace("⟨", "").replace("⟩", "")]
        questions.append(lifted[1])
    vocabulary = Vocabulary.fit([*texts, *questions], pieces, slots, MARKS)
    room = find_room(max(len(vocabulary.encode(text)) for text in questions))
    codec = QuestionCodec(vocabulary, names, room, 0)
    longest = max(int(codec.widths(part).max()) for part in (data.train, data.validation, data.heldout))
    widest = round_up(MOST_WINDOW + room + 2)  # whatever passage is asked about
    return replace(codec, longest=max(longest, widest))
