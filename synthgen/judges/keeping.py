"""A judge on disk: its arrays in judge.safetensors, what else it is in judge.json. No pickles.

Knows arrays and JSON, not what a judge is.

    keep(folder, {"fingerprint": mark, "seed": 0}, {**state_arrays(nets), "reference": reference})
    judge = recall(folder, mark, lambda described, arrays: ...)      # None if it is not there, or altered
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from safetensors.numpy import load, save
from torch import nn

from ..storage import digest_bytes, write_whole

Arrays = Mapping[str, np.ndarray]
Kept = TypeVar("Kept")
Net = TypeVar("Net", bound=nn.Module)


def keep(folder: Path, described: Mapping[str, Any], arrays: Arrays) -> None:
    """The arrays, then the description with their digest: a crash between the two leaves a judge that is not read."""
    weights = save({name: np.ascontiguousarray(values) for name, values in arrays.items()})
    write_whole(folder / "judge.safetensors", weights)
    whole = {**described, "weights_sha256": digest_bytes(weights)}
    write_whole(folder / "judge.json", json.dumps(whole, indent=1) + "\n")


def recall(folder: Path | None, wanted: str, restore: Callable[[dict[str, Any], Arrays], Kept]) -> Kept | None:
    """What `restore` makes of the judge in `folder`; None if there is none with that fingerprint, or it was altered."""
    if folder is None:
        return None
    try:
        described: dict[str, Any] = json.loads((folder / "judge.json").read_text())
        weights = (folder / "judge.safetensors").read_bytes()
        if described["fingerprint"] != wanted or described["weights_sha256"] != digest_bytes(weights):
            return None
        return restore(described, load(weights))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError):
        return None


def state_arrays(nets: Sequence[nn.Module]) -> dict[str, np.ndarray]:
    """The weights of each net under its number: "0.word.weight", …"""
    return {
        f"{number}.{name}": value.numpy() for number, net in enumerate(nets) for name, value in net.state_dict().items()
    }


def take_part(arrays: Arrays, number: int) -> dict[str, np.ndarray]:
    """The arrays under a number, without it."""
    mark = f"{number}."
    return {name.removeprefix(mark): values for name, values in arrays.items() if name.startswith(mark)}


def load_state(net: Net, arrays: Arrays, number: int) -> Net:
    """`net` in eval mode with the weights under its number."""
    own = {name: torch.from_numpy(values) for name, values in take_part(arrays, number).items()}
    net.load_state_dict(own)
    return net.eval()
