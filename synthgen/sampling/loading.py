"""The denoiser of a saved pipeline, without the pipeline, which takes long to import.

net = load_denoiser(Path("runs/digits/model"))
"""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

from diffusers import ModelMixin

from ..networks.lora import merge_lora


def load_denoiser(folder: Path) -> ModelMixin:
    """The denoiser of a saved pipeline, in float32, with what LoRA learnt added to its layers; never reads pickles."""
    module, name = json.loads((folder / "model_index.json").read_text())["denoiser"]
    cls = getattr(import_module(module), name)
    assert issubclass(cls, ModelMixin)
    net: ModelMixin = cls.from_pretrained(str(folder / "denoiser"), use_safetensors=True)
    for parameter in net.parameters():
        # the file's memory map aligns tensors differently, which changes the last bits of some products
        parameter.data = parameter.data.clone()
    merge_lora(net)
    return net
