"""Pretrained image pipelines of diffusers, from a folder or the Hub, read part by part: safetensors only, no code.

base = open_image_base("stabilityai/stable-diffusion-xl-base-1.0", "462165984030d82259a11f4367a4eed129e94a7b")
base.kind           # the class of its denoiser, such as UNet2DConditionModel
vae = base.load_vae()
net = load_image_denoiser(base, ...)
"""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import diffusers
import torch
from huggingface_hub import hf_hub_download
from torch import nn

from ..errors import UserError
from .image_families import FAMILIES
from .pretrained_image import PretrainedImageDenoiser, class_tables, plan_control
from .quiet import quiet

PIPELINES = {
    "StableDiffusionPipeline": "unet",
    "StableDiffusionXLPipeline": "unet",
    "StableDiffusion3Pipeline": "transformer",
    "FluxPipeline": "transformer",
    "SanaPipeline": "transformer",
    "DiTPipeline": "transformer",
    "DDPMPipeline": "unet",
    "DDIMPipeline": "unet",
}  # the pipeline's class -> its denoiser's component
WEIGHTS = "diffusion_pytorch_model"
SIDES = {"FluxTransformer2DModel": 128}  # of the latents, where the denoiser's configuration does not say


@dataclass(frozen=True)
class ImageBase:
    """A pipeline that is there, by its model_index.json and the configurations of its parts."""

    name: str  # a folder or a Hub id
    revision: str | None
    pipeline: str  # class
    part: str  # the denoiser's component
    core: Mapping[str, Any]  # its configuration, `_class_name` among it
    vae: Mapping[str, Any] | None  # None: it draws pixels
    schedule: Mapping[str, Any]  # of its scheduler

    @property
    def kind(self) -> str:
        return str(self.core["_class_name"])

    @property
    def factor(self) -> int:
        """Pixels that are one cell of the latents, each way."""
        if self.vae is None:
            return 1
        if "encoder_block_out_channels" in self.vae:  # AutoencoderDC
            return int(2 ** (len(self.vae["encoder_block_out_channels"]) - 1))
        return int(2 ** (len(self.vae["block_out_channels"]) - 1))

    @property
    def channels(self) -> int:
        """Of the latents, or of the pixels."""
        if self.kind == "FluxTransformer2DModel":
            return int(self.core["in_channels"]) // 4
        return int(self.core["in_channels"])

    @property
    def side(self) -> int:
        """Cells of the latents that it was trained on, each way."""
        side = self.core.get("sample_size") or SIDES.get(self.kind)
        return int(side[0] if isinstance(side, Sequence) else side or 64)

    def load_vae(self) -> nn.Module | None:
        return None if self.vae is None else self._load(getattr(diffusers, self.vae["_class_name"]), "vae")

    def load_core(self) -> nn.Module:
        net: nn.Module = self._load(getattr(diffusers, self.kind), self.part)
        return net

    def load_writer(self) -> Any:
        """The pipeline with its text encoders alone."""
        from diffusers import DiffusionPipeline  # slow to import, and asked for only where prompts are told

        with _telling(self.name), quiet():
            return DiffusionPipeline.from_pretrained(
                self.name, revision=self.revision, use_safetensors=True, **{self.part: None, "vae": None}
            )

    def read(self, file: str) -> dict[str, Any] | None:
        """One of its small JSON files; None if it has no such file."""
        return _read(self.name, self.revision, file)

    def _load(self, cls: Any, part: str) -> Any:
        with _telling(self.name), quiet():
            found, info = cls.from_pretrained(
                self.name, subfolder=part, revision=self.revision, use_safetensors=True, torch_dtype=torch.float32,
                output_loading_info=True,
            )  # fmt: skip
        if info["missing_keys"]:  # they would be random numbers
            raise UserError(
                f"model.base: the {part} of {self.name} has no weights for {sorted(info['missing_keys'])[0]}; name a "
                "whole checkpoint"
            )
        return found


