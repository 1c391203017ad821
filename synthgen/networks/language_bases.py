"""What a checkpoint of a language model says of itself, read from its small files before any weights.

A folder or a Hub id in one of two formats: transformers' own (any masked language model), or that of diffusers'
LLaDA2Pipeline (a model, a tokenizer and a block refinement scheduler). Code that comes with a checkpoint is never run,
and pickles are never read. Knows nothing of tasks, nor of our network.

    base = examine_base("answerdotai/ModernBERT-base", revision="8949b909ec900327062f0ebf497f51aef5e6f0c8")
    tokenizer = base.load_tokenizer()
    model = base.load_model()
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, MODEL_FOR_MASKED_LM_MAPPING_NAMES

from ..errors import UserError
from .quiet import quiet

EXAMPLE = "answerdotai/ModernBERT-base"
PIPELINE, OWN = "LLaDA2Pipeline", "BlockPipeline"
MASKED, CAUSAL = "AutoModelForMaskedLM", "AutoModelForCausalLM"
HEADS = ("MaskedLM", "PreTraining", "LMHead")  # classes of models that score hidden tokens
PATIENCE = 10.0  # seconds for the Hub to answer


@dataclass(frozen=True)
class LanguageBase:
    """Where the parts of a checkpoint are, and what kind they are of."""

    name: str  # a folder or a Hub id
    revision: str | None
    head: str  # the class of transformers that builds the model
    config: dict[str, Any]  # of the model
    model: str = ""  # the folders inside
    tokenizer: str = ""
    block: int | None = None  # tokens that a pipeline refines together

    def load_tokenizer(self) -> Any:
        """The tokenizer, with "pad", "mask" and "end" tokens."""
        # told the model's configuration, transformers looks for none in the tokenizer's folder
        tokenizer = self._load(AutoTokenizer, self.tokenizer, config=self.load_config())
        if not getattr(tokenizer, "is_fast", False):
            raise UserError(f"model.base: {self.name} has no tokenizer.json; choose a base with a fast tokenizer")
        for token, number in self.special(tokenizer).items():
            if number is None:
                raise UserError(
                    f"model.base: the tokenizer of {self.name} has no {token} token; choose a masked language model "
                    f"such as {EXAMPLE}"
                )
        return tokenizer

    def special(self, tokenizer: Any) -> dict[str, int | None]:
        """Numbers of the tokens for what is empty, hidden, and the end of a text."""
        ends = [tokenizer.sep_token_id, tokenizer.eos_token_id]
        end = next((i for i in (ends if self.block is None else ends[::-1]) if i is not None), None)
        return {"pad": tokenizer.pad_token_id, "mask": tokenizer.mask_token_id, "sep or eos": end}

    def load_config(self) -> Any:
        """The model's configuration, without dropout: what chance decides has to follow from the recipe's seed."""
        config = self._load(AutoConfig, self.model)
        for name, value in config.to_dict().items():
            if "drop" in name and isinstance(value, float):
                setattr(config, name, 0.0)
        if getattr(config, "use_cache", False):
            config.use_cache = False
        return config

    def sketch_model(self, config: Any) -> PreTrainedModel:
        """The model without memory for its weights."""
        with torch.device("meta"), quiet():
            built: PreTrainedModel = getattr(transformers, self.head).from_config(config, attn_implementation="sdpa")
        return built

    def load_model(self, config: Any) -> PreTrainedModel:
        """The model in float32. A UserError if the checkpoint lacks some of its weights."""
        model, told = self._load(
            getattr(transformers, self.head), self.model, config=config, attn_implementation="sdpa",
            dtype=torch.float32, use_safetensors=True, output_loading_info=True,
        )  # fmt: skip
        if told["missing_keys"]:
            raise UserError(
                f"model.base: {self.name} has no weights for {sorted(told['missing_keys'])[0]} of a masked language "
                f"model; choose one that was trained as such, such as {EXAMPLE}"
            )
        found: PreTrainedModel = model
        return found

    def _load(self, cls: Any, folder: str, **more: Any) -> Any:
        try:
            with quiet():
                return cls.from_pretrained(
                    self.name, revision=self.revision, subfolder=folder, trust_remote_code=False, **more
                )
        except (OSError, ValueError, KeyError) as error:
            first = str(error).strip().splitlines()[0]
            raise UserError(
                f"model.base: {self.name} could not be loaded as a masked language model of transformers ({first}); "
                "name a folder or a Hub id that has config.json, tokenizer.json and safetensors"
            ) from None


def examine_base(name: str, revision: str | None) -> LanguageBase:
    """What a base is, by its small files alone. UserErrors name model.base."""
    if not name.strip():
        raise UserError("model.base: '' is no checkpoint; name a folder or a Hub id, or write null")
    if len(Path(name).parts) > 2 and not Path(name).is_dir():
        raise UserError(f"model.base: there is no folder {name}; name one, or a Hub id such as {EXAMPLE}")
    index = read_json(name, revision, "model_index.json")
    base = _examine_model(name, revision) if index is None else _examine_pipeline(name, revision, index)
    _refuse_pickles(base)
    return base


def _examine_model(name: str, revision: str | None) -> LanguageBase:
    config = read_json(name, revision, "config.json")
    if config is None:
        raise UserError(
            f"model.base: {name} has no config.json; name a folder that transformers' save_pretrained wrote, or a Hub "
            f"id such as {EXAMPLE}"
        )
    kind, classes = _kind_of(name, config), config.get("architectures") or []
    if kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        if classes and not any(head in cls for cls in classes for head in HEADS):
            raise UserError(
                f"model.base: {name} is a {classes[0]}, which scores no hidden tokens; choose a masked language model "
                f"such as {EXAMPLE}"
            )
        return LanguageBase(name, revision, MASKED, config)
    if kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise UserError(
            f"model.base: {name} is a {kind}, which writes from left to right and has no hidden tokens; choose a "
            f"masked language model such as {EXAMPLE}"
        )
    raise UserError(f"model.base: {name} is a {kind}, which is no language model; choose one such as {EXAMPLE}")


def _examine_pipeline(name: str, revision: str | None, index: dict[str, Any]) -> LanguageBase:
    named = index.get("_class_name")
    cls = named[-1] if isinstance(named, list) and named else str(named)
    if cls == OWN:
        raise UserError(
            f"model.base: {name} is the model of an earlier run, and texts start from language models; name one such "
            f"as {EXAMPLE}, or null"
        )
    if cls != PIPELINE:
        raise UserError(
            f"model.base: {name} is a {cls}, which writes no texts; choose a masked language model such as {EXAMPLE}, "
            f"or a {PIPELINE}"
        )
    config = read_json(name, revision, "model/config.json")
    if config is None:
        raise UserError(f"model.base: {name} has no model/config.json; name a whole {PIPELINE}")
    kind = _kind_of(name, config)
    heads = {MASKED: MODEL_FOR_MASKED_LM_MAPPING_NAMES, CAUSAL: MODEL_FOR_CAUSAL_LM_MAPPING_NAMES}
    head = next((head for head, kinds in heads.items() if kind in kinds), None)
    if head is None:
        raise UserError(f"model.base: the model of {name} is a {kind}, which is no language model of transformers")
    scheduler = read_json(name, revision, "scheduler/scheduler_config.json") or {}
    return LanguageBase(name, revision, head, config, "model", "tokenizer", int(scheduler.get("block_length", 32)))


def _kind_of(name: str, config: dict[str, Any]) -> str:
    """The model's type. A UserError for one that only code of its own can build."""
    kind = str(config.get("model_type") or config.get("_class_name") or "")
    if not kind:
        raise UserError(
            f"model.base: config.json of {name} names no model of transformers; name a folder that its save_pretrained "
            f"wrote, or a Hub id such as {EXAMPLE}"
        )
    known = kind in transformers.CONFIG_MAPPING
    if not known and "auto_map" in config:
        raise UserError(
            f"model.base: {name} needs code of its own ({kind}; auto_map in config.json), which is never run; choose a "
            f"model that transformers knows by itself, such as {EXAMPLE}"
        )
    return kind


