"""What is to be measured of questions besides the usual: do they ask for what they are to ask for, and are they new?

Whether a question is right is asked of a function that the task knows; where there is none, only what texts alone tell.

    compare_questions(synthetic, data, right)       # {"right": 0.97, "distinct": 0.93, ...}
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..types import Columns, Data, LabelGenerator, count_rows, take_rows

Right = Callable[[Columns, Data], np.ndarray]  # bool (N,): whether each row's question asks for what it is to ask for
PROBED = 512  # rows drawn before any gate, and held-out answers that the model asks for

MEANINGS = {
    "right": ("questions that name the right territory and ask for the right fact, as the facts themselves tell", "1"),
    "right_before_gates": (f"the same of {PROBED} candidates before any gate", "near 1"),
    "right_seen_names": (
        "questions about held-out answers, before any gate, where training rows name the place",
        "near 1",
    ),
    "right_unseen_names": ("the same where no training row names the place", "near 1"),
    "distinct": ("different questions among the rows", "near 1"),
    "new": ("rows whose question is not among the training rows", "near 1 where passages are new"),
    "unanswerable": ("rows that their passage does not answer", "as asked for"),
}


def compare_questions(synthetic: Columns, data: Data, right: Right | None) -> dict[str, Any]:
    questions, known = synthetic["question"].tolist(), set(data.train["question"])
    found = {} if right is None else {"right": float(right(synthetic, data).mean())}
    return found | {
        "distinct": len(set(questions)) / len(questions),
        "new": float(np.mean([question not in known for question in questions])),
        "unanswerable": float((synthetic["start"] < 0).mean()),
    }


def probe_questions(
    sample: Callable[[Columns, np.ndarray], Columns], labels: LabelGenerator, data: Data, right: Right | None
) -> dict[str, Any]:
    """What the model asks before any gate: of new answers, and of those of held-out rows."""
    if right is None:
        return {}
    indices = np.arange(PROBED)
    found = {"right_before_gates": float(right(sample(labels.draw(indices), indices), data).mean())}
    seen = data.details.get("seen")
    if seen is None:
        return found
    for name, chosen in (("right_seen_names", seen), ("right_unseen_names", ~seen)):
        rows = take_rows(data.heldout, chosen & (data.heldout["start"] >= 0))
        rows = take_rows(rows, slice(0, PROBED))
        asked = {**rows, "question": np.full(count_rows(rows), None, object)}
        if count_rows(rows):
            found[name] = float(right(sample(asked, np.arange(count_rows(rows))), data).mean())
    return found
