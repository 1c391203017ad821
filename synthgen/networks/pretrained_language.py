"""A pretrained masked language model as the denoiser of texts: any `AutoModelForMaskedLM` of transformers.

Its tokens are the pieces, and slots and marks are tokens added to it. A row's class, the text that a position is of and
the numbers of slots are added to the embeddings, as zeros at first, so that training starts from what the model knows.
It keeps no keys of what it has read: a reader hands it the row anew at every look. Knows nothing of tasks.

    pieces = read_pieces("answerdotai/ModernBERT-base", None)     # a Tokenizer, for the vocabulary
    net = load_language_model("answerdotai/ModernBERT-base", None, vocabulary, segments=2, length=64, classes=20)
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from tokenizers import Tokenizer
from torch import nn
from transformers import AutoConfig, AutoModelForMaskedLM, AutoTokenizer, PreTrainedModel
from transformers.utils import logging

from ..errors import UserError
from ..types import Condition
from ..vocabulary import END, FIRST, MASK, PAD, Vocabulary

LAST = 1 << 40  # a block behind all others
ROUNDING = 1e-4  # of the largest number, between two rows that ought to be equal
ASKED: ContextVar[torch.Tensor] = ContextVar("asked")  # positions (B, L) whose logits this thread wants


class PretrainedTextDenoiser(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Token numbers (B, L) -> logits of the positions that are asked for (N, vocabulary), as `diffusion.masked` has it.

    `base` is the model's own configuration, enlarged by `own` tokens; `special` are its pad, mask and end; `pieces` its
    tokenizer's tokens, of which those in `banned` are never written.
    """

    config_name = "config.json"

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
    ) -> None:
        super().__init__()
        config = AutoConfig.for_model(**base)
        self.language = AutoModelForMaskedLM.from_config(config, attn_implementation="sdpa")
        untie(self.language)
        self.language.base_model.register_forward_hook(choose_asked)
        width = self.language.get_input_embeddings().embedding_dim
        self.segment = nn.Embedding(segments + 1, width)  # the first: always seen
        self.value = nn.Embedding(values + 1, width) if values else None  # the first: no number
        self.label = nn.Embedding(classes + 1, width) if classes else None  # the last: not told
        for embedding in (self.segment, self.value, self.label):
            if embedding is not None:
                nn.init.zeros_(embedding.weight)
        added = config.vocab_size - own
        self.numbers = [*special, *range(added, added + own), *range(pieces)]  # of the model, for each of our tokens
        self.never = [FIRST + own + piece for piece in banned]
        self.first = first_place(self.language)

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
        numbers = torch.tensor(self.numbers, device=x.device)
        h = self.language.get_input_embeddings()(numbers[x]) + self.segment(condition["segment"] + 1)
        if self.value is not None and "value" in condition:
            h = h + self.value(condition["value"])
        h = h if told is None else h + told
        masks = mask_attention(allowed, place, self.language.config)
        before = ASKED.set(asked)
        try:
            found = self.language(inputs_embeds=h, attention_mask=masks, position_ids=place + self.first)
        finally:
            ASKED.reset(before)
        logits: torch.Tensor = found.logits[0][:, numbers]
        logits[:, self.never] = -torch.inf
        return logits

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


class Readout(nn.Module):
    """The last layer of a model that is its first one too: nothing is stored twice."""

    def __init__(self, embedding: nn.Embedding, bias: torch.Tensor | None) -> None:
        super().__init__()
        self.embedding = (embedding,)  # in a tuple: no submodule
        self.bias = None if bias is None else nn.Parameter(bias.detach().clone())

    @property
    def weight(self) -> torch.Tensor:
        return self.embedding[0].weight

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        return F.linear(h, self.weight, self.bias)


def untie(model: PreTrainedModel) -> None:
    """A last layer that is the first one too is put in terms of it, and a bias with two names keeps one."""
    if not model.config.tie_word_embeddings:
        return
    last = model.get_output_embeddings()
    model.set_output_embeddings(Readout(cast(nn.Embedding, model.get_input_embeddings()), last.bias))
    for name, other in dict(model._tied_weights_keys or {}).items():
        if name.endswith("bias"):
            module, _, leaf = other.rpartition(".")
            model.get_submodule(module)._parameters[leaf] = None


def read_pieces(base: str, revision: str | None) -> Tokenizer:
    """The tokenizer of a checkpoint; what looks like one of its special tokens in a text is text."""
    tokenizer = _load(AutoTokenizer, base, revision)
    if not getattr(tokenizer, "is_fast", False):
        raise UserError(f"model.base: {base} has no tokenizer.json; choose a base with a fast tokenizer")
    copy = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    copy.encode_special_tokens = True
    copy.no_padding()
    copy.no_truncation()
    return copy


