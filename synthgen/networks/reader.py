"""A small extractive reader, trained from scratch in seconds: where in a passage does the answer stand, if at all?

It has no knowledge of the world and gets none: what it needs to find an answer is that words of the question come back
in the passage. Each word of the question learns how much its coming back matters; a sentence is known by the share of
that weight that stands in it and in the sentence before, by its words, and by what is asked. In training, words with a
large letter or a digit are hidden at random, so that names never seen are matched as well as known ones.

Words are the units, by offsets, so that no character is lost: a known word has a vector of its own, an unknown one is
known by its ending and its look. Knows texts and spans, neither judges nor learners.

    reader = fit_reader([prepare(question, context, answer, start), ...], steps=150, batch_size=32, seed=0)
    found = reader.read(["What is the currency of Japan?"], ["The currency of Japan is the Japanese Yen."])
    found[0].spans[0]       # (29, 41), in characters
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .muon import Muon
from .reader_words import ENDINGS, LONGEST_SPAN, LOOKS, NAMES, Words, locate, split_words
from .supervised import Schedule, draw, ramp

LONGEST_TRAINED = 384  # words of a context: of a longer one, those around the answer
FEWEST, MOST_WORDS = 4, 6000  # rows in which a word of the vocabulary stands; words of the vocabulary
HIDDEN = 0.4  # chance that a name or number of a row is hidden in training
BEST = 8  # spans that are told of a row
ROOM, QUESTION_ROOM = 32, 16  # lengths are filled up to multiples of these
RATE, MUON_RATE = 4e-3, 0.03
FEWEST_INNER = 4  # rows and columns; smaller matrices lead out of the net
AT_ONCE = 2**13  # words that go through the net together
PAIRS_AT_ONCE = 2**22  # words of a context with words of a question


PACKED = ("words", "keys", "looks", "endings", "sentences")  # what the net is told of each word
Packed = tuple[np.ndarray, np.ndarray]  # of the question and of the context, int64 (5, T)


@dataclass(frozen=True)
class Found:
    """What the reader makes of one question."""

    spans: tuple[tuple[int, int], ...]  # (start, end) in characters, the most likely first; never empty
    chances: tuple[float, ...]  # of the spans
    nothing: float  # chance that the passage does not answer
    features: np.ndarray  # float32 (D,): pooled hidden state

    @property
    def best(self) -> tuple[int, int] | None:
        """The answer's place; None if that there is none is more likely than any."""
        return self.spans[0] if self.chances[0] > self.nothing else None


class Mixer(nn.Module):
    """A word and its neighbours: a residual convolution (B, T, D) -> (B, T, D)."""

    def __init__(self, width: int, gap: int):
        super().__init__()
        self.gap = gap
        self.look, self.out = nn.Linear(3 * width, width), nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        y = F.rms_norm(x, x.shape[-1:]) * mask
        left, right = F.pad(y, (0, 0, self.gap, 0))[:, : -self.gap], F.pad(y, (0, 0, 0, self.gap))[:, self.gap :]
        return x + self.out(F.silu(self.look(torch.cat([left, y, right], 2))))


