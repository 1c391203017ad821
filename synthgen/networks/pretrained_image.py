"""A pretrained image model as the denoiser: Stable Diffusion, SDXL, SD3, FLUX, Sana, DiT, or a U-Net of pixels.

It stands behind the seam of the small U-Net: x̂ of x_σ, told a class or a mask. What its text encoders say of the
prompts is kept in tables, so that they are needed once. Rows drawn to masks have a ControlNet beside it, which reads
the mask's classes one by one. Knows nothing of files: `image_base` reads them.

    net = PretrainedImageDenoiser(core=dict(unet.config), schedule=dict(scheduler.config), row_shape=(4, 64, 64), …)
    x_hat = net(x, sigma, {"label": label})
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import diffusers
import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn

from ..diffusion.objective import Objective, read_objective
from ..types import Condition
from .image_families import ATTENTION, FACTORS, FAMILIES
from .lora import add_lora
from .quiet import quiet


class PretrainedImageDenoiser(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """`core` and `control` are configurations of diffusers' models, `schedule` that of the base's scheduler; `factor`:
    pixels of a row that are one cell of the latents, each way; `told`: the shape of a row of each table."""

    config_name = "config.json"
    _supports_gradient_checkpointing = True

    @register_to_config
    def __init__(
        self,
        core: dict[str, Any],
        schedule: dict[str, Any],
        row_shape: tuple[int, int, int] = (4, 64, 64),
        factor: int = 8,
        classes: int = 0,
        condition: Literal["label", "mask"] = "label",
        told: dict[str, tuple[int, ...]] | None = None,
        control: dict[str, Any] | None = None,
        lora: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.family = FAMILIES[core["_class_name"]]
        self.base = build(core)
        self.objective = objective_of(schedule, row_shape, self.family.fold)
        rows = classes + 1 if condition == "label" else 2  # the last: not told
        tables = {name: torch.zeros(rows, *shape) for name, shape in (told or {}).items()}
        self.tables = nn.ParameterDict({n: nn.Parameter(table, requires_grad=False) for n, table in tables.items()})
        self.head = None
        if core["_class_name"] == "UNet2DModel":
            self.head = nn.Embedding(rows, self.base.time_embedding.linear_2.out_features)
            nn.init.zeros_(self.head.weight)
        self.controlnet, self.hint = None, None
        if control is not None:
            self.controlnet = build(control)
            if control["_class_name"] != "ControlNetModel":  # which reads masks as they are
                self.hint = nn.Conv2d(classes * factor**2, row_shape[0], 1)
        if lora is not None:
            add_lora(self.base, lora["rank"], lora["alpha"], tuple(lora["targets"]))

    @property
    def row_shape(self) -> tuple[int, ...]:
        return tuple(self.config.row_shape)

    def forward(
        self, x: torch.Tensor, sigma: torch.Tensor, condition: Condition, keep: torch.Tensor | None = None
    ) -> torch.Tensor:
        """x̂ (B, C, H, W), float32, of x_σ (B, C, H, W) at σ (B,); rows where `keep` is False are not told their
        condition."""
        z, t = self.objective.enter(x, sigma)
        control = None
        if self.controlnet is not None:
            control = self.controlnet, self.read_mask(condition["mask"], keep)
        output = self.family.ask(self.base, z.to(self.dtype), t, self.tell(condition, keep), control)
        return self.objective.leave(output, x, sigma)

    def tell(self, condition: Condition, keep: torch.Tensor | None) -> dict[str, torch.Tensor]:
        """What the core is told of each row, by name."""
        label = condition["label"] if "label" in condition else torch.zeros_like(condition["mask"][:, 0, 0])
        none = self.config.classes if self.config.condition == "label" else 1
        if keep is not None:
            label = torch.where(keep, label, none)
        told = {name: table[label] for name, table in self.tables.items()}
        if self.head is not None:
            told["class"] = self.head(label)
        return {**told, "label": label}

    def read_mask(self, mask: torch.Tensor, keep: torch.Tensor | None) -> torch.Tensor:
        """Masks int64 (B, H, W), whatever their size, as the hint of the ControlNet: a channel a class, zeros of what
        is not annotated or not told."""
        _, height, width = self.config.row_shape
        factor, classes = self.config.factor, self.config.classes
        mask = F.interpolate(mask[:, None].float(), (height * factor, width * factor), mode="nearest-exact")[:, 0]
        hint = torch.stack([mask == value for value in range(classes)], 1).to(self.dtype)
        hint = hint if keep is None else hint * keep.view(-1, 1, 1, 1)
        return hint if self.hint is None else self.hint(F.pixel_unshuffle(hint, factor))

    def train(self, mode: bool = True) -> PretrainedImageDenoiser:
        """Without dropout, which would draw from numbers that no seed of a run knows."""
        super().train(mode)
        for part in (self.base, self.controlnet):
            if part is not None:
                part.eval()
        return self

    def adapt(self, how: Literal["lora", "full", "heads"], lora: Mapping[str, Any]) -> None:
        """Freeze what is not to be trained: of the core all but matrices of LoRA, or all."""
        if how == "lora":
            chosen = {**lora, "targets": tuple(lora["targets"]) or ATTENTION}
            add_lora(self.base, chosen["rank"], chosen["alpha"], chosen["targets"])
            self.register_to_config(lora=chosen)
        elif how == "heads":
            self.base.requires_grad_(False)
        for part in self.new_parts():
            part.requires_grad_(True)

    def new_parts(self) -> Iterator[nn.Module]:
        """What the base did not bring: the ControlNet, a table of classes; where there is neither, what is told of the
        prompts may be trained in their place (`train_prompts`)."""
        yield from (part for part in (self.controlnet, self.hint, self.head) if part is not None)
        yield from class_tables(self.base)

    def train_prompts(self) -> None:
        """Make the embeddings of the prompts trainable."""
        self.tables["prompt"].requires_grad_(True)

    def seed_control(self) -> None:
        """The ControlNet's layers begin as those of the core that they are copies of."""
        assert self.controlnet is not None
        mine, theirs = self.controlnet.state_dict(), self.base.state_dict()
        shared = {n: theirs[n] for n, value in mine.items() if n in theirs and theirs[n].shape == value.shape}
        self.controlnet.load_state_dict(shared, strict=False)
        if hasattr(self.controlnet, "pos_embed_input"):
            for parameter in self.controlnet.pos_embed_input.parameters():
                nn.init.zeros_(parameter)


