"""A small network that reads a turn of a dialogue with the turn before it: its intent, its slots, and whether both fit.

Tokens are byte pairs trained on the training turns, so that no character is unknown. Embeddings, three residual
convolutions, and heads for the intent of the turn, the slot of each token (as beginning, inside or outside: Ramshaw &
Marcus 1995), and whether the turn follows the one before. Knows turns, neither files nor judges nor learners.

    tokenizer = train_tokenizer(texts)
    encoded = encode(tokenizer, [Example("", "Hello!", "user")], slots=("day",))
    net = fit_turns(IntentNet(tokenizer.get_vocab_size(), 27, 1), encoded, intents, TurnSchedule(800, 32), seed=0)
    for answer in infer_turns(net, encoded): ...
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch import Tensor, nn

from .muon import Muon
from .supervised import IGNORED, draw
from .tokens import normalise

PIECES = 1_500
MOST_BEFORE, MOST_OWN = 32, 96  # tokens: the last of the turn before, the first of the turn itself
ROLES = ("user", "assistant", "system")
WIDTH = 64
DILATIONS = (1, 2, 4)
ROWS_AT_ONCE, STEP = 64, 16  # of inference: rows in a batch, and what its length is a multiple of
HIDDEN = 0.05  # share of the tokens that are hidden in training: names will come that were never seen
TAG_WEIGHT = 2.0  # of the tags' loss: most tokens are outside and easy
SHARP = 5.0  # of the cosine of two turns that fit, before training
UNSEEN = -1  # the number of an intent that no training turn has
POOL = 8  # batches whose rows are sorted by length together

Slots = Sequence[tuple[str, str]]
Span = tuple[int, int, int]  # first character, one past the last, number of the slot
Place = tuple[int, int, bool]  # first character of a token, one past the last, whether it goes on with a word


@dataclass(frozen=True)
class Example:
    """A turn and the one before it."""

    before: str
    own: str
    role: str
    slots: Slots = ()


@dataclass(frozen=True)
class Encoded:
    """Turns as tokens, one entry a turn."""

    tokens: list[np.ndarray]  # int64 (L,): the turn before, then the turn itself
    segments: list[np.ndarray]  # int64 (L,): 0 for the turn before, else 1 + the role's number
    tags: list[np.ndarray]  # int64 (L,): 0 outside, 2k + 1 where slot k begins, 2k + 2 inside; IGNORED before
    places: list[list[Place]]  # of the turn's own tokens
    unreachable: list[int]  # slots of which no token is left
    texts: list[tuple[str, str]]  # the turn's role and what it says

    def __len__(self) -> int:
        return len(self.tokens)

    def spans(self, row: int, tags: np.ndarray) -> set[Span]:
        """What `tags` (L,) of a row mark in its text."""
        own = self.places[row]
        return decode_tags(tags[len(tags) - len(own) :], own)


@dataclass(frozen=True)
class Answer:
    """What the network says of turns `rows`."""

    rows: np.ndarray  # int64 (B,)
    intents: np.ndarray  # float32 (B, K): logits
    tags: np.ndarray  # int64 (B, L): the likeliest
    fits: np.ndarray  # float32 (B,): logit that the turn follows the one before
    features: np.ndarray  # float32 (B, 4 * WIDTH)


@dataclass(frozen=True)
class TurnSchedule:
    """How long to train: the rate climbs for a tenth of the steps, then falls to 0 in a straight line."""

    steps: int
    batch_size: int
    rate: float = 1.2e-2  # AdamW: embeddings and heads
    muon_rate: float = 0.03  # Muon: convolutions
    decay: float = 0.05


def train_tokenizer(texts: Sequence[str], pieces: int = PIECES) -> Tokenizer:
    """Byte pairs within words, digits by themselves; every text is whole again after decoding."""
    tokenizer = Tokenizer(models.BPE())
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    trainer = trainers.BpeTrainer(vocab_size=pieces, initial_alphabet=sorted(alphabet), show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def list_turns(roles: np.ndarray, contents: np.ndarray, slots: np.ndarray) -> tuple[list[Example], np.ndarray]:
    """All turns of dialogues (object arrays (N,) of tuples), in order, and the dialogue of each, int64 (M,)."""
    examples, owners = [], []
    for row, (who, said, named) in enumerate(zip(roles, contents, slots, strict=True)):
        for place, (role, content) in enumerate(zip(who, said, strict=True)):
            examples.append(Example(said[place - 1] if place else "", content, role, named[place]))
            owners.append(row)
    return examples, np.array(owners, np.int64)


def number_intents(intents: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """The number of each turn's intent, int64 (M,): IGNORED where none is stated, UNSEEN where it has no number."""
    numbers = {name: number for number, name in enumerate(names)} | {"": IGNORED}
    return np.array([numbers.get(name, UNSEEN) for named in intents for name in named], np.int64)


