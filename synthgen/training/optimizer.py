"""Optimisers by name.

optimizers = build_optimizers(net, options)
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

import torch
from torch import nn

from ..errors import UserError
from ..networks.lora import MATRICES
from ..networks.muon import Muon
from .options import TrainOptions


def build_optimizers(net: nn.Module, options: TrainOptions) -> list[torch.optim.Optimizer]:
    """Muon for hidden matrices and kernels, AdamW for embeddings, norms, biases and the outermost layers; or all AdamW.

    With adamw8bit its state takes a byte a number (Dettmers et al. 2022, arXiv:2110.02861).

    The first and the last layer stay with AdamW, as Muon's authors advise: their rows and columns have meanings. So do
    the thin matrices of LoRA: only the product of two of them is a matrix that a layer multiplies by.
    """
    named = [(name, p) for name, p in net.named_parameters() if p.requires_grad]
    looked_up = {id(module.weight) for module in net.modules() if isinstance(module, nn.Embedding)}
    outermost = ("enter.", "leave.", "label.", "embedding", "position", MATRICES)
    hidden = [
        p for name, p in named if p.ndim >= 2 and min(p.shape[0], p.numel() // p.shape[0]) > 1
        and id(p) not in looked_up and not any(word in name for word in outermost)
    ]  # fmt: skip
    if options.optimizer != "muon":
        hidden = []
    chosen = {id(p) for p in hidden}
    rest = [p for _, p in named if id(p) not in chosen]
    rate, decay = options.learning_rate, options.weight_decay
    adamw = torch.optim.AdamW
    if options.optimizer == "adamw8bit":
        require_optimizer(options)
        adamw = import_module("bitsandbytes.optim").AdamW8bit
    optimizers: list[torch.optim.Optimizer] = []
    if rest:
        optimizers.append(adamw(rest, lr=rate, weight_decay=decay, betas=(0.9, 0.99)))
    if hidden:
        optimizers.append(Muon(hidden, lr=rate, weight_decay=decay, scale="adamw"))
    return optimizers


def require_optimizer(options: TrainOptions) -> None:
    """A UserError where the optimiser cannot run here; to be asked before anything is loaded."""
    if options.optimizer != "adamw8bit":
        return
    if not torch.cuda.is_available():
        raise UserError("train.optimizer: adamw8bit needs an NVIDIA GPU, and there is none here; set it to adamw")
    if find_spec("bitsandbytes") is None:
        raise UserError(
            "train.optimizer: adamw8bit needs the package bitsandbytes, which is not installed; run: pip install "
            "bitsandbytes, or set it to adamw"
        )


def learning_rate_at(progress: float, options: TrainOptions) -> float:
    """The share of the peak learning rate at `progress` in [0, 1]: up, level, down (Hägele et al. 2024)."""
    up = 1.0 if options.warmup == 0 else min(1.0, progress / options.warmup + 1e-3)
    down = 1.0 if options.decay == 0 else min(1.0, (1 - progress) / options.decay)
    return max(0.0, min(up, down))
