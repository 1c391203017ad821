"""A judge of questions: does an independent reader find the answer in its passage, and not in another one?

Two readers, each trained on half of the real training rows (by context), never on validation or held-out rows. Each is
asked the question of the row's own context, and of a swapped one that states the same kind of thing about something
else: a reader that answers there too has not read whom the question is about. Knows nothing of the generator, nor of
where the bar is: gates set it at a quantile of `reference`, class by class.

    judge = fit_reader_judge(data, seed=0, folder=Path("runs/x/judges"))
    judge.examine(data.validation).agreement  # (N,), in [0, 1]
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..networks.reader import Found, Reader, ReaderNet, fit_reader, prepare
from ..networks.reader_words import overlap, split_words
from ..types import Columns, Data, Opinion, take_rows, thin_rows
from .ensemble import FOLDS, split_folds
from .keeping import Arrays, keep, recall, state_arrays, take_part

VERSION = 1  # of the readers and how they are trained: whoever changes them raises it
STEPS, BATCH_SIZE = 240, 32
MOST_ROWS = 5_000  # of a fold that a reader is trained on, evenly spaced
TRIES = 24  # contexts that are looked at for a swap
NEGLIGIBLE = 1e-4  # chance of a span that is not looked at
UPPER = (5, 6, 7)  # looks of words with a large letter
TEXTS = ("question", "context", "answer")


class Swaps:
    """Contexts of real training rows by class, to ask a question of that they do not answer."""

    def __init__(self, rows: Columns, seed: int):
        self.seed = seed
        self.by_class: dict[int, list[str]] = {}
        for label in np.unique(rows["label"]).tolist():
            own = rows["context"][rows["label"] == label].tolist()
            self.by_class[label] = list(dict.fromkeys(own))

    def find(self, question: str, context: str, answer: str, label: int) -> str:
        """Of contexts drawn, one that lacks the names in the question, and has the same answer if any does.

        The context itself where there is no other.

        What is drawn depends on the texts, the label and the seed alone.
        """
        pool = self.by_class.get(label) or [text for own in self.by_class.values() for text in own]
        digest = hashlib.blake2b(f"{question}\0{context}\0{answer}".encode("utf-8", "replace"), digest_size=8).digest()
        key = np.array([self.seed % 2**64, int.from_bytes(digest, "little")], np.uint64)
        drawn = np.random.Generator(np.random.Philox(key=key)).integers(len(pool), size=TRIES).tolist()
        names = find_names(question)
        best, least = context, (len(names) + 1, False)
        for place in drawn:
            other = pool[place]
            # first of all no name of the question, then the same answer
            rank = len(names & known_words(other)), answer not in other
            if other != context and rank < least:
                best, least = other, rank
        return best


@lru_cache(maxsize=20_000)
def known_words(text: str) -> frozenset[int]:
    """Keys of the words of a text."""
    return frozenset(split_words(text).keys.tolist())


def find_names(question: str) -> frozenset[int]:
    """Keys of the question's words with a large letter, but for the first word; of all words if there is none."""
    words = split_words(question)
    names = words.keys[1:][np.isin(words.looks[1:], UPPER)]
    return frozenset((names if len(names) else words.keys).tolist())


class ReaderJudge:
    """Agreement is how far the spans that the readers find are the row's answer, times how far those in the swapped
    context are not; of an unanswerable row it is the chance that nothing answers. Both are means over chances."""

    def __init__(self, readers: tuple[Reader, ...], record: Mapping[str, Any], reference: np.ndarray, swaps: Swaps):
        self.readers, self.record, self.reference, self.swaps = readers, dict(record), reference, swaps

    def examine(self, columns: Columns) -> Opinion:
        """question, context and answer, object (N,) of str, and label, integer (N,). A row's opinion does not depend on
        the other rows. Features are the first reader's pooled state.
        """
        agreement, features = np.zeros(len(columns["question"]), np.float32), np.zeros((0, 0), np.float32)
        for number, reader in enumerate(self.readers):
            found, rated = ask(reader, columns, self.swaps)
            agreement += rated / np.float32(len(self.readers))
            if number == 0:
                features = found
        return Opinion(features, agreement.clip(0, 1))

    def save(self, folder: Any) -> None:
        vocabularies = {f"{fold}.vocabulary": reader.vocabulary for fold, reader in enumerate(self.readers)}
        arrays = {**state_arrays([reader.net for reader in self.readers]), **vocabularies, "reference": self.reference}
        keep(Path(folder), {**self.record, "version": VERSION, "folds": FOLDS}, arrays)