def load_language_model(
    base: str, revision: str | None, vocabulary: Vocabulary, *, segments: int, length: int, classes: int = 0,
    values: int = 0,
) -> PretrainedTextDenoiser:  # fmt: skip
    """The model of a checkpoint, with tokens of our own, for rows of at most `length` tokens. UserErrors name
    model.base."""
    tokenizer = _load(AutoTokenizer, base, revision)
    language = _load(AutoModelForMaskedLM, base, revision, attn_implementation="sdpa", dtype=torch.float32)
    end = next((i for i in (tokenizer.sep_token_id, tokenizer.eos_token_id) if i is not None), None)
    special = {"pad": tokenizer.pad_token_id, "mask": tokenizer.mask_token_id, "sep or eos": end}
    for name, number in special.items():
        if number is None:
            raise UserError(f"model.base: the tokenizer of {base} has no {name} token; choose a masked language model")
    if tokenizer.vocab_size > language.get_input_embeddings().num_embeddings:
        raise UserError(
            f"model.base: the tokenizer of {base} knows more tokens than its model; name a whole checkpoint"
        )
    longest = getattr(language.config, "max_position_embeddings", length) - first_place(language)
    if longest < length:
        raise UserError(
            f"model.base: {base} reads {longest} tokens and rows here have up to {length}; choose a longer base, or "
            "shorter rows"
        )
    own = vocabulary.first_piece - FIRST
    with _quiet():
        language.resize_token_embeddings(language.get_input_embeddings().num_embeddings + own)
    described = json.loads(language.config.to_json_string(use_diff=False))
    described.pop("dtype", None)
    net = PretrainedTextDenoiser(
        base=described, special=tuple(special.values()), own=own, pieces=vocabulary.tokenizer.get_vocab_size(),
        banned=tuple(sorted(set(tokenizer.all_special_ids))), segments=segments, classes=classes, values=values,
    )  # fmt: skip
    untie(language)
    net.language.load_state_dict(language.state_dict())
    _refuse_unmasked(net, base)
    return net


@torch.no_grad()
def _refuse_unmasked(net: PretrainedTextDenoiser, base: str) -> None:
    """A UserError for a model that looks at what is not allowed, or cannot be told where tokens stand."""
    takes = inspect.signature(net.language.forward).parameters
    if not {"position_ids", "inputs_embeds", "attention_mask"} <= set(takes):
        raise UserError(f"model.base: {base} cannot be told where tokens stand; choose one such as ModernBERT or BERT")
    x = torch.tensor([[PAD, END, MASK], [PAD, PAD, MASK]])
    allowed = torch.eye(3, dtype=torch.bool).expand(2, -1, -1)
    place, none = torch.arange(3).expand_as(x), torch.zeros_like(x)
    net.eval()
    one, other = net.read(x, {"segment": none}, place, allowed, x == MASK, None)
    net.train()
    # the same up to rounding, which a row's place in memory may change
    if not torch.allclose(one, other, rtol=0, atol=ROUNDING * float(one.abs().max())):
        raise UserError(f"model.base: {base} looks at tokens it may not see; choose one such as ModernBERT or BERT")


def _load(cls: Any, base: str, revision: str | None, **more: Any) -> Any:
    if not base.strip():
        raise UserError("model.base: '' is no checkpoint; name a folder or a Hub id, or write null")
    if len(Path(base).parts) > 2 and not Path(base).is_dir():
        raise UserError(
            f"model.base: there is no folder {base}; name one, or a Hub id such as answerdotai/ModernBERT-base"
        )
    if Path(base).is_dir() and not (Path(base) / "config.json").is_file():
        raise UserError(
            f"model.base: {base} has no config.json; name a folder that transformers' save_pretrained wrote"
        )
    if cls is AutoModelForMaskedLM:
        more["use_safetensors"] = True
    try:
        with _quiet():
            return cls.from_pretrained(base, revision=revision, trust_remote_code=False, **more)
    except (OSError, ValueError, KeyError) as error:
        first = str(error).strip().splitlines()[0]
        raise UserError(
            f"model.base: {base} could not be loaded as a masked language model of transformers ({first}); name a "
            "folder or a Hub id that has config.json, tokenizer.json and safetensors"
        ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the bars and notes of transformers, which would tear our own."""
    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