class ReaderNet(nn.Module):
    """Logits of every span of at most 30 words, and of none."""

    def __init__(self, words: int, width: int = 64):
        super().__init__()
        self.word, self.ending = nn.Embedding(words + 1, width), nn.Embedding(ENDINGS, width)
        self.look = nn.Embedding(LOOKS, width)
        self.asked = nn.ModuleList([Mixer(width, 1), Mixer(width, 1)])
        self.weigh, self.pool = nn.Linear(width, 1), nn.Linear(width, 4)
        self.gist = nn.Linear(4 * width, width)
        self.match = nn.Linear(2, width)
        self.near = nn.ModuleList([Mixer(width, 1), Mixer(width, 2)])
        self.judge = nn.Sequential(nn.Linear(5 * width + 6, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))
        self.told = nn.Linear(width, width)
        self.far = nn.ModuleList([Mixer(width, 1), Mixer(width, 2)])
        self.ends = nn.Linear(width, 2)
        self.nothing = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, 1))

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Start and end logits (B, T), the logit of none (B,), and pooled states (B, D)."""
        question, gist, weights = self._ask(batch)
        mask = batch["words"].ge(0)[..., None]
        same = (batch["keys"][:, :, None] == batch["question_keys"][:, None]) & batch["question_words"].ge(0)[:, None]
        own = (same * weights[:, None]).amax(2)
        x = self._embed(batch, "") + self.match(torch.stack([own, same.any(2).to(own.dtype)], 2))
        for layer in self.near:
            x = layer(x, mask)
        x = x + self._judge(x * mask, same, weights, gist, batch) + self.told(gist)[:, None]
        for layer in self.far:
            x = layer(x, mask)
        x = F.rms_norm(x, x.shape[-1:])
        starts, ends = self.ends(x).float().masked_fill(~mask, -1e4).unbind(2)
        highest = x.masked_fill(~mask, -1e4).amax(1)
        pooled = torch.cat([highest, gist], 1)
        return starts, ends, self.nothing(pooled).float()[:, 0], pooled

    def _embed(self, batch: dict[str, Tensor], of: str) -> Tensor:
        words = self.word(batch[f"{of}words"].clamp(min=0))
        return words + self.ending(batch[f"{of}endings"]) + self.look(batch[f"{of}looks"])

    def _ask(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """States of the question's words (B, Q, D), its gist (B, D), and each word's share of the weight (B, Q)."""
        mask = batch["question_words"].ge(0)
        x = self._embed(batch, "question_")
        for layer in self.asked:
            x = layer(x, mask[..., None])
        x = F.rms_norm(x, x.shape[-1:])
        shares = self.pool(x).masked_fill(~mask[..., None], -1e4).softmax(1)
        gist = self.gist((shares.mT @ x).flatten(1))
        weights = self.weigh(x)[..., 0].masked_fill(~mask, -1e4).softmax(1)
        return x, gist, weights

    def _judge(self, x: Tensor, same: Tensor, weights: Tensor, gist: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """What is to be thought of each sentence, at each of its words (B, T, D)."""
        rows, length, width = x.shape
        count = length // 4
        sentences = batch["sentences"].clamp(max=count - 1)
        place = sentences[..., None].expand(-1, -1, width)
        total = x.new_zeros(rows, count, width).scatter_add(1, place, x)
        sizes = x.new_zeros(rows, count).scatter_add(1, sentences, batch["words"].ge(0).to(x.dtype))
        mean = total / sizes.clamp(min=1)[..., None]
        said = same.new_zeros(rows, count, same.shape[2], dtype=x.dtype)
        said = said.scatter_reduce(1, sentences[..., None].expand_as(same), same.to(x.dtype), "amax")
        share = (said * weights[:, None]).sum(2)
        best = share.amax(1, keepdim=True).expand_as(share)
        before, after = F.pad(share, (1, 0))[:, :-1], F.pad(share, (0, 1))[:, 1:]
        earlier = F.pad(share, (2, 0))[:, :-2]
        told = torch.stack([share, before, earlier, after, best, share * best], 2)
        asked = gist[:, None].expand(-1, count, -1)
        previous = F.pad(mean, (0, 0, 1, 0))[:, :-1]
        thought = self.judge(torch.cat([mean, asked, mean * asked, previous, previous * asked, told], 2))
        return thought.gather(1, place)


def span_logits(starts: Tensor, ends: Tensor) -> Tensor:
    """(B, T), (B, T) -> (B, T, 30): the logit of the span from a word to the one k words on."""
    longest = min(LONGEST_SPAN, starts.shape[1])
    padded = F.pad(ends, (0, longest - 1), value=-1e4)
    return starts[..., None] + padded.unfold(1, longest, 1)


class Reader:
    """A fitted net and the vocabulary it was fitted with."""

    def __init__(self, net: ReaderNet, vocabulary: Iterable[int]):
        self.net, self.vocabulary = net, np.array(sorted(vocabulary), np.int64)

    def number(self, keys: np.ndarray) -> np.ndarray:
        """Numbers of words from 1 by their keys; 0 for unknown ones."""
        if not len(self.vocabulary):
            return np.zeros(len(keys), np.int64)
        places = np.searchsorted(self.vocabulary, keys).clip(max=len(self.vocabulary) - 1)
        return np.where(self.vocabulary[places] == keys, places + 1, 0)

    def pack(self, words: Words) -> np.ndarray:
        """What the net is told of a text: int64 (5, T), in the order of PACKED."""
        return np.stack([self.number(words.keys), words.keys, words.looks, words.endings, words.sentences])

    def read(self, questions: Sequence[str], contexts: Sequence[str]) -> list[Found]:
        """What is found for each question in its context. A row's answer does not depend, in any bit, on the others."""
        told = [split_words(text) for text in contexts]
        packed = [(self.pack(split_words(q)), self.pack(t)) for q, t in zip(questions, told, strict=True)]
        sizes = [(_fill_up(q.shape[1], QUESTION_ROOM), _fill_up(c.shape[1], ROOM)) for q, c in packed]
        found: dict[int, Found] = {}
        for wide, room in sorted(set(sizes)):
            rows = [row for row, size in enumerate(sizes) if size == (wide, room)]
            count = max(1, min(AT_ONCE // (room + wide), PAIRS_AT_ONCE // (room * wide)))
            for start in range(0, len(rows), count):
                some = rows[start : start + count]
                # every batch of a size is as large, so that a row's company changes nothing
                batch = lay_out([packed[row] for row in some + some[:1] * (count - len(some))], wide, room)
                found |= zip(some, self._find(batch, [told[row] for row in some]), strict=True)
        return [found[row] for row in range(len(told))]

    def _find(self, batch: dict[str, Tensor], told: Sequence[Words]) -> Iterator[Found]:
        with torch.inference_mode():
            starts, ends, nothing, pooled = self.net(batch)
            logits = span_logits(starts, ends)
            longest = logits.shape[2]
            chances = torch.cat([nothing[:, None], logits.flatten(1)], 1).softmax(1)
            best, places = chances[:, 1:].topk(min(BEST, logits[0].numel()), 1)
        for row, words in enumerate(told):
            spans = []
            for place in places[row].tolist():
                first = min(place // longest, len(words.keys) - 1)
                last = min(first + place % longest, len(words.keys) - 1)
                spans.append((int(words.starts[first]), int(words.ends[last])))
            yield Found(tuple(spans), tuple(best[row].tolist()), float(chances[row, 0]), pooled[row].numpy())


def lay_out(rows: Sequence[Packed], wide: int, room: int) -> dict[str, Tensor]:
    """Rows side by side, filled up to `wide` words of question and `room` of context; a word of -1 is none."""
    made: dict[str, Tensor] = {}
    for place, (of, length) in enumerate((("question_", wide), ("", room))):
        table = np.zeros((len(PACKED), len(rows), length), np.int64)
        table[0] = -1
        for number, row in enumerate(rows):
            table[:, number, : row[place].shape[1]] = row[place]
        made |= {of + name: values for name, values in zip(PACKED, torch.from_numpy(table), strict=True)}
    return made


def _fill_up(length: int, room: int) -> int:
    return -(-max(length, 1) // room) * room


@dataclass(frozen=True)
class Exercise:
    """A question, its context, and the words of the context that answer; -1 where none do."""

    question: Words
    context: Words
    first: int
    last: int


def prepare(question: str, context: str, answer: str, start: int) -> Exercise:
    """An exercise; of a context longer than 384 words those around the answer."""
    asked, told = split_words(question), split_words(context)
    first, last = locate(told, start, start + len(answer)) if start >= 0 else (-1, -1)
    if len(told.keys) > LONGEST_TRAINED:
        low = min(max(0, first - LONGEST_TRAINED // 2), len(told.keys) - LONGEST_TRAINED)
        part = {name: values[low : low + LONGEST_TRAINED] for name, values in vars(told).items()}
        part["sentences"] = part["sentences"] - part["sentences"][0]
        told = Words(**part)
        first, last = (first - low, last - low) if start >= 0 else (-1, -1)
    return Exercise(asked, told, first, last)


def choose_vocabulary(exercises: Sequence[Exercise]) -> list[int]:
    """Keys of the words that stand in enough rows, the most common ones."""
    counts: Counter[int] = Counter()
    for one in exercises:
        counts.update(set(one.question.keys.tolist()) | set(one.context.keys.tolist()))
    common = sorted((-count, key) for key, count in counts.items() if count >= FEWEST)
    return [key for _, key in common[:MOST_WORDS]]


def fit_reader(
    exercises: Sequence[Exercise],
    *,
    steps: int,
    batch_size: int,
    seed: int,
) -> Reader:
    """A reader of these exercises. The same exercises, seed and threads give the same one, bit for bit."""
    generator = torch.Generator().manual_seed(seed)
    vocabulary = choose_vocabulary(exercises)
    net = ReaderNet(len(vocabulary))
    initialise(net, generator)
    reader = Reader(net, vocabulary)
    optimisers, schedule = build_optimisers(net), Schedule(steps, batch_size)
    lengths = np.array([len(one.context.keys) for one in exercises])
    packed = [(reader.pack(one.question), reader.pack(one.context)) for one in exercises]
    first = torch.tensor([one.first for one in exercises])
    length = torch.tensor([one.last - one.first for one in exercises])
    for step, rows in zip(range(steps), _batches(lengths, batch_size, generator), strict=False):
        wide, room = (_fill_up(max(packed[row][place].shape[1] for row in rows), 8) for place in (0, 1))
        batch = lay_out([packed[row] for row in rows], wide, room)
        hide_names(batch, generator)
        loss = span_loss(net, batch, first[rows], length[rows])
        net.zero_grad(set_to_none=True)
        loss.backward()
        for optimiser, peak in optimisers:
            optimiser.param_groups[0]["lr"] = peak * ramp(step, schedule)
            optimiser.step()
    net.eval()
    return reader


def build_optimisers(net: ReaderNet) -> list[tuple[torch.optim.Optimizer, float]]:
    """Muon for the matrices inside the net, AdamW for the rest; each with its peak rate."""
    matrices = {module.weight for module in net.modules() if isinstance(module, nn.Linear)}
    inner = [p for p in net.parameters() if p in matrices and min(p.shape) > FEWEST_INNER]
    chosen = {id(weight) for weight in inner}
    outer = [weight for weight in net.parameters() if id(weight) not in chosen]
    adamw = torch.optim.AdamW(outer, lr=RATE, weight_decay=0.01, fused=True)
    return [(Muon(inner, MUON_RATE, momentum=0.9), MUON_RATE), (adamw, RATE)]


def _batches(lengths: np.ndarray, batch_size: int, generator: torch.Generator) -> Iterator[list[int]]:
    """Batches of rows without end, of contexts of similar length."""
    for rows in draw(len(lengths), 8 * batch_size, generator):
        ordered = rows[torch.from_numpy(lengths[rows.numpy()].argsort(kind="stable"))]
        order = torch.randperm(8, generator=generator).tolist()
        for place in order:
            yield ordered[place * batch_size : (place + 1) * batch_size].tolist()


def span_loss(net: ReaderNet, batch: dict[str, Tensor], first: Tensor, length: Tensor) -> Tensor:
    """Cross-entropy of the right span (first word, words beyond it; -1 for none) among all of at most 30 and none."""
    starts, ends, nothing, _ = net(batch)
    logits = span_logits(starts, ends)
    target = torch.where(first < 0, 0, first * logits.shape[2] + length + 1)
    return F.cross_entropy(torch.cat([nothing[:, None], logits.flatten(1)], 1), target)


def hide_names(batch: dict[str, Tensor], generator: torch.Generator) -> None:
    """Make words with a large letter or a digit unknown ones, each by chance, wherever they stand in a row."""
    rows = len(batch["keys"])
    salt = torch.randint(-(2**62), 2**62, (rows, 1), generator=generator)
    for of in ("", "question_"):
        mixed = (batch[f"{of}keys"] ^ salt) * 0x2545F4914F6CDD1D
        chance = ((mixed >> 40) & 0xFFFF).float() / 2**16
        hidden = (chance < HIDDEN) & torch.isin(batch[f"{of}looks"], torch.tensor(NAMES)) & batch[f"{of}words"].ge(0)
        batch[f"{of}words"].masked_fill_(hidden, 0)
        batch[f"{of}endings"].masked_fill_(hidden, 0)


def initialise(net: nn.Module, generator: torch.Generator) -> None:
    """Draw matrices uniformly within the root of 1 / (their inputs) and embeddings from N(0, 0.1²); biases are 0."""
    for module in net.modules():
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.1, generator=generator)
        elif isinstance(module, nn.Linear | nn.Conv1d):
            bound = module.weight[0].numel() ** -0.5
            nn.init.uniform_(module.weight, -bound, bound, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
