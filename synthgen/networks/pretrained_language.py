"""A pretrained language model that fills in hidden tokens, as the denoiser of texts.

Its tokens are the pieces; slots and marks are tokens beside it, so that nothing of its own is copied or grows. A row's
class, the text that a position is of and the numbers of slots are added to the embeddings, as zeros at first, so that
training starts from what the model knows. It keeps no keys of what it has read: a reader hands it the row anew at every
look. Knows nothing of tasks, nor of checkpoints (`language_bases`).

    net = PretrainedTextDenoiser(base={"model_type": "modernbert", ...}, own=12, pieces=50368, segments=2)
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, cast

import torch
import torch.nn.functional as F
import transformers
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn
from transformers import AutoConfig, PreTrainedModel

from ..types import Condition
from ..vocabulary import FIRST
from .lora import add_lora

LAST = 1 << 40  # a block behind all others
ASKED: ContextVar[torch.Tensor] = ContextVar("asked")  # positions (B, L) whose logits this thread wants


class PretrainedTextDenoiser(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Token numbers (B, L) -> logits of the positions that are asked for (N, vocabulary), as `diffusion.masked` has it.

    `base` is the model's own configuration and `head` the class of transformers that builds it; `special` are its pad,
    mask and end; `own` tokens stand beside it; `pieces` are its tokenizer's tokens, of which those in `banned` are
    never written. `lora` are the arguments of `add_lora`, where it has such matrices. `language` is the model itself,
    where it was loaded already.
    """

    config_name = "config.json"
    ignore_for_config = ["language"]
    _supports_gradient_checkpointing = True

    @register_to_config
    def __init__(
        self,
        base: dict[str, Any],
        special: tuple[int, int, int] = (0, 1, 2),
        own: int = 0,
        pieces: int = 256,
        banned: tuple[int, ...] = (),
        segments: int = 1,
        classes: int = 0,
        values: int = 0,
        head: str = "AutoModelForMaskedLM",
        lora: dict[str, Any] | None = None,
        language: Any = None,
    ) -> None:
        super().__init__()
        self.language = build_language(base, head) if language is None else language
        first = cast(nn.Embedding, self.language.get_input_embeddings())
        self.added = OwnTokens(own, self.language) if own else None
        extend(self.language, self.added)
        self.language.base_model.register_forward_hook(choose_asked)
        width = first.embedding_dim
        self.segment = nn.Embedding(segments + 1, width)  # the first: always seen
        self.value = nn.Embedding(values + 1, width) if values else None  # the first: no number
        self.label = nn.Embedding(classes + 1, width) if classes else None  # the last: not told
        for embedding in (self.segment, self.value, self.label):
            if embedding is not None:
                nn.init.zeros_(embedding.weight)
        self.never = [FIRST + own + piece for piece in banned]
        self.first = first_place(self.language)
        if lora is not None:
            add_lora(self.language, **lora)

    def forward(
        self, x: torch.Tensor, sigma: torch.Tensor, condition: Condition, keep: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Rows where `keep` is False are not told their class. `sigma` is not looked at: what is hidden can be seen."""
        place, allowed, asked = (condition[name] for name in ("place", "allowed", "asked"))
        return self.read(x, condition, place, allowed, asked, self.tell(condition, keep))

    def tell(self, condition: Condition, keep: torch.Tensor | None) -> torch.Tensor | None:
        """The embedding of each row's class, (B, 1, width)."""
        if self.label is None:
            return None
        label = condition["label"]
        if keep is not None:
            label = torch.where(keep, label, self.label.num_embeddings - 1)
        told: torch.Tensor = self.label(label)[:, None]
        return told

    def read(
        self, x: torch.Tensor, condition: Condition, place: torch.Tensor, allowed: torch.Tensor, asked: torch.Tensor,
        told: torch.Tensor | None,
    ) -> torch.Tensor:  # fmt: skip
        """Logits (N, vocabulary) of the positions `asked` (bool (B, L)), which stand at `place` (B, L) of their rows
        and look at those `allowed` (bool (B, L, L)); "segment" and "value" (B, L) are theirs."""
        h = self.embed(self.number(x)) + self.segment(condition["segment"] + 1)
        if self.value is not None and "value" in condition:
            h = h + self.value(condition["value"])
        h = h if told is None else h + told
        masks = mask_attention(allowed, place, self.language.config)
        before = ASKED.set(asked)
        try:
            found = self.language(inputs_embeds=h, attention_mask=masks, position_ids=place + self.first)
        finally:
            ASKED.reset(before)
        scores, size = found.logits[0], self.size
        parts = (scores[:, list(self.config.special)], scores[:, size:], scores[:, : self.config.pieces])
        logits = torch.cat(parts, 1)
        logits[:, self.never] = -torch.inf
        return logits

    @property
    def size(self) -> int:
        """The tokens of the model itself; ours stand behind them."""
        return cast(nn.Embedding, self.language.get_input_embeddings()).num_embeddings

    def number(self, x: torch.Tensor) -> torch.Tensor:
        """What the model calls our tokens."""
        first_piece = FIRST + self.config.own
        special = torch.tensor(self.config.special, device=x.device)[x.clamp(max=FIRST - 1)]
        return torch.where(x < FIRST, special, torch.where(x < first_piece, x - FIRST + self.size, x - first_piece))

    def embed(self, numbers: torch.Tensor) -> torch.Tensor:
        """What the tokens of those numbers of the model are."""
        first, size = self.language.get_input_embeddings(), self.size
        found: torch.Tensor = first(numbers.clamp(max=size - 1))
        if self.added is None:
            return found
        return torch.where((numbers >= size)[..., None], self.added.enter((numbers - size).clamp(min=0)), found)

    def enable_gradient_checkpointing(self, gradient_checkpointing_func: Any = None) -> None:
        """The model's layers are computed again in the backward pass. A ValueError if it cannot do that."""
        self.language.gradient_checkpointing_enable({"use_reentrant": False})

    def start(self, condition: Condition, keep: torch.Tensor | None = None) -> RereadingReader:
        """A reader of rows of that condition, block by block (`diffusion.masked`)."""
        return RereadingReader(self, condition, self.tell(condition, keep))

    def _apply(self, fn: Any, recurse: bool = True) -> PretrainedTextDenoiser:
        """Buffers, such as the frequencies of rotary positions, keep their precision: rounded to bfloat16 they would
        be off by whole positions."""
        precise = {name: buffer for name, buffer in self.named_buffers() if buffer.dtype == torch.float32}
        super()._apply(fn, recurse)
        for name, buffer in precise.items():
            module, _, leaf = name.rpartition(".")
            now = self.get_submodule(module)._buffers
            now[leaf] = buffer.to(now[leaf].device)  # type: ignore[union-attr]
        return self


class RereadingReader:
    """Keeps the tokens that it was told, and shows all of them to the model at every look."""

    def __init__(self, net: PretrainedTextDenoiser, condition: Condition, told: torch.Tensor | None) -> None:
        self.net, self.told = net, told
        self.place: Condition = {n: values for n, values in condition.items() if n in ("segment", "value")}
        self.count = torch.zeros_like(condition["segment"][:, :1])  # tokens that are kept
        self.kept = [self.count[:, :0]] * 3  # place, token and block of each, without gaps

    def keep(self, place: torch.Tensor, x: torch.Tensor, there: torch.Tensor, block: torch.Tensor) -> None:
        """Tokens x at places of the rows, (B, R), of which those count that are `there`; each looks at those of no
        higher `block` (B, R)."""
        self.kept = self._with((place, x, block), there)
        self.count = self.count + there.sum(1, keepdim=True)

    def look(self, place: torch.Tensor, x: torch.Tensor, there: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
        """Logits (N, vocabulary) of the `asked` positions, given what was kept."""
        places, tokens, block = self._with((place, x, torch.full_like(x, LAST)), there)
        order = torch.arange(tokens.shape[1], device=x.device).expand_as(tokens)
        theirs = order < self.count + there.sum(1, keepdim=True)
        allowed = theirs[:, None] & (block[:, None, :] <= block[:, :, None])
        allowed |= torch.eye(tokens.shape[1], dtype=torch.bool, device=x.device)
        condition = {name: values.gather(1, places) for name, values in self.place.items()}
        wanted = torch.zeros_like(theirs)
        row, column = asked.nonzero(as_tuple=True)
        wanted[row, (self.count + there.cumsum(1) - 1)[row, column]] = True
        return self.net.read(tokens, condition, order, allowed, wanted, self.told)

    def select(self, rows: torch.Tensor) -> None:
        """Goes on with these rows."""
        self.told = None if self.told is None else self.told[rows]
        self.place = {name: values[rows] for name, values in self.place.items()}
        self.count, self.kept = self.count[rows], [values[rows] for values in self.kept]

    def _with(self, new: tuple[torch.Tensor, ...], there: torch.Tensor) -> list[torch.Tensor]:
        row, column = there.nonzero(as_tuple=True)
        position = (self.count + there.cumsum(1) - 1)[row, column]
        end = int((self.count + there.sum(1, keepdim=True)).max())
        found = []
        for old, values in zip(self.kept, new, strict=True):
            both = F.pad(old, (0, end - old.shape[1]))
            both[row, position] = values[row, column]
            found.append(both)
        return found


def first_place(model: PreTrainedModel) -> int:
    """Where rows begin: of learnt places some models keep the first ones for other ends (RoBERTa)."""
    learnt = getattr(getattr(model.base_model, "embeddings", None), "position_embeddings", None)
    padding = getattr(learnt, "padding_idx", None)
    return 0 if padding is None else int(padding) + 1


def choose_asked(module: nn.Module, given: Any, output: Any) -> Any:
    """Behind the last block: only what is asked for goes through the last layers, whatever a model calls them."""
    output.last_hidden_state = output.last_hidden_state[ASKED.get()][None]
    return output


def mask_attention(allowed: torch.Tensor, place: torch.Tensor, config: Any) -> Any:
    """`allowed` (bool (B, L, L)) for every head, as models take it that have one mask; those that look at near
    places alone in some layers (ModernBERT) get one for each kind."""
    full = allowed[:, None]
    if "sliding_attention" not in (getattr(config, "layer_types", None) or ()):
        return full
    near = (place[:, None, :] - place[:, :, None]).abs() <= config.sliding_window
    itself = torch.eye(place.shape[1], dtype=torch.bool, device=place.device)
    return {"full_attention": full, "sliding_attention": (allowed & near | itself)[:, None]}


class OwnTokens(nn.Module):
    """Tokens beside those of a model: what they are and, where its last layer is not its first one, how they are
    scored. They start out like its own, at random."""

    def __init__(self, count: int, model: PreTrainedModel) -> None:
        super().__init__()
        first, last = cast(nn.Embedding, model.get_input_embeddings()), cast(nn.Linear, model.get_output_embeddings())
        self.enter = nn.Embedding(count, first.embedding_dim)
        tied = model.config.tie_word_embeddings
        self.leave = None if tied else nn.Linear(last.weight.shape[1], count, bias=False)
        self.bias = None if last.bias is None else nn.Parameter(last.bias.detach().mean().repeat(count))
        for layer, like in ((self.enter, first), (self.leave, last)):
            if layer is not None:
                spread, middle = torch.std_mean(like.weight.detach().float(), 0)
                layer.weight.data = middle + spread * torch.randn(layer.weight.shape, device=middle.device)

    def score(self, h: torch.Tensor) -> torch.Tensor:
        return F.linear(h, (self.leave or self.enter).weight, self.bias)


class Readout(nn.Module):
    """The last layer of a model, and behind it the scores of our own tokens. One that is its first layer too is not
    stored twice."""

    def __init__(self, first: nn.Embedding, last: nn.Linear, tied: bool, own: OwnTokens | None) -> None:
        super().__init__()
        self.beside = (first, own)  # in a tuple: no submodules
        self.layer = None if tied else last
        self.bias = None if not tied or last.bias is None else nn.Parameter(last.bias.detach().clone())

    @property
    def weight(self) -> torch.Tensor:
        return (self.layer or self.beside[0]).weight

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        own = self.beside[1]
        found: torch.Tensor = F.linear(h, self.weight, self.bias) if self.layer is None else self.layer(h)
        return found if own is None else torch.cat([found, own.score(h)], -1)


def build_language(base: dict[str, Any], head: str) -> PreTrainedModel:
    """A model of that configuration, with weights at random, built by that class of transformers."""
    model: PreTrainedModel = getattr(transformers, head).from_config(
        AutoConfig.for_model(**base), attn_implementation="sdpa"
    )
    return model


def extend(model: PreTrainedModel, own: OwnTokens | None) -> None:
    """Gives a model a last layer that also scores our own tokens; a bias with two names keeps one."""
    first, last = cast(nn.Embedding, model.get_input_embeddings()), cast(nn.Linear, model.get_output_embeddings())
    model.set_output_embeddings(Readout(first, last, model.config.tie_word_embeddings, own))
    for name, other in dict(model._tied_weights_keys or {}).items():
        if name.endswith("bias"):
            module, _, leaf = other.rpartition(".")
            model.get_submodule(module)._parameters[leaf] = None
