"""What a saved denoiser of texts says in a process of its own.

python fresh.py FOLDER BLOCK FILE: FOLDER/model and FOLDER/asked.safetensors are read, FOLDER/FILE is written.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from synthgen.diffusion.masked import Blocks
from synthgen.sampling.loading import load_denoiser
from synthgen.sampling.options import SampleOptions
from synthgen.types import Condition
from synthgen.vocabulary import END, MASK, PAD

STEPS = SampleOptions(steps=4, precision="fp32")


@torch.inference_mode()
def look(net: torch.nn.Module, condition: Condition) -> torch.Tensor:
    """Logits (16, vocabulary) of two rows of eight hidden tokens."""
    every, place = torch.ones(2, 8, dtype=torch.bool), torch.arange(8).expand(2, 8)
    return net.eval().start(condition).look(place, torch.full_like(place, MASK), every, every)


@torch.inference_mode()
def main(folder: Path, block: int, file: str) -> None:
    asked = load_file(folder / "asked.safetensors")
    noise = asked.pop("noise")
    net = load_denoiser(folder / "model").eval()
    written = Blocks(MASK, END, PAD, block).solve(net, noise, asked, STEPS)
    save_file({"logits": look(net, asked), "written": written}, folder / file)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
