"""What is to be measured of pairs of texts besides the usual: are they right, are they new, does the model translate?

Whether a pair is right is asked of a function that the task knows; where there is none, only what texts alone tell.

    compare_pairs(heldout, synthetic, data, right)      # {"exact": 0.98, "new": 0.93, ...}
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..types import Columns, Data, LabelGenerator, count_rows, take_rows, thin_rows
from .translation_learner import score_chrf

Right = Callable[[str, str, str], bool]  # (class, source, target)
PROBED = 512  # rows drawn before any gate, and held-out texts that the model translates

MEANINGS = {
    "exact": ("rows that are right in every character, as the source itself can tell", "1"),
    "exact_before_gates": (f"the same of {PROBED} candidates before any gate", "near 1"),
    "exact_given_source": ("held-out sources that the model translates rightly, before any gate", "near 1"),
    "chrf_given_source": ("chrF of those translations against the real targets", "near 1"),
    "new": ("rows whose pair is not among the training rows", "near 1"),
    "new_sources": ("rows whose source is not among the training rows", "near 1 where new texts are wanted"),
    "distinct": ("different pairs among the rows", "near 1"),
}


def compare_pairs(synthetic: Columns, data: Data, right: Right | None) -> dict[str, Any]:
    """Shares of the synthetic rows: exact (where `right` is there), new, new_sources, distinct."""
    pairs = list(zip(synthetic["source"], synthetic["target"], strict=True))
    known = set(zip(data.train["source"], data.train["target"], strict=True))
    sources = set(data.train["source"])
    exact = {} if right is None else {"exact": share_right(synthetic, data, right)}
    return exact | {
        "new": float(np.mean([pair not in known for pair in pairs])),
        "new_sources": float(np.mean([source not in sources for source, _ in pairs])),
        "distinct": len(set(pairs)) / len(pairs),
    }


def probe_pairs(
    sample: Callable[[Columns, np.ndarray], Columns], labels: LabelGenerator, data: Data, right: Right | None
) -> dict[str, Any]:
    """What the model writes before any gate: of new pairs, and of held-out sources that it is given."""
    indices, found = np.arange(PROBED), {}
    if right is not None:
        found["exact_before_gates"] = share_right(sample(labels.draw(indices), indices), data, right)
    given = thin_rows({name: data.heldout[name] for name in ("source", "target", "label")}, PROBED)
    asked = {**given, "target": np.full(count_rows(given), None, object), "lead": np.zeros(count_rows(given), np.int64)}
    written = sample(asked, np.arange(count_rows(given)))
    if right is not None:
        found["exact_given_source"] = share_right(written, data, right)
    found["chrf_given_source"] = score_chrf(written["target"].tolist(), given["target"].tolist())
    return found


def share_right(rows: Columns, data: Data, right: Right) -> float:
    rows = take_rows({name: rows[name] for name in ("source", "target", "label")}, slice(None))
    columns = zip(rows["label"].tolist(), rows["source"], rows["target"], strict=True)
    return float(np.mean([right(data.classes[label], source, target) for label, source, target in columns]))
