"""A judge of pairs of texts: does the target, translated back by an independent model, say what the source says?

Two small translators from target to source, each trained on half of the real training rows; never on validation or
held-out rows. A round trip alone does not prove that names and numbers are right: checks ask for those. Knows nothing
of the generator, nor of where the bar is.

    judge = fit_translation_judge(data, seed=0, folder=Path("runs/x/judges"))
    judge.examine(rows).agreement       # (N,): chrF of the round trip in [0, 1]
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sacrebleu.metrics import CHRF

from ..hardware import cores
from ..networks.autoregressive import AutoregressiveText
from ..networks.translation import Translator, describe_translator, fit_pieces, fit_translator
from ..slots import Names
from ..types import Columns, Data, Opinion, count_rows, take_rows, thin_rows
from ..vocabulary import Vocabulary
from .ensemble import FOLDS, split_folds
from .keeping import Arrays, keep, load_state, recall, state_arrays

VERSION = 1  # of the model and its training: whoever changes them raises it
MOST_ROWS = 16_000  # that the translators learn from
REFERENCE_ROWS = 4_000  # real rows that tell what a usual round trip is
BATCH = 64
FEWEST_STEPS, LEAST_STEPS, MOST_STEPS, PASSES = 30, 250, 500, 4  # the fewest for a handful of rows


class TranslationJudge:
    """`reference` (n,) belongs to the training rows `reference_rows`."""

    def __init__(self, translators: Sequence[Translator], reference: np.ndarray, rows: np.ndarray, mark: str):
        self.translators, self.reference, self.reference_rows, self.mark = tuple(translators), reference, rows, mark

    def examine(self, columns: Columns) -> Opinion:
        """Columns source and target. A row's opinion does not depend on the other rows."""
        sources, targets = columns["source"].tolist(), columns["target"].tolist()
        agreement = sum((compare(t.translate(targets), sources) for t in self.translators), np.zeros(1, np.float32))
        agreement = agreement / np.float32(len(self.translators))
        return Opinion(self.translators[0].represent(targets, sources), agreement)

    def save(self, folder: Any) -> None:
        first = self.translators[0]
        described = {
            "fingerprint": self.mark, "slots": first.vocabulary.slots, "zero": first.zero,
            "length": first.net.shape.length - 1, "longest": [translator.longest for translator in self.translators],
            "tokenizer": first.vocabulary.tokenizer.to_str(),
        }  # fmt: skip
        own = {"reference": self.reference, "reference_rows": self.reference_rows}
        keep(Path(folder), described, {**state_arrays([t.net for t in self.translators]), **own})


def fit_translation_judge(data: Data, seed: int, folder: Path | None) -> TranslationJudge:
    """The judge of data.train: read from `folder` when it holds it unaltered, else fitted and saved there."""
    mark = _fingerprint(data, seed)
    names = data.details["names"].turn() if "names" in data.details else None
    found = recall(folder, mark, lambda described, arrays: _restore(described, arrays, names))
    if found is not None:
        return found
    train = data.train
    rows = thin_rows({"row": np.arange(count_rows(train))}, MOST_ROWS)["row"]
    folds = split_folds(train["label"][rows], seed)
    vocabulary = fit_pieces(train["target"][rows].tolist(), train["source"][rows].tolist(), names)
    steps = choose_steps(len(rows))

    def fit(fold: int) -> Translator:
        kept = take_rows(train, rows[folds != fold])
        sources, targets = kept["target"].tolist(), kept["source"].tolist()
        return fit_translator(
            vocabulary, sources, targets, steps=steps, batch_size=BATCH, seed=seed + fold, names=names
        )

    def ask(fold: int, translator: Translator) -> tuple[np.ndarray, np.ndarray]:
        own = thin_rows({"row": rows[folds == fold]}, REFERENCE_ROWS // FOLDS)["row"]
        kept = take_rows(train, own)
        return own, compare(translator.translate(kept["target"].tolist()), kept["source"].tolist())

    # a thread a fold, as many as there are cores: what each finds does not depend on the other
    with ThreadPoolExecutor(min(cores(), FOLDS), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        translators = list(pool.map(fit, range(FOLDS)))
        asked = list(pool.map(ask, range(FOLDS), translators))
    reference_rows = np.concatenate([own for own, _ in asked])
    reference = np.concatenate([found for _, found in asked])
    judge = TranslationJudge(translators, reference, reference_rows, mark)
    if folder is not None:
        judge.save(folder)
    return judge


def choose_steps(rows: int) -> int:
    """Four passes over half of the rows, but 250 to 500 steps; fewer for less than 750 rows."""
    usual = min(max(PASSES * rows // (2 * BATCH), LEAST_STEPS), MOST_STEPS)
    return max(FEWEST_STEPS, min(usual, rows // 3))


def compare(found: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """chrF (Popović 2015) of each text with the one wanted, in [0, 1], float32 (N,); equal texts have 1."""
    metric = CHRF()
    scores = [
        100.0 if one == other else metric.sentence_score(one, [other]).score
        for one, other in zip(found, wanted, strict=True)
    ]
    return np.array(scores, np.float32) / 100


def _fingerprint(data: Data, seed: int) -> str:
    head = json.dumps({"version": VERSION, "seed": seed, "classes": data.classes})
    columns = [data.train[name].tolist() for name in ("source", "target", "label")]
    rows = json.dumps([*columns, data.details["names"].forms if "names" in data.details else None])
    return hashlib.sha256((head + rows).encode()).hexdigest()


def _restore(described: dict[str, Any], arrays: Arrays, names: Names | None) -> TranslationJudge:
    vocabulary = Vocabulary.read(described["tokenizer"], described["slots"], ())
    shape, translators = describe_translator(vocabulary, described["length"]), []
    for number, longest in enumerate(described["longest"]):
        net = load_state(AutoregressiveText(shape), arrays, number)
        translators.append(Translator(vocabulary, net, described["zero"], longest, names))
    return TranslationJudge(translators, arrays["reference"], arrays["reference_rows"], described["fingerprint"])