def fit_reader_judge(data: Data, seed: int, folder: Path | None, *, steps: int | None = None) -> ReaderJudge:
    """The judge of data.train: read from `folder` when it holds it unaltered, else trained and saved there."""
    steps = STEPS if steps is None else steps
    mark, swaps = fingerprint(data, seed, steps), Swaps(data.train, seed)
    found = recall(folder, mark, lambda described, arrays: _restore(described, arrays, swaps))
    if found is not None:
        return found
    folds = split_contexts(data.train, seed)
    readers: list[Reader] = []
    reference = np.empty(len(folds), np.float32)
    for fold in range(FOLDS):
        rest = thin_rows(take_rows(data.train, folds != fold), MOST_ROWS)
        exercises = [prepare(q, c, a, int(s)) for q, c, a, s in _rows(rest, (*TEXTS, "start"))]
        reader = fit_reader(exercises, steps=steps, batch_size=BATCH_SIZE, seed=seed + fold)
        reference[folds == fold] = ask(reader, take_rows(data.train, folds == fold), swaps)[1]
        readers.append(reader)
    record = {"fingerprint": mark, "classes": list(data.classes), "seed": seed}
    judge = ReaderJudge(tuple(readers), record, reference, swaps)
    if folder is not None:
        judge.save(folder)
    return judge


def split_contexts(rows: Columns, seed: int) -> np.ndarray:
    """Fold of each row, int64 (N,): the questions about one context are in one fold; classes are alike in both."""
    first: dict[str, int] = {}
    for row, text in enumerate(rows["context"]):
        first.setdefault(text, row)
    folds = dict(zip(first, split_folds(rows["label"][list(first.values())], seed).tolist(), strict=True))
    return np.array([folds[text] for text in rows["context"]], np.int64)


def ask(reader: Reader, columns: Columns, swaps: Swaps) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, D) and agreement (N,) of one reader, both float32."""
    questions, contexts, answers = (columns[name].tolist() for name in ("question", "context", "answer"))
    found = reader.read(questions, contexts)
    others = [swaps.find(*row) for row in _rows(columns, (*TEXTS, "label"))]
    elsewhere = reader.read(questions, others)
    rated = [rate(one, context, answer) for one, context, answer in zip(found, contexts, answers, strict=True)]
    for row, (one, other) in enumerate(zip(elsewhere, others, strict=True)):
        if answers[row] and other != contexts[row]:
            rated[row] *= 1 - rate(one, other, answers[row])
    features = np.stack([one.features for one in found]) if found else np.zeros((0, 1), np.float32)
    return features.astype(np.float32), np.array(rated, np.float32).clip(0, 1)


def rate(found: Found, context: str, answer: str) -> float:
    """The expected F1 of what is found, over the chances of the most likely spans and of nothing."""
    if not answer:
        return found.nothing
    spans = [(span, chance) for span, chance in zip(found.spans, found.chances, strict=True) if chance > NEGLIGIBLE]
    return float(sum(chance * overlap(context[start:end], answer) for (start, end), chance in spans))


def _rows(columns: Columns, names: Sequence[str]) -> Iterable[tuple[Any, ...]]:
    return zip(*(columns[name].tolist() for name in names), strict=True)


def fingerprint(data: Data, seed: int, steps: int) -> str:
    """SHA-256 of everything that a judge is made from; another version of this package makes another judge."""
    head = {"version": VERSION, "seed": seed, "steps": steps, "classes": data.classes}
    total = hashlib.sha256(json.dumps(head).encode())
    for row in _rows(data.train, (*TEXTS, "start", "label")):
        total.update(json.dumps(row).encode())
    return total.hexdigest()


def _restore(described: dict[str, Any], arrays: Arrays, swaps: Swaps) -> ReaderJudge:
    readers = []
    for fold in range(FOLDS):
        own = take_part(arrays, fold)
        vocabulary = own.pop("vocabulary")
        net = ReaderNet(len(vocabulary))
        net.load_state_dict({name: torch.from_numpy(values) for name, values in own.items()})
        readers.append(Reader(net.eval(), vocabulary))
    record = {name: described[name] for name in ("fingerprint", "classes", "seed")}
    return ReaderJudge(tuple(readers), record, arrays["reference"], swaps)
