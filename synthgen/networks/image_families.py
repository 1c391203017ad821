"""How each family of pretrained image models is asked: the one place that knows their arguments.

A family takes the model, its input z (B, C, H, W) at times t (B,), what is told of each row (tables of `tell_prompts`)
and, where rows are drawn to masks, a ControlNet (Zhang et al. 2023, arXiv:2302.05543) with its hint.

    output = FAMILIES["UNet2DConditionModel"].ask(core, z, t, {"prompt": embeddings}, None)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from ..diffusion.objective import TIMES

ATTENTION = (
    "to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out",
)  # fmt: skip
FACTORS = (16, 32, 96, 256)  # channels of a hint on its way to the latents' grid
Told = Mapping[str, torch.Tensor]
Control = tuple[nn.Module, torch.Tensor]  # a ControlNet and its hint
Ask = Callable[[Any, torch.Tensor, torch.Tensor, Told, Control | None], torch.Tensor]


@dataclass(frozen=True)
class Family:
    """`told`: the tables that a row's prompt has. `control`: the class of its ControlNets, "" where it has none.
    `fold`: cells of the latents, each way, that are one token."""

    ask: Ask
    told: tuple[str, ...] = ()
    control: str = ""
    fold: int = 1


def _ask_unet(core: Any, z: torch.Tensor, t: torch.Tensor, told: Told, control: Control | None) -> torch.Tensor:
    """Stable Diffusion 1.x and 2.x; with "pooled", SDXL."""
    told = dict(told)
    prompt, size = told.pop("prompt"), told.pop("size", None)
    added = {} if size is None else {"added_cond_kwargs": {"text_embeds": told["pooled"], "time_ids": size}}
    if control is not None:
        net, hint = control
        down, middle = net(z, t, prompt, controlnet_cond=hint, return_dict=False, **added)
        added |= {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
    output: torch.Tensor = core(z, t, prompt, return_dict=False, **added)[0]
    return output


def _ask_sd3(core: Any, z: torch.Tensor, t: torch.Tensor, told: Told, control: Control | None) -> torch.Tensor:
    given: dict[str, Any] = {
        "encoder_hidden_states": told["prompt"], "pooled_projections": told["pooled"], "timestep": t,
    }  # fmt: skip
    added: dict[str, Any] = {}
    if control is not None:
        net, hint = control
        added["block_controlnet_hidden_states"] = net(z, controlnet_cond=hint, return_dict=False, **given)[0]
    output: torch.Tensor = core(z, return_dict=False, **given, **added)[0]
    return output


def _ask_flux(core: Any, z: torch.Tensor, t: torch.Tensor, told: Told, control: Control | None) -> torch.Tensor:
    """Tokens of 2 × 2 cells of the latents; a model that was distilled from guidance is told that there is none."""
    height, width = z.shape[2] // 2, z.shape[3] // 2
    places = torch.zeros(height, width, 3, device=z.device, dtype=z.dtype)
    places[..., 1] = torch.arange(height, device=z.device)[:, None]
    places[..., 2] = torch.arange(width, device=z.device)
    given: dict[str, Any] = {
        "encoder_hidden_states": told["prompt"], "pooled_projections": told["pooled"], "timestep": t / TIMES,
        "txt_ids": z.new_zeros(told["prompt"].shape[1], 3), "img_ids": places.reshape(-1, 3),
    }  # fmt: skip
    if core.config.guidance_embeds:
        given["guidance"] = torch.ones_like(t)
    added: dict[str, Any] = {}
    if control is not None:
        net, hint = control
        blocks, single = net(_pack(z), controlnet_cond=_pack(hint), return_dict=False, **given)
        added = {"controlnet_block_samples": blocks, "controlnet_single_block_samples": single}
    output = core(_pack(z), return_dict=False, **given, **added)[0]
    return F.pixel_shuffle(output.transpose(1, 2).unflatten(2, (height, width)), 2)


def _pack(z: torch.Tensor) -> torch.Tensor:
    return F.pixel_unshuffle(z, 2).flatten(2).transpose(1, 2)


def _ask_sana(core: Any, z: torch.Tensor, t: torch.Tensor, told: Told, control: Control | None) -> torch.Tensor:
    output: torch.Tensor = core(
        z, encoder_hidden_states=told["prompt"], encoder_attention_mask=told["there"],
        timestep=t * core.config.timestep_scale, return_dict=False,
    )[0]  # fmt: skip
    return output


def _ask_dit(core: Any, z: torch.Tensor, t: torch.Tensor, told: Told, control: Control | None) -> torch.Tensor:
    """The class's number; behind ε stands a variance that is not used."""
    output: torch.Tensor = core(z, timestep=t, class_labels=told["label"], return_dict=False)[0]
    return output[:, : z.shape[1]]


def _ask_plain_unet(core: Any, z: torch.Tensor, t: torch.Tensor, told: Told, control: Control | None) -> torch.Tensor:
    output: torch.Tensor = core(z, t, class_labels=told["class"], return_dict=False)[0]
    return output


FAMILIES = {
    "UNet2DConditionModel": Family(_ask_unet, ("prompt", "pooled", "size"), "ControlNetModel"),
    "SD3Transformer2DModel": Family(_ask_sd3, ("prompt", "pooled"), "SD3ControlNetModel", 2),
    "FluxTransformer2DModel": Family(_ask_flux, ("prompt", "pooled"), "FluxControlNetModel", 2),
    "SanaTransformer2DModel": Family(_ask_sana, ("prompt", "there")),
    "DiTTransformer2DModel": Family(_ask_dit),
    "UNet2DModel": Family(_ask_plain_unet),
}
