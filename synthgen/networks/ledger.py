"""What a pass through a net takes, counted without doing it: on torch's meta device tensors have sizes and no numbers.

It counts the bytes of all tensors that are alive at once beside those that were there before, and the operations. The
kernels' own scratch memory is not seen. Attention counts as kernels do it that never hold the whole matrix (Dao et al.
2022, arXiv:2205.14135), which is what GPUs and CPUs run.

    with torch.device("meta"):
        net = build(config)
    forward = count(lambda: net(torch.empty(4, 3, 64, 64, device="meta")))
    forward.flops, forward.bytes
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry


@dataclass(frozen=True)
class Pass:
    """Operations (a multiplication and an addition are two) and the bytes that are alive at once, at most."""

    flops: int
    bytes: int


def count(work: Callable[[], Any], owned: Iterable[torch.Tensor] = ()) -> Pass:
    """What `work` takes beside the tensors `owned`, such as the parameters; all of them on the meta device."""
    ledger = Ledger(owned)
    with _whole_attention(), ledger:
        work()
    return Pass(ledger.flops, ledger.peak)


class Ledger(TorchDispatchMode):
    """The bytes of what operations make, from when it is made until nobody has it any more; the operations' number, by
    torch's own formulas."""

    def __init__(self, owned: Iterable[torch.Tensor]) -> None:
        super().__init__()
        self.now = self.peak = self.flops = 0
        self.known: dict[int, Any] = {
            id(storage): storage for storage in (tensor.untyped_storage() for tensor in owned)
        }

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        found = func(*args, **kwargs)
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.flops += formula(*args, **kwargs, out_val=found)
        for made in tree_leaves(found):
            if isinstance(made, torch.Tensor):
                self._enter(made.untyped_storage())
        return found

    def _enter(self, storage: torch.UntypedStorage) -> None:
        key, size = id(storage), storage.nbytes()
        if key in self.known:
            return

        def leave(_: Any) -> None:
            self.now -= size
            del self.known[key]

        self.known[key] = weakref.ref(storage, leave)
        self.now += size
        self.peak = max(self.peak, self.now)


@contextmanager
def _whole_attention() -> Iterator[None]:
    """Attention of meta tensors in one operation, which keeps what it was given and one number a row for the backward
    pass; torch would multiply matrices out for them, whatever it does on real devices."""
    real = F.scaled_dot_product_attention

    def attend(query: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        return _attend(query, *args, **kwargs) if query.is_meta else real(query, *args, **kwargs)

    # not by a mode of torch's, which is off where checkpointed layers are computed again
    F.scaled_dot_product_attention = attend
    try:
        yield
    finally:
        F.scaled_dot_product_attention = real


def _attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
) -> torch.Tensor:  # fmt: skip
    if enable_gqa:
        key, value = (x.repeat_interleave(query.shape[-3] // x.shape[-3], -3) for x in (key, value))
    bias = None
    if attn_mask is not None:
        bias = attn_mask.to(query.dtype).expand(*query.shape[:-1], key.shape[-2])
    output: torch.Tensor = torch.ops.aten._scaled_dot_product_efficient_attention(
        query, key, value, bias, query.requires_grad or key.requires_grad, dropout_p, is_causal, scale=scale
    )[0]
    return output
