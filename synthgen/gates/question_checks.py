"""What a row with a question must pass by itself: a question in form, one that does not tell its answer, a true span.

The bars come from the real training rows: what these do themselves is let through. Knows rows and texts, no models.

    form, leak, span = fit_question_checks(data)
    scores, reasons = form.judge(rows)      # float32 (N,), "" where the row passes
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

import numpy as np

from ..types import Check, Columns, Data

LEAST_WORDS = 3
OPENING_SHARE = 0.002  # of the training questions begin with a word, for it to be one that questions begin with
MARKED_SHARE = 0.98  # of the training questions end with a question mark, for others to be refused
MARKS = ("?", "？", "؟")
MOST_REFUSED = 0.003  # of the validation rows by one rule of form; a rule that refuses more does not hold there
LEAK_SHARE = 0.01  # of a class's training questions tell the answer, for others to be let through

Rule = Callable[[str], str]  # question -> what is wrong with it, or ""


def fit_question_checks(data: Data) -> tuple[Check, ...]:
    """form, leak and span, fitted to the training rows; a rule of form that validation rows break is left out."""
    rules = fit_form(data.train["question"].tolist(), data.validation["question"].tolist())
    leaking = find_leaking(data.train)
    return (
        Check(
            "form",
            "a question must look like the real ones: its mark, its length, its first word, no word twice in a row",
            lambda columns: _judge_form(columns, rules),
        ),
        Check(
            "leak",
            "a question must not hold its answer, unless real ones of its class do",
            lambda columns: _judge_leak(columns, leaking),
        ),
        Check("span", "the answer must stand in the context where the row says", _judge_span),
    )


def fit_form(train: list[str], validation: list[str]) -> tuple[Rule, ...]:
    """The rules of form that hold for the validation questions too."""
    lengths = [len(question.split()) for question in train]
    least, most = min(LEAST_WORDS, *lengths), max(lengths)
    counts = Counter(_first_word(question) for question in train)
    openings = frozenset(word for word, count in counts.items() if count >= OPENING_SHARE * len(train))
    marked = sum(question.rstrip().endswith(MARKS) for question in train) >= MARKED_SHARE * len(train)

    def check_mark(question: str) -> str:
        return "" if not marked or question.rstrip().endswith(MARKS) else "it does not end with a question mark"

    def check_length(question: str) -> str:
        count = len(question.split())
        return "" if least <= count <= most else f"{count} words; real questions have {least} to {most}"

    def check_opening(question: str) -> str:
        word = _first_word(question)
        return "" if word in openings else f"no real question begins with {word!r:.40}"

    def check_repeats(question: str) -> str:
        words = re.findall(r"\w+", question.casefold())
        twice = next((a for a, b in zip(words, words[1:], strict=False) if a == b), "")
        return f"{twice!r:.40} stands there twice in a row" if twice else ""

    rules: tuple[Rule, ...] = (check_mark, check_length, check_opening, check_repeats)
    allowed = MOST_REFUSED * len(validation)
    return tuple(rule for rule in rules if sum(bool(rule(question)) for question in validation) <= allowed)


def find_leaking(rows: Columns) -> frozenset[int]:
    """The classes whose own questions hold the answer now and then."""
    told = np.array([tells(q, a) for q, a in zip(rows["question"], rows["answer"], strict=True)], bool)
    labels = rows["label"]
    return frozenset(int(label) for label in np.unique(labels) if told[labels == label].mean() > LEAK_SHARE)


def tells(question: str, answer: str) -> bool:
    """Whether the answer stands in the question as whole words, whatever the case."""
    if not answer.strip():
        return False
    return re.search(rf"(?<!\w){re.escape(answer.strip().casefold())}(?!\w)", question.casefold()) is not None


def _first_word(question: str) -> str:
    found = re.search(r"\w+", question.casefold())
    return found.group() if found else ""


def _judge_form(columns: Columns, rules: tuple[Rule, ...]) -> tuple[np.ndarray, list[str]]:
    """Score: the share of the rules that hold."""
    scores, reasons = [], []
    for question in columns["question"].tolist():
        wrong = [said for rule in rules if (said := rule(question))]
        scores.append(1 - len(wrong) / max(len(rules), 1))
        reasons.append(f"the question is not in form: {wrong[0]}" if wrong else "")
    return np.array(scores, np.float32), reasons


def _judge_leak(columns: Columns, leaking: frozenset[int]) -> tuple[np.ndarray, list[str]]:
    """Score: 1 where the question does not hold the answer, else 0."""
    rows = zip(columns["question"], columns["answer"], columns["label"].tolist(), strict=True)
    told = [(tells(question, answer), label) for question, answer, label in rows]
    reasons = ["the question holds its answer" if is_told and label not in leaking else "" for is_told, label in told]
    return np.array([1 - is_told for is_told, _ in told], np.float32), reasons


def _judge_span(columns: Columns) -> tuple[np.ndarray, list[str]]:
    """Score: 1 where the context holds the answer at its start, or there is none at -1; else 0."""
    rows = zip(columns["context"], columns["answer"], columns["start"].tolist(), strict=True)
    right = [
        start >= 0 and context.startswith(answer, start) if answer else start == -1 for context, answer, start in rows
    ]
    reasons = ["" if is_right else "the answer does not stand in the context at its start" for is_right in right]
    return np.array(right, np.float32), reasons
