"""The learner of pairs of texts: a small translator of the kind that a user would train on the dataset.

It knows rows and a seed, not where the rows come from; the same rows, seed and threads give the same score.

    learner = TranslationLearner(data)
    learner.measure(data.train, data.heldout, steps=500, batch_size=64, seed=0, augment=False).also["exact"]
"""

from __future__ import annotations

import math
import re

import numpy as np
from sacrebleu.metrics import BLEU, CHRF

from ..diffusion.noise import row_generator
from ..networks.autoregressive import AutoregressiveText
from ..networks.translation import describe_translator, fit_pieces, fit_translator
from ..types import Columns, Data, Score, thin_rows
from .learners import count_parameters

MOST_TESTED = 1_000  # held-out rows that are translated, evenly spaced
DROPPED = 0.1  # of the words of a source that is varied


class TranslationLearner:
    """A prefix language model over source and target; its pieces are those of the real training rows."""

    metric = "chrF"
    default_steps, default_batch_size = 150, 64

    def __init__(self, data: Data):
        self.classes = len(data.classes)
        self.names = data.details.get("names")
        self.vocabulary = fit_pieces(data.train["source"].tolist(), data.train["target"].tolist(), self.names)
        size = count_parameters(AutoregressiveText(describe_translator(self.vocabulary, 64)))
        self.description = (
            f"transformer from source to target, {size}, Muon and AdamW; numbers and known names through slots; "
            "augmented: a tenth of the source's words left out (word dropout)"
        )

    def measure(self, train: Columns, test: Columns, *, steps: int, batch_size: int, seed: int, augment: bool) -> Score:
        """chrF in [0, 1] over `test`, and of each class; also BLEU in [0, 1] and the share of exactly right targets."""
        sources = vary_sources(train["source"].tolist(), seed) if augment else train["source"].tolist()
        translator = fit_translator(
            self.vocabulary, sources, train["target"].tolist(), steps=steps, batch_size=batch_size, seed=seed,
            names=self.names,
        )  # fmt: skip
        rows = thin_rows({name: test[name] for name in ("source", "target", "label")}, MOST_TESTED)
        found, wanted = translator.translate(rows["source"].tolist()), rows["target"].tolist()
        per_class = tuple(score_class(found, wanted, rows["label"] == k) for k in range(self.classes))
        right = float(np.mean([one == other for one, other in zip(found, wanted, strict=True)]))
        bleu = BLEU(effective_order=False).corpus_score(found, [wanted]).score / 100
        return Score(score_chrf(found, wanted), per_class, {"BLEU": bleu, "exact": right})


def score_chrf(found: list[str], wanted: list[str]) -> float:
    """Corpus chrF (Popović 2015, as sacreBLEU computes it), in [0, 1]."""
    return float(CHRF().corpus_score(found, [wanted]).score) / 100


def score_class(found: list[str], wanted: list[str], chosen: np.ndarray) -> float:
    rows = np.flatnonzero(chosen).tolist()
    return score_chrf([found[i] for i in rows], [wanted[i] for i in rows]) if rows else math.nan


def vary_sources(sources: list[str], seed: int) -> list[str]:
    """Each text without a tenth of its words, chosen anew for every copy (Iyyer et al. 2015, word dropout); numbers
    stay, and so does the last word that is left."""
    varied = []
    for row, source in enumerate(sources):
        words = re.findall(r"\S+\s*", source)
        kept = row_generator(seed, row, "word dropout").random(len(words)) >= DROPPED
        left = [w for w, keep in zip(words, kept, strict=True) if keep or any(c.isdigit() for c in w)]
        varied.append("".join(left).strip() or source)
    return varied