def open_image_base(name: str, revision: str | None) -> ImageBase:
    """What a base is, from its small files, before any weights are read. UserErrors name model.base."""
    index = _read(name, revision, "model_index.json")
    if index is None:
        raise UserError(
            f"model.base: {name} has no model_index.json, so it is no pipeline of diffusers; name a folder that "
            "save_pretrained wrote, a Hub id such as stabilityai/stable-diffusion-xl-base-1.0, or the model folder "
            "of a run"
        )
    pipeline = str(index.get("_class_name"))
    if pipeline not in PIPELINES:
        raise UserError(
            f"model.base: {name} is a {pipeline}, which is no text-to-image or class-conditional base of this version; "
            f"choose one of {', '.join(PIPELINES)}"
        )
    part = PIPELINES[pipeline]
    for component, (library, cls) in ((n, v) for n, v in index.items() if isinstance(v, list)):
        if library not in ("diffusers", "transformers", "stable_diffusion", None):
            raise UserError(
                f"model.base: the {component} of {name} needs code of its own ({library}.{cls}), which is never run; "
                "choose a base whose parts are all of diffusers and transformers"
            )
    core = _read(name, revision, f"{part}/config.json")
    vae = _read(name, revision, "vae/config.json") if index.get("vae", [None])[0] else None
    schedule = _read(name, revision, "scheduler/scheduler_config.json")
    if core is None or schedule is None or core.get("_class_name") not in FAMILIES:
        raise UserError(
            f"model.base: {name} has no {part} of a known kind and no scheduler beside it; name a whole pipeline, or "
            f"one whose denoiser is one of {', '.join(FAMILIES)}"
        )
    found = ImageBase(name, revision, pipeline, part, core, vae, schedule)
    _refuse_pickles(found)
    return found


def load_image_denoiser(
    base: ImageBase, prompts: Sequence[str], *, row_shape: tuple[int, int, int], classes: int,
    condition: Literal["label", "mask"], adapt: Literal["lora", "full", "heads"], lora: Mapping[str, Any],
) -> PretrainedImageDenoiser:  # fmt: skip
    """The denoiser of a base for rows of latents, told `prompts`: one a class, or one where masks are drawn to."""
    told = tell_prompts(base, prompts, row_shape)
    core = base.load_core()
    shapes = {name: tuple(table.shape[1:]) for name, table in told.items()}
    net = assemble(base, core, shapes, row_shape=row_shape, classes=classes, condition=condition)
    _copy_weights(net, core)
    for name, table in told.items():
        net.tables[name].data.copy_(table)
    if net.controlnet is not None:
        net.seed_control()
    choose_trained(net, adapt, lora)
    return net


def assemble(
    base: ImageBase, core: nn.Module, told: Mapping[str, tuple[int, ...]], *, row_shape: tuple[int, int, int],
    classes: int, condition: Literal["label", "mask"],
) -> PretrainedImageDenoiser:  # fmt: skip
    """The denoiser of a base, weights at random, as far as the configuration of its `core` tells; `told`: the shapes of
    what `tell_prompts` says of a prompt."""
    control = None
    if condition == "mask":
        if not FAMILIES[base.kind].control:
            raise UserError(
                f"model.base: {base.name} cannot be told masks, since diffusers has no ControlNet for a "
                f"{base.kind}; choose Stable Diffusion, SDXL, SD3 or FLUX"
            )
        control = plan_control(core, classes, base.factor, row_shape[0])
    return PretrainedImageDenoiser(
        core=dict(base.core) | _own_classes(base, classes), schedule=dict(base.schedule), row_shape=row_shape,
        factor=base.factor, classes=classes, condition=condition, told=dict(told), control=control, lora=None,
    )  # fmt: skip


def choose_trained(
    net: PretrainedImageDenoiser, adapt: Literal["lora", "full", "heads"], lora: Mapping[str, Any]
) -> None:
    """Freeze what is not to be trained; where nothing is new, `heads` are the embeddings of the prompts."""
    net.adapt(adapt, lora)
    if adapt == "heads" and not list(net.new_parts()):
        net.train_prompts()


