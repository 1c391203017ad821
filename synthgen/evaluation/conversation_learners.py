"""Small models of the kind that a user would train on a dataset of conversations.

They know rows and a seed, not where the rows come from; the same rows, seed and threads give the same score, bit for
bit, and several may learn at once in threads.

    learner = build_conversation_learner(data)
    learner.measure(data.train, data.heldout, steps=600, batch_size=32, seed=0, augment=False).also["slot F1"]
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np
from tokenizers import Tokenizer

from ..diffusion.noise import row_generator
from ..networks.intents import IntentNet, TurnSchedule, fit_turns, infer_turns
from ..networks.supervised import IGNORED
from ..networks.turns import PIECES, Example, encode, find_followers, find_spans, list_turns, number_intents
from ..types import Columns, Data, Learner, Score
from ..vocabulary import train_pieces
from .learners import count_parameters, ratios

CHOICES = 10  # turns of which one is the true next one
MOST_QUESTIONS = 1_000  # of them, evenly spaced over the test rows
EXCHANGED, DROPPED = 0.5, 0.08  # shares of slot values and of words that augmentation changes
AUGMENTED = "augmented: words left out, slot values exchanged"
WORD = re.compile(r"\S+\s*")


def build_conversation_learner(data: Data) -> Learner:
    """A reader of intents and slots where training turns have intents, else one that finds the true next turn."""
    return IntentLearner(data) if data.details["intents"] else NextTurnLearner(data)


class IntentLearner:
    """A convolutional network that tells the intent of a turn, and its slots, from it and the turn before it."""

    metric = "intent accuracy"
    default_steps, default_batch_size = 600, 32

    def __init__(self, data: Data):
        self.intents, self.slots = tuple(data.details["intents"]), tuple(data.details["slots"])
        self.classes = len(data.classes)
        self.tokenizer = _find_pieces(data.train)
        size = count_parameters(self._build())
        self.description = f"1-D CNN over a turn and the one before, {size}, Muon and AdamW; {AUGMENTED}"

    def _build(self) -> IntentNet:
        return IntentNet(self.tokenizer.get_vocab_size(), len(self.intents), len(self.slots))

    def measure(self, train: Columns, test: Columns, *, steps: int, batch_size: int, seed: int, augment: bool) -> Score:
        """The share of right intents over all turns of `test` that have one, and over the dialogues of each class.

        Also slot F1: micro F1 of slots, right where name, beginning and end are right; nan without any. Columns roles,
        contents, intents and slots, and label of `test`. An intent that no real training turn has is never found.
        """
        train = vary_dialogues(train, seed) if augment else train
        examples, _ = list_turns(train["roles"], train["contents"], train["slots"])
        intents = number_intents(train["intents"], self.intents)
        encoded = encode(self.tokenizer, examples, self.slots)
        net = fit_turns(self._build(), encoded, intents, TurnSchedule(steps, batch_size), seed)
        found, counts = self._read(net, test)
        wanted = number_intents(test["intents"], self.intents)
        labels = _labels_of_turns(test)
        known, right = wanted != IGNORED, found == wanted
        total = np.bincount(labels[known], minlength=self.classes)
        hits = np.bincount(labels[known & right], minlength=self.classes)
        value = float(hits.sum() / total.sum()) if total.sum() else math.nan
        return Score(value, ratios(hits, total), {"slot F1": _f1(*counts)} if self.slots else {})

    def _read(self, net: IntentNet, test: Columns) -> tuple[np.ndarray, tuple[int, int, int]]:
        """The likeliest intent of each turn, int64 (M,); and slots found, found rightly, and there to be found."""
        examples, _ = list_turns(test["roles"], test["contents"], test["slots"])
        encoded = encode(self.tokenizer, examples, self.slots)
        intents, said, right, wanted = np.zeros(len(encoded), np.int64), 0, 0, 0
        for answer in infer_turns(net, encoded):
            intents[answer.rows] = answer.intents.argmax(1)
            for place, row in enumerate(answer.rows.tolist()):
                true = encoded.spans(row, encoded.tags[row])
                seen = encoded.spans(row, answer.tags[place][: len(encoded.tags[row])])
                said, right = said + len(seen), right + len(true & seen)
                wanted += len(true) + encoded.unreachable[row]
        return intents, (said, right, wanted)


class NextTurnLearner:
    """A convolutional network that tells how well a turn follows the one before it."""

    metric = f"next turn accuracy (1 of {CHOICES})"
    default_steps, default_batch_size = 600, 32

    def __init__(self, data: Data):
        self.classes = len(data.classes)
        self.tokenizer = _find_pieces(data.train)
        size = count_parameters(self._build())
        self.description = f"1-D CNN over a turn and the one before, {size}, Muon and AdamW; {AUGMENTED}"

    def _build(self) -> IntentNet:
        return IntentNet(self.tokenizer.get_vocab_size(), 0, 0)

    def measure(self, train: Columns, test: Columns, *, steps: int, batch_size: int, seed: int, augment: bool) -> Score:
        """How often the true next turn is found among ten: over at most 1,000 turns of `test`, and of each class.

        The other nine are turns of the same role of the same rows, chosen with a fixed number. Columns roles, contents
        and slots, and label of `test`.
        """
        train = vary_dialogues(train, seed) if augment else train
        examples, owners = list_turns(train["roles"], train["contents"], train["slots"])
        following = [examples[row] for row in np.flatnonzero(find_followers(owners)).tolist()]
        encoded = encode(self.tokenizer, following, ())
        net = fit_turns(self._build(), encoded, None, TurnSchedule(steps, batch_size), seed)
        asked, labels = list_questions(test)
        answers = encode(self.tokenizer, asked, ())
        scores = np.zeros(len(asked), np.float32)
        for answer in infer_turns(net, answers):
            scores[answer.rows] = answer.fits
        table = scores.reshape(-1, CHOICES)
        right = table[:, 0] > table[:, 1:].max(1)
        total = np.bincount(labels, minlength=self.classes)
        hits = np.bincount(labels[right], minlength=self.classes)
        return Score(float(right.mean()) if len(right) else math.nan, ratios(hits, total))


def list_questions(test: Columns) -> tuple[list[Example], np.ndarray]:
    """For each turn that is asked for, the true one and nine others in its place; and the class of each, int64 (Q,)."""
    examples, owners = list_turns(test["roles"], test["contents"], test["slots"])
    follows = np.flatnonzero(find_followers(owners))
    chosen = follows[np.linspace(0, len(follows) - 1, min(len(follows), MOST_QUESTIONS)).astype(np.int64)]
    texts = {role: sorted({example.own for example in examples if example.role == role}) for role in _roles(examples)}
    asked: list[Example] = []
    kept = []
    for row in chosen.tolist():
        true = examples[row]
        others = [text for text in texts[true.role] if text != true.own]
        if len(others) < CHOICES - 1:
            continue
        places = row_generator(0, row, "next turn").choice(len(others), CHOICES - 1, replace=False)
        asked += [true, *(Example(true.before, others[place], true.role) for place in places.tolist())]
        kept.append(row)
    return asked, _labels_of_turns(test)[kept]


def vary_dialogues(rows: Columns, seed: int) -> Columns:
    """Rows with words left out and slot values exchanged for others of the same name, alike in all turns of a row.

    Every row is varied by itself; no word of a slot is left out, and no turn becomes empty.
    """
    pools: dict[str, list[str]] = {}
    for name, value in sorted({slot for row in rows["slots"] for named in row for slot in named}):
        pools.setdefault(name, []).append(value)
    contents, slots = [], []
    for row, (said, named) in enumerate(zip(rows["contents"], rows["slots"], strict=True)):
        draw = row_generator(seed, row, "augment")
        exchanged = {
            slot: str(draw.choice(pools[slot[0]])) if draw.random() < EXCHANGED else slot[1]
            for slot in dict.fromkeys(slot for turn in named for slot in turn)
        }
        turns = [_vary_turn(text, turn, exchanged, draw) for text, turn in zip(said, named, strict=True)]
        contents.append(tuple(text for text, _ in turns))
        slots.append(tuple(turn for _, turn in turns))
    return {**rows, "contents": np.fromiter(contents, object), "slots": np.fromiter(slots, object)}


def _vary_turn(
    content: str,
    slots: Sequence[tuple[str, str]],
    exchanged: Mapping[tuple[str, str], str],
    draw: np.random.Generator,
) -> tuple[str, tuple[tuple[str, str], ...]]:
    names = tuple(dict.fromkeys(name for name, _ in slots))
    spans = sorted(find_spans(content, slots, names))
    text, at, kept = "", 0, []
    for start, end, number in spans:
        name = names[number]
        value = exchanged[name, content[start:end]]
        text += _drop_words(content[at:start], draw) + value
        kept.append((name, value))
        at = end
    text += _drop_words(content[at:], draw)
    return (text, tuple(kept)) if text.strip() else (content, tuple(slots))


def _drop_words(text: str, draw: np.random.Generator) -> str:
    return WORD.sub(lambda word: "" if draw.random() < DROPPED else word[0], text)


def _find_pieces(rows: Columns) -> Tokenizer:
    return train_pieces([content for contents in rows["contents"] for content in contents], PIECES)


def _labels_of_turns(rows: Columns) -> np.ndarray:
    """int64 (M,): the class of each turn's dialogue."""
    return np.repeat(rows["label"].astype(np.int64), [len(roles) for roles in rows["roles"]])


def _roles(examples: Sequence[Example]) -> set[str]:
    return {example.role for example in examples}


def _f1(said: int, right: int, wanted: int) -> float:
    return 2 * right / (said + wanted) if said + wanted else math.nan
