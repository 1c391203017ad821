"""Words that no row of texts may have, as a recipe names them. Knows texts, not what they are for.

check = forbid_words(("damn", "go to hell"), lambda rows: rows["question"].tolist())
check.judge(rows)           # (scores, reasons)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from ..types import Check, Columns

NAME = "words"


def forbid_words(words: Sequence[str], texts: Callable[[Columns], list[str]]) -> Check:
    """`texts` gives all that each row says. Score 1, or 0 for a row that says one of the words, in whatever case."""
    pattern = compile_words(words)

    def judge(columns: Columns) -> tuple[np.ndarray, list[str]]:
        hits = [pattern.search(text.casefold()) for text in texts(columns)]
        reasons = ["" if hit is None else f"it says {hit[0]!r:.40}" for hit in hits]
        return np.array([not reason for reason in reasons], np.float32), reasons

    return Check(NAME, f"the row says one of the {len(words)} words that gates.words names", judge)


def compile_words(words: Iterable[str]) -> re.Pattern[str]:
    """Finds any of the words (or groups of words) in a case-folded text, as whole words."""
    ordered = sorted({word.casefold().strip() for word in words}, key=lambda word: (-len(word), word))
    return re.compile(rf"(?<!\w)(?:{'|'.join(re.escape(word) for word in ordered if word)})(?!\w)")