def find_followers(owners: np.ndarray) -> np.ndarray:
    """bool (M,): whether a turn has one before it in its dialogue; `owners` (M,) are in order."""
    return np.concatenate([np.zeros(min(len(owners), 1), bool), owners[1:] == owners[:-1]])


def find_spans(content: str, slots: Slots, names: Sequence[str]) -> list[Span]:
    """Where the values of known slots stand, in the slots' order: as a word of its own if it can be, never twice."""
    found: list[Span] = []
    for name, value in slots:
        if name not in names or not value:
            continue
        starts = [at for at in range(len(content) - len(value) + 1) if content.startswith(value, at)]
        free = [at for at in starts if all(at >= end or at + len(value) <= start for start, end, _ in found)]
        words = [at for at in free if _is_whole(content, at, at + len(value))]
        for at in (words or free)[:1]:
            found.append((at, at + len(value), names.index(name)))
    return found


def _is_whole(content: str, start: int, end: int) -> bool:
    before, after = content[start - 1 : start], content[end : end + 1]
    return not (before.isalnum() and content[start].isalnum()) and not (after.isalnum() and content[end - 1].isalnum())


def encode(tokenizer: Tokenizer, examples: Sequence[Example], slots: Sequence[str]) -> Encoded:
    before = tokenizer.encode_batch([example.before for example in examples])
    own = tokenizer.encode_batch([example.own for example in examples])
    made = Encoded([], [], [], [], [], [])
    for example, first, second in zip(examples, before, own, strict=True):
        earlier, later = first.ids[-MOST_BEFORE:], second.ids[:MOST_OWN]
        places = [_place(example.own, *pair) for pair in second.offsets[:MOST_OWN]]
        tags, missed = tag_tokens(find_spans(example.own, example.slots, slots), places)
        role = 1 + ROLES.index(example.role)
        made.tokens.append(np.array(earlier + later, np.int64))
        made.segments.append(np.array([0] * len(earlier) + [role] * len(later), np.int64))
        made.tags.append(np.array([IGNORED] * len(earlier) + tags, np.int64))
        made.places.append(places)
        made.unreachable.append(missed)
        made.texts.append((example.role, example.own))
    return made


def _place(text: str, start: int, end: int) -> Place:
    """A token's place without the space that it begins with."""
    while start < end - 1 and text[start].isspace():
        start += 1
    return start, end, start > 0 and text[start - 1].isalnum() and text[start].isalnum()


def tag_tokens(spans: Sequence[Span], places: Sequence[Place]) -> tuple[list[int], int]:
    """The tag of each token, and how many spans have none."""
    tags, missed = [0] * len(places), 0
    for start, end, slot in spans:
        inside = [number for number, (first, last, _) in enumerate(places) if first < end and last > start]
        for rank, number in enumerate(inside):
            tags[number] = 2 * slot + (1 if rank == 0 else 2)
        missed += not inside
    return tags, missed