def build(config: Mapping[str, Any]) -> Any:
    """A model of diffusers of random weights, which draws no number that training would miss."""
    cls = getattr(diffusers, config["_class_name"])
    with quiet():
        return cls.from_config({name: value for name, value in config.items() if name != "_name_or_path"}).eval()


def objective_of(schedule: Mapping[str, Any], row_shape: tuple[int, ...], fold: int) -> Objective:
    """The objective of a base whose scheduler has that configuration, `_class_name` among it."""
    cls = getattr(diffusers, schedule["_class_name"])
    with torch.device("cpu"):  # its numbers are read, also where a net is only planned on the meta device
        scheduler = cls.from_config(dict(schedule))
    return read_objective(scheduler, "the base", row_shape[1] * row_shape[2] // fold**2)


def plan_control(core: Any, classes: int, factor: int, latents: int) -> dict[str, Any]:
    """The configuration of a ControlNet for the core, as its authors cut it."""
    name = FAMILIES[type(core).__name__].control
    cls, config = getattr(diffusers, name), {k: v for k, v in core.config.items() if not k.startswith("_")}
    if name == "ControlNetModel":
        strides = factor.bit_length() - 1
        config |= {"conditioning_channels": classes, "conditioning_embedding_out_channels": FACTORS[: strides + 1]}
    elif name == "SD3ControlNetModel":
        config |= {"num_layers": min(12, config["num_layers"]), "extra_conditioning_channels": 0}
    else:
        config |= {
            "num_layers": min(4, config["num_layers"]),
            "num_single_layers": min(10, config["num_single_layers"]),
        }
    taken = set(cls._get_init_keys(cls))
    return {"_class_name": name, **{k: v for k, v in config.items() if k in taken and v is not None}}


def class_tables(core: nn.Module) -> Iterator[nn.Embedding]:
    """The embeddings of classes in a DiT, one in each block."""
    for name, module in core.named_modules():
        if name.endswith("class_embedder.embedding_table"):
            assert isinstance(module, nn.Embedding)
            yield module
