"""Low-rank matrices beside the layers of a net (Hu et al. 2021, "LoRA", arXiv:2106.09685), by the library peft.

The layers themselves are frozen. The second matrix starts at zero, so a net says at first what it said before.

    add_lora(net, rank=16, alpha=16, targets=("to_q", "to_k", "to_v", "to_out.0"))
    add_lora(net, rank=16, alpha=16, targets=find_attention(net))
    merge_lora(net)     # for sampling: the layers with what was learnt, at their own price
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Any

from torch import nn

from ..errors import UserError

LAYERS = (nn.Linear, nn.Conv2d, nn.Conv1d)
ATTENTION = ("attn", "attention")
MATRICES = "lora_"  # what the names of peft's parameters have in them


def add_lora(net: nn.Module, rank: int, alpha: float, targets: tuple[str, ...]) -> None:
    """Freeze `net` and put trainable matrices beside the layers whose names end with one of `targets`. A UserError if
    there is none, which names those that there are."""
    require_peft()
    from peft import LoraConfig, inject_adapter_in_model

    named = find_layers(net, targets)
    if not named:
        raise UserError(
            f"model.targets: no layer of this base ends with {' or '.join(targets)}; those that there are end with "
            f"{', '.join(list_endings(net))}"
        )
    net.requires_grad_(False)
    chosen = "|".join(map(re.escape, named))
    config: Any = LoraConfig(r=rank, lora_alpha=alpha, target_modules=f"^({chosen})$", init_lora_weights=True)  # type: ignore[arg-type]
    inject_adapter_in_model(config, net)
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(MATRICES in name)


def find_layers(net: nn.Module, targets: tuple[str, ...]) -> list[str]:
    """Names of the layers that end with one of `targets`, whole words of their names."""
    return [
        name
        for name, module in net.named_modules()
        if isinstance(module, LAYERS) and any(f".{name}".endswith(f".{target}") for target in targets)
    ]


def find_attention(net: nn.Module) -> tuple[str, ...]:
    """Ends of the names of the linear layers inside attention, from the word that says so on: "attn.Wqkv",
    "attention.self.query". Libraries call them differently, but say in the name of what holds them what it is."""
    found = set()
    for name, module in net.named_modules():
        words = name.split(".")
        holders = [at for at, word in enumerate(words[:-1]) if any(part in word.lower() for part in ATTENTION)]
        if isinstance(module, nn.Linear) and holders:
            found.add(".".join(words[holders[0] :]))
    return tuple(sorted(found))


def list_endings(net: nn.Module) -> list[str]:
    """The last words of the names of all layers, numbers left out."""
    words = (name.split(".") for name, module in net.named_modules() if isinstance(module, LAYERS))
    return sorted({next((word for word in reversed(parts) if not word.isdigit()), parts[-1]) for parts in words})


def merge_lora(net: nn.Module) -> None:
    """Add the matrices to their layers, for good."""
    if not any(MATRICES in name for name, _ in net.named_parameters()):
        return
    from peft.tuners.tuners_utils import BaseTunerLayer

    for module in net.modules():
        if isinstance(module, BaseTunerLayer):
            module.merge()


def require_peft() -> None:
    """A UserError where peft is not installed."""
    if find_spec("peft") is None:
        raise UserError(
            "model.adapt: lora needs the package peft, which is not installed; run: pip install 'synthgen[bases]', or "
            "set model.adapt to full"
        )
