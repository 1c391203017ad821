"""Tiny checkpoints in the formats of the Hub, written by transformers' and diffusers' own classes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from diffusers import BlockRefinementScheduler
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

WORDS = ["March April May is no holiday", "am März 2024", "two of them", "Königreich 1,234.50 €"]
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


@dataclass(frozen=True)
class Family:
    model: Any  # the class for masked language modelling
    special: tuple[str, str, str]  # pad, mask, end
    options: dict[str, Any] = field(default_factory=dict)


FAMILIES = {
    "modernbert": Family(
        transformers.ModernBertForMaskedLM, ("[PAD]", "[MASK]", "[SEP]"),
        {"local_attention": 16, "global_attn_every_n_layers": 2},
    ),
    "bert": Family(transformers.BertForMaskedLM, ("[PAD]", "[MASK]", "[SEP]")),
    "eurobert": Family(transformers.EuroBertForMaskedLM, ("<pad>", "<mask>", "</s>"), {"num_key_value_heads": 2}),
    "xlm-roberta": Family(transformers.XLMRobertaForMaskedLM, ("<pad>", "<mask>", "</s>")),
}  # fmt: skip

CAUSAL = {"llama": Family(transformers.LlamaForCausalLM, ("<pad>", "<mask>", "</s>"), {"num_key_value_heads": 2})}
ALL = {**FAMILIES, **CAUSAL}


def write_base(family: str, folder: Path, lowercase: bool = False, longest: int = 64) -> Path:
    """A masked language model of random weights and a byte-level tokenizer, as `save_pretrained` writes them."""
    chosen = ALL[family]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Lowercase() if lowercase else None
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=list(chosen.special), initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(WORDS, trainer)
    pad, mask, end = chosen.special
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=pad, mask_token=mask, sep_token=end
    ).save_pretrained(folder)
    config = chosen.model.config_class(
        vocab_size=tokenizer.get_vocab_size() + 5, max_position_embeddings=longest, pad_token_id=0, bos_token_id=None,
        eos_token_id=2, cls_token_id=None, sep_token_id=2, **{**SIZES, **chosen.options},
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = chosen.model(config)
        for parameter in model.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)
    return folder


def write_refiner(family: str, folder: Path, block: int = 8, longest: int = 64) -> Path:
    """A LLaDA2Pipeline of diffusers, part by part: it cannot be read again as it saves itself, since its tokenizer may
    be left out."""
    base = write_base(family, folder / "model", longest=longest)
    (folder / "tokenizer").mkdir()
    for path in base.glob("*token*"):
        path.rename(folder / "tokenizer" / path.name)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "tokenizer")
    tokenizer.eos_token = ALL[family].special[2]
    tokenizer.save_pretrained(folder / "tokenizer")
    BlockRefinementScheduler(block_length=block).save_pretrained(folder / "scheduler")
    index = {
        "_class_name": "LLaDA2Pipeline",
        "_diffusers_version": "0.42.1",
        "model": ["transformers", ALL[family].model.__name__],
        "scheduler": ["diffusers", "BlockRefinementScheduler"],
        "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
    }
    (folder / "model_index.json").write_text(json.dumps(index, indent=1))
    return folder
