"""A trained denoiser as a diffusers pipeline: what `model/` of a run holds.

pipeline = RowPipeline.from_pretrained("runs/digits/model", use_safetensors=True)
x = pipeline({"label": torch.tensor([3, 5])}, num_inference_steps=50)
"""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler, ModelMixin

from ..diffusion.masked import Blocks
from ..types import Condition, Process
from .options import SampleOptions

ONE_FILE = 2**60  # bytes: the weights are known by the digest of their file


class RowPipeline(DiffusionPipeline):  # type: ignore[misc]
    """A denoiser and diffusers' flow-matching Euler scheduler. `synthgen` itself takes fewer steps (`Sampler`). `vae`:
    of a denoiser of latents, what decodes them."""

    _optional_components = ["vae"]

    def __init__(
        self, denoiser: ModelMixin, scheduler: FlowMatchEulerDiscreteScheduler, vae: ModelMixin | None = None
    ) -> None:
        super().__init__()
        self.register_modules(denoiser=denoiser, scheduler=scheduler, vae=vae)

    @torch.no_grad()
    def __call__(
        self, condition: Condition, num_inference_steps: int = 50, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """Normalised rows, float32 (B, *row_shape), for a condition such as {"label": int64 (B,)}."""
        count = len(next(iter(condition.values())))
        x = torch.randn((count, *self.denoiser.row_shape), generator=generator).to(self.denoiser.device)
        scheduler = FlowMatchEulerDiscreteScheduler.from_config(self.scheduler.config)
        scheduler.set_timesteps(num_inference_steps)
        for step, t in enumerate(scheduler.timesteps):
            sigma = scheduler.sigmas[step].to(x)
            x_hat = self.denoiser(x, sigma.expand(count), condition)
            x = scheduler.step((x - x_hat) / sigma, t, x).prev_sample
        return x


class BlockPipeline(DiffusionPipeline):  # type: ignore[misc]
    """A denoiser of token numbers and its process; what the numbers spell stands in tokenizer.json beside it."""

    def __init__(self, denoiser: ModelMixin, mask: int = 1, end: int = 2, pad: int = 0, size: int = 4) -> None:
        super().__init__()
        self.register_modules(denoiser=denoiser)
        self.register_to_config(mask=mask, end=end, pad=pad, size=size)

    @torch.no_grad()
    def __call__(self, condition: Condition, num_inference_steps: int = 16, seed: int = 0) -> torch.Tensor:
        """Tokens int64 (B, L) for a condition with known, segment and offset (B, L), as `Blocks` says."""
        process = Blocks(self.config["mask"], self.config["end"], self.config["pad"], self.config["size"])
        steps, known = SampleOptions(steps=num_inference_steps), condition["known"]
        noise = process.draw_noise(seed, range(len(known)), (known.shape[1],), steps)
        return process.solve(self.denoiser, noise, condition, steps)


def save_pipeline(denoiser: ModelMixin, process: Process, folder: Path, **parts: ModelMixin) -> None:
    """diffusers' folder format, safetensors only; `parts`: further components, such as the vae."""
    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=1.0)
    pipeline: DiffusionPipeline = RowPipeline(denoiser, scheduler, **parts)
    if isinstance(process, Blocks):
        pipeline = BlockPipeline(denoiser, process.mask, process.end, process.pad, process.size)
    pipeline.save_pretrained(str(folder), safe_serialization=True, max_shard_size=ONE_FILE)
