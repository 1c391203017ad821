"""What a dialogue by itself must pass: it repeats nothing, says enough, and keeps to its slots and turns.

How much is allowed is taken from real training rows. Knows turns, neither what is true nor who wrote them.

    checks = fit_conversation_checks(data)
    [check.name for check in checks]        # ["turns", "slots", "repetition", "distinct"]
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import partial

import numpy as np

from ..types import Check, Columns, Data

REPEATED = 0.998  # quantile of training rows: so much repetition is allowed
FEWEST = 0.005  # quantile of training rows: a share of distinct pairs of words below it is too small
USUAL_END = 0.99  # share of training rows that end with the assistant, from which on every row must
WORD = re.compile(r"\w+")


def fit_conversation_checks(data: Data) -> tuple[Check, ...]:
    """The checks of rows with roles, contents and slots, object arrays (N,) of tuples.

    Of validation rows each check refuses fewer than 1 %.
    """
    train = data.train
    limits = np.quantile(_repetitions(train), REPEATED, axis=0, method="higher")
    fewest = float(np.quantile(_distinct(train), FEWEST))
    ends = [bool(roles) and roles[-1] == "assistant" for roles in train["roles"]]
    assistant_ends = float(np.mean(ends)) >= USUAL_END
    ending = ", the assistant has the last word" if assistant_ends else ""
    return (
        Check("turns", f"speakers alternate{ending}, no turn is empty", partial(check_turns, ends=assistant_ends)),
        Check("slots", "the value of each slot stands in its turn, letter by letter", check_slots),
        Check(
            "repetition",
            "no turn is said again, and no word or three words over and over, more than in real dialogues",
            partial(check_repetition, limits=limits),
        ),
        Check(
            "distinct",
            f"the share of distinct pairs of words is at least {fewest:.3g}, as in {1 - FEWEST:.1%} of real dialogues",
            partial(check_distinct, fewest=fewest),
        ),
    )


def check_turns(columns: Columns, ends: bool) -> tuple[np.ndarray, list[str]]:
    """Score 1, or 0 where two neighbouring turns have one role, a turn is empty, or the last word is the user's."""
    reasons = []
    for roles, contents in zip(columns["roles"], columns["contents"], strict=True):
        empty = next((place for place, content in enumerate(contents) if not content.strip()), None)
        same = next((place for place in range(1, len(roles)) if roles[place] == roles[place - 1]), None)
        if not roles or len(roles) != len(contents):
            reasons.append(f"{len(roles)} roles for {len(contents)} turns")
        elif empty is not None:
            reasons.append(f"turn {empty} is empty")
        elif same is not None:
            reasons.append(f"turns {same - 1} and {same} are both of the {roles[same]}")
        elif ends and roles[-1] != "assistant":
            reasons.append(f"the last turn is of the {roles[-1]}")
        else:
            reasons.append("")
    return _pass(reasons)


def check_slots(columns: Columns) -> tuple[np.ndarray, list[str]]:
    """Score: the share of slot values that stand in their turns; 1 where there are none."""
    scores, reasons = [], []
    for contents, slots in zip(columns["contents"], columns["slots"], strict=True):
        pairs = [(place, slot) for place, named in enumerate(slots) for slot in named]
        absent = [(p, slot) for p, slot in pairs if p >= len(contents) or not slot[1] or slot[1] not in contents[p]]
        scores.append(1 - len(absent) / max(len(pairs), 1))
        reasons.append("" if not absent else f"{absent[0][1][0]} {absent[0][1][1]!r:.60} is not in turn {absent[0][0]}")
    return np.array(scores, np.float32), reasons


def check_repetition(columns: Columns, limits: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Score: by how much the worst of the three measures is above its limit; at most 0 passes."""
    measures = _repetitions(columns)
    beyond = measures - limits
    reasons = []
    for counts, over in zip(measures.tolist(), beyond.tolist(), strict=True):
        worst = int(np.argmax(over))
        what = ("{} turns are said again", "a word is said {} times in a row", "three words come {} times in a turn")
        reasons.append(what[worst].format(counts[worst]) if over[worst] > 0 else "")
    return beyond.max(1).astype(np.float32), reasons


def check_distinct(columns: Columns, fewest: float) -> tuple[np.ndarray, list[str]]:
    """Score: distinct-2 of the dialogue (Li et al. 2016, arXiv:1510.03055, section 5.2)."""
    scores = _distinct(columns)
    words = f"of the pairs of words are distinct, fewer than {fewest:.3g}"
    return scores.astype(np.float32), [f"{score:.3g} {words}" if score < fewest else "" for score in scores.tolist()]


def _repetitions(columns: Columns) -> np.ndarray:
    """int (N, 3): turns that repeat one of the same role, the longest run of a word, the most frequent three words."""
    rows = []
    for roles, contents in zip(columns["roles"], columns["contents"], strict=True):
        again = len(contents) - len(set(zip(roles, contents, strict=False)))
        turns = [WORD.findall(content.casefold()) for content in contents]
        rows.append((again, max(map(_longest_run, turns), default=0), max(map(_most_frequent, turns), default=0)))
    return np.array(rows, np.int64).reshape(-1, 3)


def _longest_run(words: Sequence[str]) -> int:
    longest = run = min(len(words), 1)
    for last, word in zip(words, words[1:], strict=False):
        run = run + 1 if word == last else 1
        longest = max(longest, run)
    return longest


def _most_frequent(words: Sequence[str]) -> int:
    counts = Counter(zip(words, words[1:], words[2:], strict=False))
    return max(counts.values(), default=0)


def _distinct(columns: Columns) -> np.ndarray:
    """float64 (N,): the share of distinct ones among the pairs of neighbouring words in all turns; 1 without pairs."""
    shares = []
    for contents in columns["contents"]:
        turns = [WORD.findall(content.casefold()) for content in contents]
        pairs = [pair for words in turns for pair in zip(words, words[1:], strict=False)]
        shares.append(len(set(pairs)) / len(pairs) if pairs else 1.0)
    return np.array(shares)


def _pass(reasons: list[str]) -> tuple[np.ndarray, list[str]]:
    return np.array([not reason for reason in reasons], np.float32), reasons