@torch.no_grad()
def tell_prompts(base: ImageBase, prompts: Sequence[str], row_shape: tuple[int, int, int]) -> dict[str, torch.Tensor]:
    """Tables (prompts + 1, …) of what the base's text encoders say, the last row of the empty prompt."""
    if "prompt" not in FAMILIES[base.kind].told:
        return {}
    writer = base.load_writer()
    writer.set_progress_bar_config(disable=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    writer.to(device)
    rows = [_tell(base, writer, prompt, row_shape, device) for prompt in (*prompts, "")]
    del writer
    gc.collect()
    return {name: torch.cat([row[name] for row in rows]).float().cpu() for name in rows[0]}


def _tell(base: ImageBase, writer: Any, prompt: str, row_shape: tuple[int, int, int], device: str) -> Any:
    if base.pipeline == "StableDiffusionPipeline":
        return {"prompt": writer.encode_prompt(prompt, device, 1, False)[0]}
    if base.pipeline == "StableDiffusionXLPipeline":
        embeddings, _, pooled, _ = writer.encode_prompt(prompt, device=device, do_classifier_free_guidance=False)
        height, width = (side * base.factor for side in row_shape[1:])
        return {"prompt": embeddings, "pooled": pooled, "size": torch.tensor([[height, width, 0, 0, height, width]])}
    if base.pipeline == "StableDiffusion3Pipeline":
        embeddings, _, pooled, _ = writer.encode_prompt(prompt, None, None, device, do_classifier_free_guidance=False)
        return {"prompt": embeddings, "pooled": pooled}
    if base.pipeline == "FluxPipeline":
        embeddings, pooled, _ = writer.encode_prompt(prompt, device=device)
        return {"prompt": embeddings, "pooled": pooled}
    embeddings, there, _, _ = writer.encode_prompt(prompt, do_classifier_free_guidance=False, device=device)
    return {"prompt": embeddings, "there": there}


def _own_classes(base: ImageBase, classes: int) -> dict[str, Any]:
    """What of the core's configuration follows from our list of classes."""
    if base.kind == "DiTTransformer2DModel":
        return {"num_embeds_ada_norm": classes}
    if base.kind == "UNet2DModel":
        return {"class_embed_type": "identity", "num_class_embeds": None}
    return {}


def _copy_weights(net: PretrainedImageDenoiser, core: nn.Module) -> None:
    """Everything but tables of other classes; ours begin where the base was told no class, or as the mean of all."""
    theirs, mine = core.state_dict(), net.base.state_dict()
    kept = {name: value for name, value in theirs.items() if name in mine and mine[name].shape == value.shape}
    net.base.load_state_dict(kept, strict=False)
    for table, old in zip(class_tables(net.base), class_tables(core), strict=True):
        table.weight.data.copy_(old.weight.data[-1].expand_as(table.weight))
    old_table = getattr(core, "class_embedding", None)
    if net.head is not None and isinstance(old_table, nn.Embedding):
        net.head.weight.data.copy_(old_table.weight.data.mean(0).expand_as(net.head.weight))


def _read(name: str, revision: str | None, file: str) -> dict[str, Any] | None:
    """A small JSON file of a base; None if it has no such file. A UserError if the base is not there."""
    folder = Path(name)
    if not name.strip():
        raise UserError("model.base: '' is no model; name a folder or a Hub id, or write null")
    if folder.is_dir():
        path = folder / file
        return json.loads(path.read_text()) if path.is_file() else None
    if len(folder.parts) != 2 or name.startswith((".", "/", "~")):
        raise UserError(
            f"model.base: there is no folder {name}; name one, or a Hub id such as "
            "stabilityai/stable-diffusion-xl-base-1.0"
        )
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    with _telling(name):
        try:
            return dict(json.loads(Path(hf_hub_download(name, file, revision=revision)).read_text()))
        except LocalEntryNotFoundError:
            raise
        except EntryNotFoundError:
            return None


def _refuse_pickles(base: ImageBase) -> None:
    """A UserError where a part on disk has weights that are no safetensors; on the Hub `use_safetensors` sees to it."""
    folder = Path(base.name)
    for part in (base.part, "vae") if folder.is_dir() else ():
        if (folder / part).is_dir() and not list((folder / part).glob(f"{WEIGHTS}*.safetensors")):
            raise UserError(
                f"model.base: the {part} of {base.name} has no safetensors, and pickles are not read; convert it with "
                "save_pretrained(..., safe_serialization=True)"
            )


@contextmanager
def _telling(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        first = str(error).strip().splitlines()[0]
        raise UserError(
            f"model.base: {name} could not be loaded ({first}); name a folder or a Hub id with model_index.json and "
            "safetensors, and log in with `hf auth login` if it is gated"
        ) from None
