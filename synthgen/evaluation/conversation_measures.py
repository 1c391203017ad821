"""What is to be measured of dialogues besides the usual: is what the assistant says so, do they read like real ones?

Whether it is so is asked of a function that the task knows; where there is none, only what texts alone tell.

    compare_conversations(heldout, synthetic, data, right, seed=0)      # {"facts": 0.99, "distinct": 1.0, ...}
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from ..diffusion.precision import bf16_is_fast
from ..networks.autoregressive import AutoregressiveText, Line, Shape, batches_of, fit_lines, loss_of
from ..types import Columns, Data, LabelGenerator, count_rows, thin_rows
from ..vocabulary import END, Vocabulary

Right = Callable[[Columns], list[bool | None]]  # of each dialogue; None where nothing can be checked
PROBED = 256  # rows drawn before any gate
PIECES, TOKENS = 1_000, 200  # of the language model; dialogues are cut to so many tokens
STEPS, BATCH, TESTED = 80, 32, 300  # of its training, and the held-out dialogues that it is asked about

MEANINGS = {
    "facts": ("dialogues whose assistant says only what is so, of those in which it states a fact", "1"),
    "facts_before_gates": (f"the same of {PROBED} candidates before any gate", "near 1"),
    "slots_before_gates": (f"turns of {PROBED} candidates that say all values of their slots, before any gate", "1"),
    "new": ("dialogues that are not among the training rows", "near 1"),
    "new_turns": ("turns that are not among the training rows", "near 1 where new wordings are wanted"),
    "distinct": ("different dialogues among the rows", "near 1"),
    "distinct_2": ("different pairs of neighbouring words, of all pairs in 100 dialogues", "that of real rows"),
    "distinct_2_real": ("the same of held-out dialogues", ""),
    "perplexity": ("a piece of held-out dialogues, of a small language model trained on the rows", "that of real rows"),
    "perplexity_real": ("the same of one trained on as many real rows", ""),
}  # fmt: skip


def compare_conversations(
    heldout: Columns, synthetic: Columns, data: Data, right: Right | None, seed: int
) -> dict[str, Any]:
    known = set(data.train["contents"].tolist())
    known_turns = {turn for turns in data.train["contents"] for turn in turns}
    made = synthetic["contents"].tolist()
    turns = [turn for row in made for turn in row]
    found = {} if right is None else {"facts": share_right(right(synthetic))}
    real = thin_rows({name: data.train[name] for name in ("roles", "contents")}, count_rows(synthetic))
    vocabulary = Vocabulary.fit([turn for row in data.train["contents"] for turn in row], PIECES, 0)
    asked = thin_rows({name: heldout[name] for name in ("roles", "contents")}, TESTED)
    return found | {
        "new": float(np.mean([row not in known for row in made])),
        "new_turns": float(np.mean([turn not in known_turns for turn in turns])),
        "distinct": len(set(made)) / len(made),
        "distinct_2": distinct_pairs(made),
        "distinct_2_real": distinct_pairs(heldout["contents"].tolist()),
        "perplexity": measure_perplexity(synthetic, asked, vocabulary, seed),
        "perplexity_real": measure_perplexity(real, asked, vocabulary, seed),
    }


def probe_conversations(
    sample: Callable[[Columns, np.ndarray], Columns], labels: LabelGenerator, right: Right | None
) -> dict[str, Any]:
    """What the model writes before any gate."""
    rows = sample(labels.draw(np.arange(PROBED)), np.arange(PROBED))
    kept = [
        all(value in content for _, value in slots)
        for contents, named in zip(rows["contents"], rows["slots"], strict=True)
        for content, slots in zip(contents, named, strict=True)
    ]
    facts = {} if right is None else {"facts_before_gates": share_right(right(rows))}
    return facts | {"slots_before_gates": float(np.mean(kept))}


def share_right(verdicts: Sequence[bool | None]) -> float:
    """Of those that could be checked; nan without any."""
    known = [verdict for verdict in verdicts if verdict is not None]
    return sum(known) / len(known) if known else math.nan


def distinct_pairs(dialogues: Sequence[Sequence[str]], together: int = 100) -> float:
    """Distinct-2 (Li et al. 2016, arXiv:1510.03055, section 5.2), the mean over groups of `together` dialogues."""
    shares = []
    for start in range(0, max(1, len(dialogues) - together + 1), together):
        pairs: list[tuple[str, str]] = []
        for turn in (turn for row in dialogues[start : start + together] for turn in row):
            words = turn.casefold().split()
            pairs += zip(words, words[1:], strict=False)
        shares.append(len(set(pairs)) / max(1, len(pairs)))
    return float(np.mean(shares))


def measure_perplexity(train: Columns, test: Columns, vocabulary: Vocabulary, seed: int) -> float:
    """exp of the mean −log p a piece of `test` (columns roles and contents), of a small model trained on `train`."""
    lines, asked = (list(_lines(rows, vocabulary)) for rows in (train, test))
    turns = 1 + max(line.written.count(END) for line in (*lines, *asked))
    shape = Shape(len(vocabulary), turns + 1, TOKENS + 1, 128, 2)
    net = fit_lines(lines, shape, first_written=1, steps=STEPS, batch_size=BATCH, seed=seed)
    return math.exp(_mean_loss(net, asked))


@torch.inference_mode()
def _mean_loss(net: AutoregressiveText, lines: list[Line]) -> float:
    total, pieces = 0.0, 0
    for width in sorted({line.width for line in lines}):
        same = [line for line in lines if line.width == width]
        rows = next(batches_of(same, len(same), 1, 0))
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16_is_fast()):
            loss = float(loss_of(net, rows))
        count = sum(len(line.written) for line in same)
        total, pieces = total + loss * count, pieces + count
    return total / pieces


def _lines(rows: Columns, vocabulary: Vocabulary) -> Iterator[Line]:
    for roles, contents in zip(rows["roles"], rows["contents"], strict=True):
        tokens: list[int] = []
        for role, content in zip(roles, contents, strict=True):
            tokens += [*vocabulary.encode(f"{role}: {_plain(content)}"), END]
        yield Line((END,), (0,), (0,), tuple(tokens[:TOKENS]))


def _plain(text: str) -> str:
    """Brackets are no slots here."""
    return text.replace("⟨", "⟨⟨").replace("⟩", "⟩⟩")
