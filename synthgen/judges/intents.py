"""A judge of dialogues: does an independent reader find each turn's own intent and slots?

Two readers, each trained on half of the real training dialogues; never on validation or held-out ones. Where no turn
has an intent the question is whether each turn follows the one before. Knows nothing of the generator, nor of where
the bar is: gates set it at a quantile of `reference`, class by class.

    judge = fit_intent_judge(data, seed=0, folder=Path("runs/x/judges"))
    judge.examine(rows).agreement  # (N,), in [0, 1]
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

from ..networks.intents import WIDTH, IntentNet, TurnSchedule, fit_turns, infer_turns
from ..networks.supervised import IGNORED
from ..networks.turns import PIECES, Encoded, Example, encode, find_followers, list_turns, number_intents
from ..types import Columns, Data, Opinion, count_rows, take_rows
from ..vocabulary import train_pieces
from .ensemble import FOLDS, split_folds
from .keeping import Arrays, keep, load_state, recall, state_arrays

VERSION = 1  # of the readers and how they are trained: whoever changes them raises it
COLUMNS = ("roles", "contents", "intents", "slots", "label")
LEAST_STEPS, MOST_STEPS, BATCH = 400, 600, 32
TEMPERATURES = np.geomspace(0.25, 8.0, 81)
UNKNOWN = 1e-4  # the probability of an intent that no training turn has
FEATURES = 4 * WIDTH


@dataclass(frozen=True)
class Record:
    """What is kept beside the weights, in judge.json."""

    fingerprint: str
    intents: tuple[str, ...]  # of the training rows; none: the judge asks whether turns follow one another
    slots: tuple[str, ...]
    seed: int  # of the folds and of the weights
    temperature: float
    scale: float  # of features: their spread over all training rows together
    tokenizer: str  # JSON


class IntentJudge:
    """Agreement is the mean over both readers.

    Of one reader it is the geometric mean, over the turns, of the probability of the turn's intent, times the share of
    slot values (and one more) that it finds where they stand. Turns without an intent are left out; a row without any
    is judged by its slots alone. Without intents in the training rows it is the geometric mean of the probability that
    a turn follows the one before, rather than another of the same role.
    """

    def __init__(self, nets: tuple[IntentNet, ...], record: Record, reference: np.ndarray):
        self.nets, self.record, self.reference = nets, record, reference
        self.tokenizer = Tokenizer.from_str(record.tokenizer)

    def examine(self, columns: Columns) -> Opinion:
        """Columns roles, contents, intents and slots. A row's opinion does not depend on the other rows.

        Features are means over the turns of the first reader's, in units of the spread of the training rows: a Fréchet
        distance of 1 is as large as their own variance.
        """
        rows = Rows.read(columns, self.tokenizer, self.record.intents, self.record.slots)
        agreement, features = np.zeros(rows.count, np.float32), np.zeros((rows.count, FEATURES), np.float32)
        for number, net in enumerate(self.nets):
            found = Found.ask(net, rows)
            agreement += found.agree(self.record.temperature) / np.float32(len(self.nets))
            if number == 0:
                features = found.features
        return Opinion(features / np.float32(self.record.scale), agreement.clip(0, 1))

    def save(self, folder: Any) -> None:
        described = {**vars(self.record), "version": VERSION, "folds": FOLDS}
        keep(Path(folder), described, {**state_arrays(self.nets), "reference": self.reference})


@dataclass(frozen=True)
class Rows:
    """Dialogues as turns that a reader takes."""

    count: int
    examples: list[Example]
    owners: np.ndarray  # int64 (M,): the dialogue of each turn
    intents: np.ndarray  # int64 (M,): IGNORED where none is stated, UNSEEN where no training turn has it
    encoded: Encoded
    by_intent: bool

    @staticmethod
    def read(columns: Columns, tokenizer: Tokenizer, intents: tuple[str, ...], slots: tuple[str, ...]) -> Rows:
        examples, owners = list_turns(columns["roles"], columns["contents"], columns["slots"])
        numbers = number_intents(columns["intents"], intents)
        encoded = encode(tokenizer, examples, slots)
        return Rows(count_rows(columns), examples, owners, numbers, encoded, bool(intents))


@dataclass(frozen=True)
class Found:
    """What one reader says of rows."""

    rows: Rows
    logits: np.ndarray  # float32 (M, K): of the intents; of one column where there are none: that the turn follows
    slots: np.ndarray  # float32 (N,): share of slot values found, one more taken as found: few are no certainty
    features: np.ndarray  # float32 (N, D)

    @staticmethod
    def ask(net: IntentNet, rows: Rows) -> Found:
        encoded, turns = rows.encoded, len(rows.owners)
        logits = np.zeros((turns, net.intent.out_features if rows.by_intent else 1), np.float32)
        features, right, wanted = np.zeros((turns, FEATURES), np.float32), np.zeros(rows.count), np.zeros(rows.count)
        for answer in infer_turns(net, encoded):
            logits[answer.rows] = answer.intents if rows.by_intent else answer.fits[:, None]
            features[answer.rows] = answer.features
            for place, row in enumerate(answer.rows.tolist()):
                marked = encoded.spans(row, encoded.tags[row])
                seen = encoded.spans(row, answer.tags[place][: len(encoded.tags[row])]) if marked else set()
                right[rows.owners[row]] += len(marked & seen)
                wanted[rows.owners[row]] += len(marked) + encoded.unreachable[row]
        share = (right + 1) / (wanted + 1) if rows.by_intent else np.ones(rows.count)
        means = _sum_by(features, rows.owners, rows.count) / _sum_by(np.ones((turns, 1)), rows.owners, rows.count)
        return Found(rows, logits, share.astype(np.float32), means.astype(np.float32))

    def agree(self, temperature: float) -> np.ndarray:
        """float32 (N,) in [0, 1]."""
        scaled = torch.from_numpy(self.logits).double() / temperature
        targets = self.rows.intents
        if self.rows.by_intent:
            logs = F.log_softmax(scaled, 1).numpy()
            known = targets != IGNORED
            each = np.where(targets >= 0, logs[np.arange(len(logs)), targets.clip(min=0)], np.log(UNKNOWN))
        else:
            each, known = F.logsigmoid(scaled[:, 0]).numpy(), find_followers(self.rows.owners)
        summed = _sum_by((each * known)[:, None], self.rows.owners, self.rows.count)[:, 0]
        turns = _sum_by(known[:, None].astype(float), self.rows.owners, self.rows.count)[:, 0]
        return (np.exp(summed / turns.clip(min=1)) * self.slots).astype(np.float32)


def fit_intent_judge(data: Data, seed: int, folder: Path | None) -> IntentJudge:
    """The judge of data.train: read from `folder` when it holds it unaltered, else fitted and saved there."""
    mark = fingerprint(data, seed)
    found = recall(folder, mark, _restore)
    if found is not None:
        return found
    train, intents, slots = data.train, tuple(data.details["intents"]), tuple(data.details["slots"])
    tokenizer = train_pieces([content for contents in train["contents"] for content in contents], PIECES)
    folds = split_folds(train["label"], seed)
    nets = tuple(
        _fit_reader(take_rows(train, folds != fold), tokenizer, intents, slots, seed + fold) for fold in range(FOLDS)
    )
    apart = [
        Found.ask(net, Rows.read(take_rows(train, folds == fold), tokenizer, intents, slots))
        for fold, net in enumerate(nets)
    ]
    temperature = calibrate(apart)
    reference = np.empty(len(folds), np.float32)
    for fold, part in enumerate(apart):
        reference[folds == fold] = part.agree(temperature)
    scale = float(np.sqrt(apart[0].features.var(0, dtype=np.float64).sum())) or 1.0
    record = Record(mark, intents, slots, seed, temperature, scale, tokenizer.to_str())
    judge = IntentJudge(nets, record, reference)
    if folder is not None:
        judge.save(folder)
    return judge


def _fit_reader(
    rows: Columns, tokenizer: Tokenizer, intents: tuple[str, ...], slots: tuple[str, ...], seed: int
) -> IntentNet:
    examples, owners = list_turns(rows["roles"], rows["contents"], rows["slots"])
    if not intents:
        examples = [examples[row] for row in np.flatnonzero(find_followers(owners)).tolist()]
    encoded = encode(tokenizer, examples, slots)
    targets = number_intents(rows["intents"], intents) if intents else None
    steps = min(max(8 * len(encoded) // BATCH, LEAST_STEPS), MOST_STEPS)
    return fit_turns(_build(tokenizer, intents, slots), encoded, targets, TurnSchedule(steps, BATCH), seed)


def _build(tokenizer: Tokenizer, intents: tuple[str, ...], slots: tuple[str, ...]) -> IntentNet:
    return IntentNet(tokenizer.get_vocab_size(), len(intents), len(slots))


def calibrate(parts: list[Found]) -> float:
    """The temperature with the least out-of-fold cross-entropy (Guo et al. 2017, arXiv:1706.04599, section 4.2).

    The targets are not 0 and 1 but what so many turns can vouch for (Platt 1999, section 2.2). 1 without intents: no
    turn of these rows is known to follow another than its own.
    """
    logits = torch.from_numpy(np.concatenate([part.logits for part in parts])).double()
    targets = torch.from_numpy(np.concatenate([part.rows.intents for part in parts]))
    kept = targets >= 0
    if not parts[0].rows.by_intent or not kept.any():
        return 1.0
    count, classes = int(kept.sum()), logits.shape[1]
    wanted = (F.one_hot(targets[kept], classes) * count + 1) / (count + classes)
    losses = [float(-(wanted * F.log_softmax(logits[kept] / t, 1)).sum()) for t in TEMPERATURES.tolist()]
    return float(TEMPERATURES[int(np.argmin(losses))])


def fingerprint(data: Data, seed: int) -> str:
    """SHA-256 of everything that a judge is made from; another version of this package makes another judge."""
    named = {name: data.details[name] for name in ("intents", "slots")}
    total = hashlib.sha256(json.dumps({"version": VERSION, "seed": seed, "classes": data.classes, **named}).encode())
    for name in COLUMNS:
        total.update(json.dumps([name, data.train[name].tolist()]).encode())
    return total.hexdigest()


def _restore(described: dict[str, Any], arrays: Arrays) -> IntentJudge:
    names = ("fingerprint", "seed", "temperature", "scale", "tokenizer")
    intents, slots = tuple(described["intents"]), tuple(described["slots"])
    record = Record(intents=intents, slots=slots, **{name: described[name] for name in names})
    tokenizer = Tokenizer.from_str(record.tokenizer)
    nets = tuple(load_state(_build(tokenizer, intents, slots), arrays, number) for number in range(FOLDS))
    return IntentJudge(nets, record, arrays["reference"])


def _sum_by(values: np.ndarray, owners: np.ndarray, count: int) -> np.ndarray:
    """(M, D) summed by owner -> float64 (N, D)."""
    total = np.zeros((count, values.shape[1]))
    np.add.at(total, owners, values)
    return total
