"""A small network that reads a turn of a dialogue with the turn before it: its intent, its slots, and whether both fit.

Embeddings, three residual convolutions, and heads for the intent of the turn, the slot of each token, and whether the
turn follows the one before. Knows turns as `turns` encodes them, neither files nor judges nor learners.

    net = fit_turns(IntentNet(tokenizer.get_vocab_size(), 27, 1), encoded, intents, TurnSchedule(800, 32), seed=0)
    for answer in infer_turns(net, encoded): ...
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .muon import Muon
from .supervised import IGNORED, draw
from .tokens import normalise
from .turns import ROLES, UNSEEN, Encoded

WIDTH = 64
DILATIONS = (1, 2, 4)
ROWS_AT_ONCE, STEP = 64, 16  # of inference: rows in a batch, and what its length is a multiple of
HIDDEN = 0.05  # share of the tokens that are hidden in training: names will come that were never seen
TAG_WEIGHT = 2.0  # of the tags' loss: most tokens are outside and easy
SHARP = 5.0  # of the cosine of two turns that fit, before training
POOL = 8  # batches whose rows are sorted by length together


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
