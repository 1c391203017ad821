"""The learner that tells what rows of questions are worth: a small extractive reader, trained from scratch on them.

It knows rows and a seed, not where the rows come from; the same rows, seed and threads give the same score, bit for
bit. Questions about the wrong thing teach it to answer wrongly: on passages with distractors of the same type they are
worth less than nothing.

    learner = QuestionLearner(data)
    learner.measure(data.train, data.heldout, steps=200, batch_size=32, seed=0, augment=False).value
"""

from __future__ import annotations

import math
import re

import numpy as np

from ..diffusion.noise import row_generator
from ..networks.reader import Found, ReaderNet, fit_reader, prepare
from ..networks.reader_words import bare_words, overlap
from ..types import Columns, Data, Score
from .learners import count_parameters

COPIES = 2  # of each row beside itself, varied, for the baseline
DROPPED = 0.15  # share of a question's words
SENTENCE_END = re.compile(r"(?<=[.!?…])\s+")

Row = tuple[str, str, str, int]  # question, context, answer, start


class QuestionLearner:
    """A reader that finds spans, or says that there is none."""

    metric = "F1"
    default_steps, default_batch_size = 200, 32

    def __init__(self, data: Data):
        self.classes = len(data.classes)
        size = count_parameters(ReaderNet(1000))
        self.description = (
            f"extractive reader from scratch, {size} with 1,000 words, Muon and AdamW; augmented: words of the "
            "question left out, sentences of the passage in another order"
        )

    def measure(self, train: Columns, test: Columns, *, steps: int, batch_size: int, seed: int, augment: bool) -> Score:
        """SQuAD's F1 over all rows of `test`, and of each class; also EM. Columns question, context, answer, start, and
        label of `test`. An unanswerable question counts 1 where nothing is found, else 0.
        """
        rows = _rows(train)
        if augment:
            copies = [row for _ in range(COPIES) for row in rows]
            rows = rows + [vary(row, row_generator(seed, number, "augment")) for number, row in enumerate(copies)]
        reader = fit_reader([prepare(*row) for row in rows], steps=steps, batch_size=batch_size, seed=seed)
        found = reader.read(test["question"].tolist(), test["context"].tolist())
        said = [answer_of(one, context) for one, context in zip(found, test["context"].tolist(), strict=True)]
        pairs = list(zip(said, test["answer"].tolist(), strict=True))
        f1 = np.array([overlap(one, answer) for one, answer in pairs])
        exact = np.array([bare_words(one) == bare_words(answer) for one, answer in pairs])
        each = [f1[test["label"] == number] for number in range(self.classes)]
        return Score(
            float(f1.mean()),
            tuple(float(part.mean()) if len(part) else math.nan for part in each),
            {"EM": float(exact.mean())},
        )


def answer_of(found: Found, context: str) -> str:
    """The words that are found; "" where nothing is more likely."""
    return context[slice(*found.best)] if found.best is not None else ""


def vary(row: Row, draw: np.random.Generator) -> Row:
    """The row with words of the question left out and its passage's sentences in another order; the answer moves along.

    Sentences that the answer reaches across stay together.
    """
    question, context, answer, start = row
    words = question.split(" ")
    kept = [word for word in words if draw.random() >= DROPPED] or words
    end = start + len(answer)
    edges = [found.end() for found in SENTENCE_END.finditer(context) if not start < found.end() < end]
    pieces = [context[a:b] for a, b in zip([0, *edges], [*edges, len(context)], strict=True)]
    own = next((k for k, edge in enumerate([*edges, len(context)]) if edge >= end and edge > start), 0)
    inside = start - [0, *edges][own]
    text, place = "", start
    for number in draw.permutation(len(pieces)).tolist():
        text += " " if text else ""
        if number == own and start >= 0:
            place = len(text) + inside
        text += pieces[number].rstrip() if number != own else pieces[number]
    assert start < 0 or text.startswith(answer, place)
    return " ".join(kept), text, answer, place


def _rows(columns: Columns) -> list[Row]:
    return list(zip(*(columns[name].tolist() for name in ("question", "context", "answer", "start")), strict=True))
