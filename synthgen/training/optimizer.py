"""Optimisers by name.

optimizers = build_optimizers(net, options)
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from .options import TrainOptions


class KernelMuon(torch.optim.Muon):
    """torch's Muon (Jordan et al. 2024), fed with convolution kernels too, seen as matrices (out, in · height · width).

    torch's own takes matrices only. A kernel and its matrix share their memory, so the update lands in the kernel.
    """

    def __init__(self, parameters: list[nn.Parameter], **options: Any) -> None:
        self._kernels = list(parameters)
        matrices = [nn.Parameter(p.detach().view(p.shape[0], -1)) for p in parameters]
        super().__init__(matrices, **options)

    def step(self, closure: Any = None) -> Any:
        for kernel, matrix in zip(self._kernels, self.param_groups[0]["params"], strict=True):
            matrix.grad = None if kernel.grad is None else kernel.grad.reshape(matrix.shape)
        return super().step(closure)

    def zero_grad(self, set_to_none: bool = True) -> None:
        for kernel in self._kernels:
            kernel.grad = None
        super().zero_grad(set_to_none)


def build_optimizers(net: nn.Module, options: TrainOptions) -> list[torch.optim.Optimizer]:
    """Muon for hidden matrices and kernels, AdamW for embeddings, norms, biases and the outermost layers; or all AdamW.

    The first and the last layer stay with AdamW, as Muon's authors advise: their rows and columns have meanings.
    """
    named = [(name, p) for name, p in net.named_parameters() if p.requires_grad]
    outermost = ("enter.", "leave.", "label.", "embedding", "position")
    hidden = [
        p for name, p in named if p.ndim >= 2 and min(p.shape[0], p.numel() // p.shape[0]) > 1
        and not any(word in name for word in outermost)
    ]  # fmt: skip
    if options.optimizer == "adamw":
        hidden = []
    chosen = {id(p) for p in hidden}
    rest = [p for _, p in named if id(p) not in chosen]
    rate, decay = options.learning_rate, options.weight_decay
    optimizers: list[torch.optim.Optimizer] = [torch.optim.AdamW(rest, lr=rate, weight_decay=decay, betas=(0.9, 0.99))]
    if hidden:
        optimizers.append(KernelMuon(hidden, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw", ns_steps=3))
    return optimizers


def learning_rate_at(progress: float, options: TrainOptions) -> float:
    """The share of the peak learning rate at `progress` in [0, 1]: up, level, down (Hägele et al. 2024)."""
    up = 1.0 if options.warmup == 0 else min(1.0, progress / options.warmup + 1e-3)
    down = 1.0 if options.decay == 0 else min(1.0, (1 - progress) / options.decay)
    return max(0.0, min(up, down))
