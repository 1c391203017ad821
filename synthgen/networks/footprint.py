"""What fine-tuning a pretrained image base and drawing with it take: parameters, bytes, operations.

Only the base's small files are read: its parts are built on torch's meta device, which holds no numbers. Knows nothing
of machines; `budget` holds it against one.

    plan = plan_image_net(base, (4, 64, 64), classes=10, condition="label", adapt="lora", lora=terms)
    plan.parameters, plan.trained
    plan.train(batch=8).bytes
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
import transformers
from torch import nn

from .image_base import ImageBase, assemble, choose_trained
from .image_families import FAMILIES
from .ledger import Pass, count
from .pretrained_image import PretrainedImageDenoiser, build
from .quiet import quiet

META = torch.device("meta")
ENCODERS = ("text_encoder", "text_encoder_2", "text_encoder_3")
CLIP_TOKENS, T5_TOKENS = 77, {"StableDiffusion3Pipeline": 256, "FluxPipeline": 512, "SanaPipeline": 300}


@dataclass(frozen=True, eq=False)
class Plan:
    """A denoiser and its autoencoder without numbers, and how many parameters the text encoders have."""

    net: PretrainedImageDenoiser
    vae: nn.Module | None
    encoders: int

    @property
    def parameters(self) -> int:
        return count_parameters(self.net)

    @property
    def trained(self) -> int:
        return sum(p.numel() for p in self.net.parameters() if p.requires_grad)

    @property
    def autoencoder(self) -> int:
        """Its parameters."""
        return 0 if self.vae is None else count_parameters(self.vae)

    def train(self, batch: int, checkpointing: bool = False) -> Pass:
        """Forward and backward of a batch in float32, its gradients among the bytes."""
        if checkpointing:
            self.net.enable_gradient_checkpointing()
        else:
            self.net.disable_gradient_checkpointing()

        def step() -> None:
            torch.autograd.backward(self._ask(batch).float().square().mean())

        try:
            return count(step, _tensors(self.net))
        finally:
            self.net.zero_grad(set_to_none=True)

    def draw(self, batch: int) -> Pass:
        """A forward pass in float32."""
        with torch.no_grad():
            return count(lambda: self._ask(batch), _tensors(self.net))

    def decode(self, batch: int) -> Pass:
        """Latents to images in float32."""
        if self.vae is None:
            return Pass(0, 0)
        decode, z = self.vae.decode, torch.empty(batch, *self.net.row_shape, device=META)  # type: ignore[union-attr]
        with torch.no_grad():
            return count(lambda: decode(z), _tensors(self.vae))  # type: ignore[operator]

    def _ask(self, batch: int) -> torch.Tensor:
        net = self.net
        height, width = (side * net.config.factor for side in net.row_shape[1:])
        with META:
            z, t = torch.empty(batch, *net.row_shape), torch.empty(batch)
            condition = {"label": torch.zeros(batch, dtype=torch.int64)}
            if net.config.condition == "mask":
                condition = {"mask": torch.zeros(batch, height, width, dtype=torch.int64)}
            control = None if net.controlnet is None else (net.controlnet, net.read_mask(condition["mask"], None))
            return net.family.ask(net.base, z, t, net.tell(condition, None), control)


def plan_image_net(
    base: ImageBase, row_shape: tuple[int, int, int], *, classes: int, condition: Literal["label", "mask"],
    adapt: Literal["lora", "full", "heads"], lora: Mapping[str, Any],
) -> Plan:  # fmt: skip
    """What `load_image_denoiser` would load. UserErrors name a field of model."""
    with META:
        core = build(base.core)
        net = assemble(base, core, told_shapes(base), row_shape=row_shape, classes=classes, condition=condition)
        choose_trained(net, adapt, lora)
        vae = None if base.vae is None else build(base.vae)
    net.to(META)  # with tables of places, which are made of numpy's arrays
    encoders = sum(_count_encoder(base, part) for part in ENCODERS) if FAMILIES[base.kind].told else 0
    return Plan(net, None if vae is None else vae.to(META).requires_grad_(False), encoders)


def told_shapes(base: ImageBase) -> dict[str, tuple[int, ...]]:
    """The shapes of what `tell_prompts` will say of a prompt, by name."""
    core, long = base.core, T5_TOKENS.get(base.pipeline, 0)
    if base.kind == "UNet2DConditionModel":
        width = core["cross_attention_dim"]
        width = width if isinstance(width, int) else width[0]
        shapes: dict[str, tuple[int, ...]] = {"prompt": (_clip_tokens(base), width)}
        if core.get("addition_embed_type") == "text_time":
            pooled = core["projection_class_embeddings_input_dim"] - 6 * core["addition_time_embed_dim"]
            shapes |= {"pooled": (pooled,), "size": (6,)}
        return shapes
    if base.kind == "SD3Transformer2DModel":
        tokens = _clip_tokens(base) + long
        return {"prompt": (tokens, core["joint_attention_dim"]), "pooled": (core["pooled_projection_dim"],)}
    if base.kind == "FluxTransformer2DModel":
        return {"prompt": (long, core["joint_attention_dim"]), "pooled": (core["pooled_projection_dim"],)}
    if base.kind == "SanaTransformer2DModel":
        return {"prompt": (long, core["caption_channels"]), "there": (long,)}
    return {}


def count_parameters(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def _clip_tokens(base: ImageBase) -> int:
    told = (base.read("tokenizer/tokenizer_config.json") or {}).get("model_max_length", CLIP_TOKENS)
    return int(told) if told < 10**6 else CLIP_TOKENS  # a tokenizer without a bound says a huge number


def _count_encoder(base: ImageBase, part: str) -> int:
    named = (base.read("model_index.json") or {}).get(part) or [None, None]
    config = base.read(f"{part}/config.json") if named[1] else None
    cls = getattr(transformers, str(named[1]), None)
    if config is None or cls is None:
        return 0
    with META, quiet():
        return count_parameters(cls(cls.config_class.from_dict(config)))


def _tensors(net: nn.Module) -> list[torch.Tensor]:
    return [*net.parameters(), *net.buffers()]