def decode_tags(tags: np.ndarray, places: Sequence[Place]) -> set[Span]:
    """The spans that tags mark: a word is what its first token is, and an inside without its beginning begins."""
    found: list[Span] = []
    last = 0
    for tag, (start, end, joins) in zip(tags.tolist(), places, strict=True):
        if joins:
            tag = last + last % 2  # beginning or inside: inside of the same slot
        if tag > 0:
            goes_on = tag % 2 == 0 and last in (tag, tag - 1)
            found.append((found.pop()[0] if goes_on else start, end, (tag - 1) // 2))
        last = tag
    return set(found)


class IntentNet(nn.Module):
    """Tokens and segments (B, L) -> logits of intents (B, K) and of tags (B, L, 2S + 1), and features."""

    def __init__(self, vocabulary: int, intents: int, slots: int, width: int = WIDTH) -> None:
        super().__init__()
        # the last token is a hidden one
        self.token, self.segment = nn.Embedding(vocabulary + 1, width), nn.Embedding(1 + len(ROLES), width)
        self.convolutions = nn.ModuleList(nn.Linear(3 * width, width) for _ in DILATIONS)
        self.intent = nn.Linear(4 * width, max(intents, 1))
        self.tag, self.context = nn.Linear(width, 2 * slots + 1), nn.Linear(4 * width, 2 * slots + 1, bias=False)
        self.first, self.second = nn.Linear(2 * width, width), nn.Linear(2 * width, width)
        self.bias, self.sharpness = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))

    def forward(self, tokens: Tensor, segments: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`lengths` (B,): tokens of each row. The last output is features (B, 4 * width): mean and peak of the turn,
        then of the turn before; neither depends on the other turn."""
        there = (torch.arange(tokens.shape[1]) < lengths[:, None])[..., None].to(torch.float32)
        own = there * (segments > 0)[..., None]
        sides = own - (there - own)  # 1 in the turn, -1 in the turn before, 0 behind
        h = (self.token(tokens) + self.segment(segments)) * there
        for dilation, convolution in zip(DILATIONS, self.convolutions, strict=True):
            x = normalise(h)
            left, right = (_shift(x, step) * (_shift(sides, step) == sides) for step in (dilation, -dilation))
            x = torch.cat([left, x, right], 2) * there
            h = h + F.silu(convolution(x)) * there
        features = torch.cat([_pool(h, own), _pool(h, there - own)], 1)
        return self.intent(features), self.tag(normalise(h)) + self.context(features)[:, None], features

    def compare(self, features: Tensor) -> Tensor:
        """(B, 4 * width) -> (B, B): logit that the turn of row j follows the turn before that of row i."""
        turn, before = (
            normalise(features[:, : features.shape[1] // 2]),
            normalise(features[:, features.shape[1] // 2 :]),
        )
        first, second = normalise(self.first(before)), normalise(self.second(turn))
        cosine = first @ second.mT / first.shape[1]
        return SHARP * self.sharpness.exp() * cosine + self.bias


def _shift(x: Tensor, step: int) -> Tensor:
    """(B, L, C) moved by `step` along L, zeros where nothing comes from."""
    step = max(-x.shape[1], min(step, x.shape[1]))
    return F.pad(x, (0, 0, step, -step))


def _pool(h: Tensor, where: Tensor) -> Tensor:
    """(B, L, C), (B, L, 1) -> (B, 2C): mean and greatest where `where` is 1; zeros where it nowhere is."""
    some = where.sum(1)
    peak = h.masked_fill(where == 0, -torch.inf).amax(1)
    return torch.cat([(h * where).sum(1) / some.clamp(min=1), peak.masked_fill(some == 0, 0)], 1)


def initialise_turns(net: IntentNet, generator: torch.Generator) -> None:
    """Weights of a variance of one over the inputs, biases of zero; nothing depends on the global generator."""
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, IntentNet):
                module.bias.zero_()
                module.sharpness.zero_()
            elif isinstance(module, nn.Embedding):
                module.weight.normal_(0, 0.5, generator=generator)
            elif isinstance(module, nn.Linear):
                module.weight.normal_(0, module.in_features**-0.5, generator=generator)
                if module.bias is not None:
                    module.bias.zero_()


def fit_turns(
    net: IntentNet, encoded: Encoded, intents: np.ndarray | None, schedule: TurnSchedule, seed: int
) -> IntentNet:
    """Draw the weights from `seed` and train; the same arguments and threads give the same weights, bit for bit.

    intents: int64 (M,) of `number_intents`, learnt with the tags; None: the turns all follow one before them, and it is
    learnt which one, among those of the same role in a batch (a sigmoid loss: Zhai et al. 2023, arXiv:2303.15343).
    """
    generator = torch.Generator().manual_seed(seed)
    initialise_turns(net, generator)
    net.train()
    optimisers = build_optimisers(net, schedule)
    # strangers of one length would be no strangers: where turns are compared, a batch is of all lengths
    pool = 1 if intents is None else POOL
    batches = _draw_batches(encoded, schedule.batch_size, pool, generator)
    for step, rows in zip(range(schedule.steps), batches, strict=False):
        share = min((step + 1) / (0.1 * schedule.steps + 1), (schedule.steps - step) / (0.9 * schedule.steps), 1.0)
        tokens, segments, lengths, tags = collate(encoded, rows)
        hidden = torch.rand(tokens.shape, generator=generator) < HIDDEN
        tokens = tokens.masked_fill(hidden, net.token.num_embeddings - 1)
        logits, tagged, features = net(tokens, segments, lengths)
        if intents is None:
            loss = _compare_all(net.compare(features), [encoded.texts[row] for row in rows.tolist()])
        else:
            wanted = torch.from_numpy(intents[rows])
            loss = _cross_entropy(logits, wanted.masked_fill(wanted == UNSEEN, IGNORED))
            loss = loss + TAG_WEIGHT * _cross_entropy(tagged.flatten(0, 1), tags.flatten())
        net.zero_grad(set_to_none=True)
        loss.backward()
        for optimiser, rate in optimisers:
            optimiser.param_groups[0]["lr"] = rate * share
            optimiser.step()
    return net.eval()


def build_optimisers(net: IntentNet, schedule: TurnSchedule) -> list[tuple[torch.optim.Optimizer, float]]:
    """Muon for the matrices of the convolutions, AdamW for the rest; each with its peak rate."""
    inner = [p for name, p in net.named_parameters() if name.startswith("convolutions") and p.ndim == 2]
    outer = [p for p in net.parameters() if all(p is not weight for weight in inner)]
    adamw = torch.optim.AdamW(outer, lr=schedule.rate, weight_decay=schedule.decay, fused=True)
    return [(Muon(inner, schedule.muon_rate), schedule.muon_rate), (adamw, schedule.rate)]


def _cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """The mean over the known targets; 0 where none is known."""
    summed = F.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="sum")
    return summed / (targets != IGNORED).sum().clamp(min=1)


def _compare_all(logits: Tensor, texts: Sequence[tuple[str, str]]) -> Tensor:
    """Half the mean loss of the true pairs (i, i), half that of pairs with another turn of the same role."""
    numbers = np.unique([own for _, own in texts], return_inverse=True)[1]
    roles = np.unique([role for role, _ in texts], return_inverse=True)[1]
    other = torch.from_numpy((numbers[:, None] != numbers) & (roles[:, None] == roles))
    strange = (F.softplus(logits) * other).sum() / other.sum().clamp(min=1)
    return (F.softplus(-logits.diagonal()).mean() + strange) / 2


def _draw_batches(encoded: Encoded, batch_size: int, pool: int, generator: torch.Generator) -> Iterator[np.ndarray]:
    """`pool` batches at a time, rows of about one length together, so that little is padded."""
    lengths = np.array([len(tokens) for tokens in encoded.tokens])
    for drawn in draw(len(encoded), pool * batch_size, generator):
        rows = drawn.numpy()
        ordered = rows[np.argsort(lengths[rows], kind="stable")].reshape(pool, batch_size)
        yield from ordered[torch.randperm(pool, generator=generator).numpy()]


def collate(encoded: Encoded, rows: np.ndarray, length: int | None = None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Tokens, segments (B, L), lengths (B,) and tags (B, L) of some rows, padded to the longest or to `length`."""
    lengths = np.array([len(encoded.tokens[row]) for row in rows])
    shape = len(rows), length or max(int(lengths.max()), 1)
    tokens, segments, tags = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.full(shape, IGNORED)
    for place, row in enumerate(rows.tolist()):
        size = lengths[place]
        tokens[place, :size], segments[place, :size] = encoded.tokens[row], encoded.segments[row]
        tags[place, :size] = encoded.tags[row]
    return torch.from_numpy(tokens), torch.from_numpy(segments), torch.from_numpy(lengths), torch.from_numpy(tags)


def infer_turns(net: IntentNet, encoded: Encoded) -> Iterator[Answer]:
    """What the network says of all turns, in batches of one shape for turns of about one length.

    So what is said of a turn does not depend, in any bit, on the turns beside it.
    """
    lengths = np.array([max(len(tokens), 1) for tokens in encoded.tokens])
    padded = -(-lengths // STEP) * STEP
    for length in np.unique(padded).tolist():
        rows = np.flatnonzero(padded == length)
        for start in range(0, len(rows), ROWS_AT_ONCE):
            some = rows[start : start + ROWS_AT_ONCE]
            batch = collate(encoded, np.resize(some, ROWS_AT_ONCE), length)
            keep = len(some)
            with torch.inference_mode():
                intents, tags, features = net(*batch[:3])
                fits = net.compare(features).diagonal()
            best = tags[:keep].argmax(2).numpy()
            yield Answer(some, intents[:keep].numpy(), best, fits[:keep].numpy(), features[:keep].numpy())
