"""A small transformer that says which tokens are hidden: the denoiser of masked diffusion.

It looks at what is allowed of a row at once, and is told of each position which text it is of, how far from the text's
start it stands and, where a slot for a number stands, the number. The class scales and gates every block.

    net = TextDenoiser(vocabulary=2000, segments=2, length=32, classes=20, values=100)
    logits = net(x, share, {"segment": segment, "offset": offset, "value": value, "label": label})
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, ClassVar

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from pydantic import Field
from tokenizers import Tokenizer
from torch import nn

from ..diffusion.masked import Blocks
from ..errors import UserError
from ..types import Condition
from ..vocabulary import Vocabulary
from .adoption import Axes, Meanings, name_axis, number_axis
from .bases import find_model, identify
from .fine_tuning import load_language_model, read_pieces
from .language_bases import examine_base
from .lora import add_lora
from .options import BaseOptions
from .preconditioning import Teller
from .pretrained_language import PretrainedTextDenoiser
from .tokens import Block, Kept, hinder

PIECES, INDEX = "tokenizer.json", "model_index.json"
LAST = 1 << 40  # a block behind all others
EMPTY = LAST + 1  # the block of no token
ASKED, READ = 256, 64  # positions: in training and between looks, layers are computed of multiples of so many
HEAD = 64  # channels of an attention head, where the width allows it: half the weights of attention that 32 has


class TextOptions(BaseOptions):
    """The shape of a small transformer over pieces of words, and of its vocabulary."""

    nets: ClassVar[tuple[str, ...]] = ("TextDenoiser",)
    reads: ClassVar[tuple[str, ...]] = ("transformers", "diffusers", "hub")
    shape: ClassVar[tuple[str, ...]] = ("width", "depth")

    base: str | None = None
    """What to start from. A pretrained language model: a Hub id or a folder, with safetensors and tokenizer.json;
    either a masked language model as transformers' `save_pretrained` writes it (ModernBERT, mmBERT, EuroBERT, BERT …),
    or the folders of diffusers' LLaDA2Pipeline with a model that transformers knows by itself. Or the `model` folder of
    an earlier run of texts. Size and pieces are then its own. null: a small transformer from scratch."""
    width: Annotated[int, Field(ge=32, le=4096, multiple_of=32)] = 128
    """Channels of a token. Not with `base`."""
    depth: int = Field(4, ge=1, le=48)
    """Blocks of attention and feed-forward. Not with `base`."""
    pieces: int = Field(2000, ge=256, le=200_000)
    """Pieces of words at most, learnt from the training rows; the 256 bytes are among them, so any text can be
    written. Not with `base`."""
    block: int | None = Field(None, ge=1, le=1024)
    """Tokens that are written together, given all before them; null: 4, or as many as a LLaDA2 base was made for."""


def choose_pieces(options: TextOptions, folder: Path | None) -> int | Tokenizer:
    """How many pieces to learn, or those of the base, as the trained model in `folder` has them if there is one."""
    if options.base is None:
        return options.pieces
    if folder is not None:
        return Tokenizer.from_file(str(folder / PIECES))
    if identify(options.base) == "own":
        return read_own_pieces(options.base)
    return read_pieces(options.base, options.revision)


def choose_block(options: TextOptions, folder: Path | None) -> int:
    """How many tokens are written together; where the recipe does not say, as the base or the trained model does."""
    if options.block is not None or options.base is None or (folder is None and identify(options.base) == "own"):
        return options.block or Blocks.size
    if folder is not None:
        return int(json.loads((folder / INDEX).read_text(encoding="utf-8"))["size"])
    return examine_base(options.base, options.revision).block or Blocks.size


def read_own_pieces(base: str) -> Tokenizer:
    """Those of an earlier run, so that each keeps its meaning. A UserError where its rows are no texts."""
    folder = find_model(Path(base))
    if folder is None or not (folder / PIECES).is_file():
        raise UserError(
            f"model.base: {base} has no {PIECES}: its rows are no texts; name a model of texts, or write null"
        )
    return Tokenizer.from_file(str(folder / PIECES))


def build_text_network(
    options: TextOptions, vocabulary: Vocabulary, *, segments: int, length: int, classes: int = 0, values: int = 0
) -> TextDenoiser | PretrainedTextDenoiser:
    """A denoiser of rows of up to `length` tokens in `segments` texts, told a class and numbers below `values`."""
    shape = {"segments": segments, "length": length, "classes": classes, "values": values}
    if options.base is not None and identify(options.base) != "own":
        return load_language_model(options, vocabulary, **shape)
    return TextDenoiser(vocabulary=len(vocabulary), width=options.width, depth=options.depth, **shape)


def normalise(x: torch.Tensor) -> torch.Tensor:
    """Layer normalisation without weights: on CPUs one kernel either way, where the root mean square takes ten."""
    return F.layer_norm(x, x.shape[-1:])


class TextDenoiser(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Token numbers (B, L) -> logits (B, L, vocabulary); the embedding is also the last layer (Press & Wolf 2017)."""

    config_name = "config.json"
    lora_targets = ("qkv", "out")
    same: tuple[str, ...] = ()  # of the configuration, in every net that takes over weights

    @register_to_config
    def __init__(
        self,
        vocabulary: int = 256,
        segments: int = 1,
        length: int = 64,
        width: int = 192,
        depth: int = 4,
        classes: int = 0,
        values: int = 0,
        lora: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.told = Teller(width, classes, augmented=False)
        self.token = nn.Embedding(vocabulary, width)
        self.segment = nn.Embedding(segments + 1, width)  # the first: always seen
        self.offset = nn.Embedding(length, width)
        self.value = nn.Embedding(values + 1, width) if values else None  # the first: no number
        head = HEAD if width % HEAD == 0 and width > HEAD else HEAD // 2
        self.blocks = nn.ModuleList([Block(width, normalise, head) for _ in range(depth)])
        self.modulate, self.bias = nn.Linear(width, width), nn.Parameter(torch.zeros(vocabulary))
        self._initialise(width)
        if lora is not None:
            add_lora(self, **lora)

    def meanings(self, axes: Axes) -> Meanings:
        """What the numbers along the axes of tensors mean, where `axes` names "classes" and the first "tokens"; the
        other tokens are the pieces, in the order of the tokenizer."""
        config = self.config
        own = list(axes.get("tokens") or ())
        tokens = (
            [*own, *number_axis("piece", config.vocabulary - len(own))] if own else name_axis({}, "", config.vocabulary)
        )
        found = {"token.weight": {0: tokens}, "bias": {0: tokens}}
        for name, count in (("segment", config.segments + 1), ("offset", config.length), ("value", config.values + 1)):
            found[f"{name}.weight"] = {0: number_axis(name, count)}
        found["told.label.weight"] = {0: [*name_axis(axes, "classes", config.classes), "not told"]}
        return found

    def _initialise(self, width: int) -> None:
        """Blocks add nothing at first, and all of it from then on; a token's own embedding outweighs where it stands.

        Both were worth more than any rate or size: of English-German phrases 0.80 instead of 0.59 were translated
        rightly after 400 steps of 128 rows (one seed each).
        """
        for embedding in (self.token, self.segment, self.offset, self.value):
            if embedding is not None:
                nn.init.normal_(embedding.weight, std=width**-0.5 * (4 if embedding is self.token else 1))
        for block in self.blocks:
            assert isinstance(block, Block)
            block.open_gates()
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)

    def forward(
        self, x: torch.Tensor, sigma: torch.Tensor, condition: Condition, keep: torch.Tensor | None = None
    ) -> torch.Tensor:
        """`sigma` (B,): the share of hidden tokens. Rows where `keep` is False are not told their class.

        With condition["allowed"], bool (B, L, L), each position looks at those alone; with condition["asked"], bool
        (B, L), only logits of those positions are computed: (N, vocabulary).
        """
        told = self.told(sigma, condition, keep, self.dtype)
        h = self.embed(x, condition["segment"], condition["offset"], condition.get("value"), told.dtype)
        bias = hinder(condition["allowed"], told.dtype) if "allowed" in condition else None
        for block in self.blocks:
            h = block(h, told, bias)
        return self.score(h, told, condition.get("asked"))

    def embed(
        self,
        x: torch.Tensor,
        segment: torch.Tensor,
        offset: torch.Tensor,
        value: torch.Tensor | None,
        dtype: torch.dtype,
    ) -> torch.Tensor:
        h = self.token(x) + self.segment(segment + 1) + self.offset(offset)
        if self.value is not None and value is not None:
            h = h + self.value(value)
        return normalise(h).to(dtype)  # half the width in memory under autocast: a fifth off a step

    def score(self, h: torch.Tensor, told: torch.Tensor, asked: torch.Tensor | None) -> torch.Tensor:
        scale = self.modulate(told)
        if asked is None:
            return self.score_each(h, scale[:, None])
        row, place = asked.nonzero(as_tuple=True)
        count = len(row)
        row, place = (F.pad(index, (0, -count % ASKED)) for index in (row, place))  # of few shapes: see `round_up`
        return self.score_each(h[row, place], scale[row])[:count]

    def score_each(self, h: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        """`scale` is what `modulate` gives, for each position."""
        return F.linear(normalise(h) * (1 + scale), self.token.weight, self.bias)

    def start(self, condition: Condition, keep: torch.Tensor | None = None) -> TextReader:
        """A reader of rows of that condition, segment by segment (`diffusion.masked`)."""
        sigma = torch.zeros(len(condition["segment"]), device=condition["segment"].device)
        return TextReader(self, condition, self.told(sigma, condition, keep, self.dtype))


Part = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]  # place, tokens, there, block


