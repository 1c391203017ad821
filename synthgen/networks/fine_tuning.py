"""From a checkpoint of a language model to a denoiser that is trained as a recipe says: whole, or little beside it.

pieces = read_pieces("answerdotai/ModernBERT-base", None)     # a Tokenizer, for the vocabulary
net = load_language_model(options, vocabulary, segments=2, length=64, classes=20)
"""

from __future__ import annotations

import inspect
import json
from typing import Any, cast

import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import PreTrainedModel

from ..errors import UserError
from ..vocabulary import END, FIRST, MASK, PAD, Vocabulary
from .language_bases import EXAMPLE, LanguageBase, examine_base
from .lora import find_attention, find_layers, list_endings, require_peft
from .options import BaseOptions
from .pretrained_language import PretrainedTextDenoiser, first_place

ROUNDING = 1e-4  # of the largest number, between two rows that ought to be equal


def read_pieces(base: str, revision: str | None) -> Tokenizer:
    """The tokenizer of a checkpoint; what looks like one of its special tokens in a text is text."""
    tokenizer = examine_base(base, revision).load_tokenizer()
    copy = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    copy.encode_special_tokens = True
    copy.no_padding()
    copy.no_truncation()
    return copy


def examine_language(options: BaseOptions) -> None:
    """A UserError for a base that cannot serve, as far as its small files tell."""
    if options.base is not None:
        base = examine_base(options.base, options.revision)
        base.load_tokenizer()
        plan_lora(base.sketch_model(base.load_config()), options)


def load_language_model(
    options: BaseOptions, vocabulary: Vocabulary, *, segments: int, length: int, classes: int = 0, values: int = 0
) -> PretrainedTextDenoiser:
    """The model of `options.base`, with tokens of our own, for rows of at most `length` tokens; what `options.adapt`
    leaves out is frozen. UserErrors name model.base or model.targets, before the weights are read where they can."""
    assert options.base is not None
    base = examine_base(options.base, options.revision)
    tokenizer, config = base.load_tokenizer(), base.load_config()
    sketch = base.sketch_model(config)
    _refuse_misfits(sketch, tokenizer, base, length)
    lora = plan_lora(sketch, options)
    language = base.load_model(config)
    described = json.loads(language.config.to_json_string(use_diff=False))
    described.pop("dtype", None)
    net = PretrainedTextDenoiser(
        base=described, special=tuple(base.special(tokenizer).values()), own=vocabulary.first_piece - FIRST,
        pieces=vocabulary.tokenizer.get_vocab_size(), banned=tuple(sorted(set(tokenizer.all_special_ids))),
        segments=segments, classes=classes, values=values, head=base.head, lora=lora, language=language,
    )  # fmt: skip
    if options.adapt == "heads":
        net.language.requires_grad_(False)
    refuse_unmasked(net, options.base)
    return net


def plan_lora(model: PreTrainedModel, options: BaseOptions) -> dict[str, Any] | None:
    """The arguments of `add_lora` for a model, or None where it is not what is asked for."""
    if options.adapt not in (None, "lora"):
        return None
    require_peft()
    targets = options.targets or find_attention(model)
    if not find_layers(model, targets):
        wanted = f"ends with {' or '.join(targets)}" if targets else "stands in attention"
        raise UserError(
            f"model.targets: no layer of {options.base} {wanted}; name some of its own, which end with "
            f"{', '.join(list_endings(model))}"
        )
    return {"rank": options.rank, "alpha": float(options.alpha or options.rank), "targets": targets}


def _refuse_misfits(model: PreTrainedModel, tokenizer: Any, base: LanguageBase, length: int) -> None:
    if len(tokenizer) > cast(nn.Embedding, model.get_input_embeddings()).num_embeddings:
        raise UserError(
            f"model.base: the tokenizer of {base.name} knows more tokens than its model; name a whole checkpoint"
        )
    if not {"position_ids", "inputs_embeds", "attention_mask"} <= set(inspect.signature(model.forward).parameters):
        raise UserError(f"model.base: {base.name} cannot be told where tokens stand; choose one such as {EXAMPLE}")
    longest = getattr(model.config, "max_position_embeddings", length) - first_place(model)
    if longest < length:
        raise UserError(
            f"model.base: {base.name} reads {longest} tokens and rows here have up to {length}; choose a longer base, "
            "or shorter rows"
        )


@torch.no_grad()
def refuse_unmasked(net: PretrainedTextDenoiser, base: str) -> None:
    """A UserError for a model that looks at what is not allowed, or does not look at what is."""
    x = torch.tensor([[MASK, END, PAD], [MASK, PAD, PAD]])
    blind, open_ = torch.eye(3, dtype=torch.bool).expand(2, -1, -1), torch.ones(2, 3, 3, dtype=torch.bool)
    place, none = torch.arange(3).expand_as(x), torch.zeros_like(x)
    net.eval()
    (one, other), (here, there) = (
        net.read(x, {"segment": none}, place, allowed, x == MASK, None) for allowed in (blind, open_)
    )
    net.train()
    # the same up to rounding, which a row's place in memory may change
    if not torch.allclose(one, other, rtol=0, atol=ROUNDING * float(one[torch.isfinite(one)].abs().max())):
        raise UserError(f"model.base: {base} looks at tokens it may not see; choose one such as {EXAMPLE}")
    if torch.equal(here, there):
        raise UserError(f"model.base: {base} sees nothing of what stands behind; choose one such as {EXAMPLE}")
