"""Masks drawn by a small diffusion model of their own, trained from scratch on the real masks in seconds.

masks = DrawnMasks.fit(known_masks(train, 3, None), 3, MaskConditionOptions(masks="diffusion"), seed=0, folder=path)
masks.draw(np.arange(256))        # {"mask": uint8 (256, 64, 64)}
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import torch

from ..diffusion.flow import draw_sigmas, flow_loss
from ..diffusion.noise import row_generator, step_generator
from ..diffusion.solvers import schedule, solve
from ..networks.unet import SmallUNet
from ..storage import is_sound, sealed_folder
from ..types import Columns
from .mask_codes import MaskCodes
from .options import MaskConditionOptions, MaskDiffusionOptions

CHUNK = 64  # masks a batch of the sampler
SIGMA_MEAN, SIGMA_SD = 0.0, 1.2  # of the logit of the noise level in training; higher means leave specks


class DrawnMasks:
    """A LabelGenerator of the column `mask`."""

    def __init__(self, net: SmallUNet, codes: MaskCodes, options: MaskDiffusionOptions, seed: int) -> None:
        self._net, self._codes, self._options, self._seed = net.eval(), codes, options, seed
        self._sigmas = schedule(options.sample_steps)

    @staticmethod
    def fit(
        masks: np.ndarray, classes: int, options: MaskConditionOptions, seed: int, folder: Path | None
    ) -> DrawnMasks:
        """Train on masks (n, H, W) of class ids, or read what an earlier, equal call left in `folder`."""
        key = _key(masks, classes, options, seed)
        if folder is not None and (known := _read(folder, key)):
            return DrawnMasks(*known, options.diffusion, seed)
        codes = MaskCodes.fit(masks, classes, options.diffusion.resolution)
        net = _train(_network(codes, options.diffusion, seed), codes.encode(masks), options, seed)
        if folder is not None:
            _write(folder, key, net, codes)
        return DrawnMasks(net, codes, options.diffusion, seed)

    def with_seed(self, seed: int) -> DrawnMasks:
        """Other masks of the same net: the seed that it was trained with is not that of the rows."""
        return DrawnMasks(self._net, self._codes, self._options, seed)

    @torch.inference_mode()
    def draw(self, indices: np.ndarray) -> Columns:
        """{"mask": (N, H, W) class ids}. In other company a row may differ where a pixel lies between two classes."""
        parts = []
        for start in range(0, len(indices), CHUNK):
            rows = indices[start : start + CHUNK]
            noise = np.empty((len(rows), *self._codes.shape), np.float32)
            for row, index in zip(noise, rows, strict=True):
                row_generator(self._seed, int(index), "mask").standard_normal(dtype=np.float32, out=row)
            parts.append(self._codes.decode(solve(self._net, torch.from_numpy(noise), {}, self._sigmas)))
        return {"mask": np.concatenate(parts) if parts else np.zeros((0, *self._codes.size), np.uint8)}


def _network(codes: MaskCodes, options: MaskDiffusionOptions, seed: int) -> SmallUNet:
    channels, height, width = codes.shape
    widths = (options.width, 2 * options.width)
    with torch.random.fork_rng(devices=[]):  # layers take their first weights from torch's own generator
        torch.default_generator.manual_seed(int(row_generator(seed, 0, "mask network").integers(2**63)))
        return SmallUNet(channels=channels, size=(height, width), patch=1, widths=widths, blocks=1)


def _train(net: SmallUNet, x: torch.Tensor, options: MaskConditionOptions, seed: int) -> SmallUNet:
    """`steps` of AdamW on x (n, C, h, w), the learning rate falling to 0 by half a cosine."""
    steps, rate = options.diffusion.steps, options.diffusion.learning_rate
    optimiser = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=0.01)
    net.train()
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        generator = step_generator(seed, step, "mask diffusion")
        count = options.diffusion.batch_size
        batch = _turn(x[torch.randint(len(x), (count,), generator=generator)], options, generator)
        noise = torch.randn(batch.shape, generator=generator)
        loss = flow_loss(net, batch, {}, None, noise, draw_sigmas(count, SIGMA_MEAN, SIGMA_SD, generator)).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
    return net


def _turn(x: torch.Tensor, options: MaskConditionOptions, generator: torch.Generator) -> torch.Tensor:
    """The whole batch under one random symmetry that the options allow."""
    mirror, upside_down, quarter = (torch.randint(2, (3,), generator=generator) > 0).tolist()
    axes = ([3] if options.mirror and mirror else []) + ([2] if options.turn and upside_down else [])
    if options.turn and upside_down and not options.mirror:
        axes = [2, 3]
    x = x.flip(axes)
    return x.rot90(1, (2, 3)) if options.turn and quarter and x.shape[2] == x.shape[3] else x


def _key(masks: np.ndarray, classes: int, options: MaskConditionOptions, seed: int) -> str:
    """A digest of all that the training depends on."""
    told = json.dumps([classes, seed, options.turn, options.mirror, options.diffusion.model_dump(), masks.shape])
    return hashlib.sha256(told.encode() + np.ascontiguousarray(masks).tobytes()).hexdigest()


def _write(folder: Path, key: str, net: SmallUNet, codes: MaskCodes) -> None:
    """diffusers' folder format and `masks.json`, sealed with their digests."""
    with sealed_folder(folder) as temporary:
        net.save_pretrained(temporary, safe_serialization=True)
        (temporary / "masks.json").write_text(json.dumps({"key": key, "codes": codes.state()}, indent=1))


def _read(folder: Path, key: str) -> tuple[SmallUNet, MaskCodes] | None:
    """What `_write` left there; None if it is missing, damaged, or was trained on something else."""
    if not is_sound(folder):
        return None
    try:
        state = json.loads((folder / "masks.json").read_text())
        if state["key"] != key:
            return None
        net: SmallUNet = SmallUNet.from_pretrained(folder, use_safetensors=True)
        return net, MaskCodes.from_state(state["codes"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