class TextReader:
    """What a TextDenoiser has read of rows: keys and values of every block, without gaps."""

    def __init__(self, net: TextDenoiser, condition: Condition, told: torch.Tensor) -> None:
        self.net, self.dtype = net, told.dtype
        self.place = {name: condition[name] for name in ("segment", "offset", "value") if name in condition}
        self.scales = [layer.scale(told) for layer in net.blocks]  # type: ignore[operator]
        self.last = net.modulate(told)
        self.count = torch.zeros(len(told), 1, dtype=torch.long, device=told.device)  # tokens that are kept
        self.block = self.count[:, :0]  # of each of them
        self.kept = [Kept() for _ in net.blocks]
        self.waiting: Part | None = None  # what `keep` was told last: it is read together with what comes next

    def keep(self, place: torch.Tensor, x: torch.Tensor, there: torch.Tensor, block: torch.Tensor) -> None:
        """Tokens x at places of the rows, (B, R), of which those count that are `there`; each looks at what was kept
        before, and at tokens of no higher `block` (B, R)."""
        if self.waiting is not None:
            self._read(self.waiting, self.waiting[0].shape[1])
        self.waiting = (place, x, there, block) if bool(there.any()) else None

    def look(self, place: torch.Tensor, x: torch.Tensor, there: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
        """Logits (N, V) of the `asked` positions, given what was kept."""
        new = (place, x, there, torch.full_like(x, LAST))
        if self.waiting is None:
            h = self._read(new, 0)
        else:
            first, second, third, fourth = (torch.cat(pair, 1) for pair in zip(self.waiting, new, strict=True))
            h = self._read((first, second, third, fourth), first.shape[1] - x.shape[1])[:, -x.shape[1] :]
        row, column = asked.nonzero(as_tuple=True)
        count = len(row)
        row, column = (F.pad(index, (0, -count % READ)) for index in (row, column))  # of few shapes: see `round_up`
        return self.net.score_each(h[row, column], self.last[row])[:count]

    def select(self, rows: torch.Tensor) -> None:
        """Goes on with these rows."""
        self.count, self.block, self.last = self.count[rows], self.block[rows], self.last[rows]
        self.place = {name: values[rows] for name, values in self.place.items()}
        self.scales = [tuple(values[rows] for values in scales) for scales in self.scales]
        for kept in self.kept:
            kept.select(rows)
        if self.waiting is not None:
            first, second, third, fourth = (values[rows] for values in self.waiting)
            self.waiting = first, second, third, fourth

    def _read(self, part: Part, stay: int) -> torch.Tensor:
        """What is made of tokens, (B, R, width); the first `stay` columns are kept."""
        place, x, there, block = part
        position = self.count + there.cumsum(1) - 1
        end = int(position.max()) + 2  # the last one is for what is not there
        position = torch.where(there, position, end - 1)
        known = torch.where(
            torch.arange(end, device=x.device) < self.count, F.pad(self.block, (0, end - self.block.shape[1])), EMPTY
        )
        known = known.scatter(1, position, torch.where(there, block, EMPTY))
        bias = hinder(known[:, None] <= block[:, :, None], self.dtype)
        where = {name: values.gather(1, place) for name, values in self.place.items()}
        h = self.net.embed(x, where["segment"], where["offset"], where.get("value"), self.dtype)
        for layer, scales, kept in zip(self.net.blocks, self.scales, self.kept, strict=True):
            h = layer.change(h, scales, bias, kept, position)  # type: ignore[operator]
        self.block, self.waiting = known, None
        self.count = self.count + there[:, :stay].sum(1, keepdim=True)
        return h