def _refuse_pickles(base: LanguageBase) -> None:
    files = list_files(base.name, base.revision)
    if files is None:
        return  # the Hub does not say; what is loaded is safetensors, or nothing
    own = [file for file in files if file.rpartition("/")[0] == base.model]
    if not any(file.endswith(".safetensors") for file in own):
        pickle = next((file for file in own if file.endswith((".bin", ".pt", ".pth", ".ckpt"))), None)
        what = f"its weights only as {pickle}, a pickle, which may run code" if pickle else "no safetensors"
        raise UserError(
            f"model.base: {base.name} has {what}; choose another revision, or write its weights anew with "
            "transformers' save_pretrained and name that folder"
        )


def read_json(name: str, revision: str | None, file: str) -> dict[str, Any] | None:
    """A small file of a checkpoint; None where it has none. From the Hub only that file is fetched."""
    path = Path(name) / file
    if not Path(name).is_dir():
        try:
            path = Path(hf_hub_download(name, file, revision=revision, etag_timeout=PATIENCE))
        except EntryNotFoundError:
            return None
        except (OSError, ValueError, HfHubHTTPError) as error:
            first = str(error).strip().splitlines()[0]
            raise UserError(
                f"model.base: {name} is no folder here and could not be read from the Hub ({first}); check its name "
                "and model.revision, or name a folder"
            ) from None
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UserError(f"model.base: {file} of {name} is no JSON object; name a whole checkpoint")
    return found


def list_files(name: str, revision: str | None) -> list[str] | None:
    """The files of a checkpoint; None where the Hub does not say."""
    folder = Path(name)
    if folder.is_dir():
        return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    try:
        return [one.rfilename for one in HfApi().model_info(name, revision=revision, timeout=PATIENCE).siblings or ()]
    except (OSError, ValueError, HfHubHTTPError):
        return None
