"""Shap-E (Jun & Nichol 2023, arXiv:2305.02463) as the denoiser of solids: a pipeline of diffusers, by Hub id or folder.

Its prior says of a noisy latent what the latent was, on a scale of noise of its own; noise levels are told by equal
ratios of signal to noise. What the text encoder makes of each class's prompt is kept in a table, so that neither it nor
the base is needed after the training. Knows latents: what they look like, `implicit` knows.

    net = load_shape_denoiser("openai/shap-e", None, ["a chair", "a table"], adapt="lora", rank=16)
    x_hat = net(x, sigma, {"label": label})
    renderer = load_renderer("openai/shap-e", None)
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from diffusers import ConfigMixin, DiffusionPipeline, HeunDiscreteScheduler, ModelMixin, PriorTransformer
from diffusers.configuration_utils import register_to_config
from pydantic import Field, field_validator
from torch import nn

from ..diffusion.guidance import guide
from ..diffusion.noise import draw_noise
from ..diffusion.solvers import schedule, solve
from ..errors import UserError
from ..types import Condition
from .lora import add_lora
from .quiet import quiet
from .tokens import PointTokenOptions

PIPELINE = "ShapEPipeline"
TARGETS = ("to_q", "to_k", "to_v", "to_out.0")  # layers of attention
UNUSED = ("clip_mean", "clip_std")  # of diffusers' prior, which image embeddings need
ADVICE = "choose one such as openai/shap-e"
STEPS, GUIDANCE = 16, 4.0  # for the solids that fitted latents start from
CLASS = "{class}"  # of a prompt


class ShapeOptions(PointTokenOptions):
    """A small transformer over points, or a pretrained base that draws whole objects."""

    reads: ClassVar[tuple[str, ...]] = ("diffusers", "hub")

    base: str | None = None
    """A Shap-E pipeline of diffusers to start from: a Hub id such as openai/shap-e, or a folder that its
    `save_pretrained` wrote, with safetensors. Its size is then its own. null: a small transformer from scratch."""
    adapt: Literal["lora", "full", "heads", "none"] | None = None  # type: ignore[assignment]
    """What of the base is trained. lora: small matrices beside its layers of attention, and a vector for each class;
    full: all of it; heads: the vectors of classes alone; none: nothing, it draws as it is. null: lora."""
    prompt: str = Field("a {class}", max_length=300)
    """What the base is asked for; {class} stands for the name of a row's class. Only with `base`."""
    grid: int = Field(128, ge=16, le=512)
    """Places along each axis at which the base's solids are asked whether they are inside. Only with `base`."""
    fit_steps: int = Field(400, ge=1, le=100_000)
    """Steps in which the latent of a real row is found, since the base has no encoder. Only with `base`, where
    something is trained."""

    @field_validator("prompt")
    @classmethod
    def _names_the_class(cls, prompt: str) -> str:
        if CLASS not in prompt:
            raise ValueError(f"{prompt!r} asks for no class; write {CLASS} in it, such as 'a {CLASS}'")
        return prompt

    def write_prompts(self, classes: Sequence[str]) -> list[str]:
        return [self.prompt.replace(CLASS, name) for name in classes]


class ShapeLatentDenoiser(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Noisy latents (B, n, d) -> x̂. `base` and `noise` are the configurations of the base's prior and scheduler."""

    config_name = "config.json"

    @register_to_config
    def __init__(
        self,
        base: dict[str, Any],
        noise: dict[str, Any],
        classes: int,
        adapt: str,
        lora: dict[str, Any] | None,
    ) -> None:
        super().__init__()
        self.prior = PriorTransformer(**base)
        width = self.prior.embedding_proj.in_features
        self.register_buffer("told", torch.zeros(classes, width))
        self.own = nn.Embedding(classes, width)  # what is learnt of each class beside its prompt
        nn.init.zeros_(self.own.weight)
        self.levels = noise_levels(noise)
        self.range = noise["clip_sample_range"] if noise.get("clip_sample") else None
        self.choose_trained(adapt, lora)

    def choose_trained(self, adapt: str, lora: dict[str, Any] | None) -> None:
        """What is trained: `lora`, `full`, `heads` (what is learnt of each class) or `none`."""
        self.register_to_config(adapt=adapt, lora=lora)
        if adapt == "lora":
            assert lora is not None, "no rank"
            add_lora(self.prior, lora["rank"], lora["alpha"], tuple(lora["targets"]))
        elif adapt != "full":
            self.prior.requires_grad_(False)
        for name in UNUSED:
            getattr(self.prior, name).requires_grad_(False)
        self.own.requires_grad_(adapt != "none")

    @property
    def row_shape(self) -> tuple[int, ...]:
        return self.prior.config["num_embeddings"], self.prior.config["embedding_dim"]

    def forward(
        self, x: torch.Tensor, sigma: torch.Tensor, condition: Condition, keep: torch.Tensor | None = None
    ) -> torch.Tensor:
        """x̂ (B, n, d) of x_σ = (1 − σ) x + σ ε at σ (B,). Rows where `keep` is False are told nothing.

        The prior takes α x + s ε with α² + s² = 1, which is x_σ ÷ √((1 − σ)² + σ²) where s/α = σ/(1 − σ). As in the
        pipeline, x̂ stays in the range of latents, but in training, where it must feel its distance.
        """
        label = condition["label"]
        told = self.told[label] + self.own(label)
        if keep is not None:
            told = torch.where(keep[:, None], told, 0)
        size = ((1 - sigma) ** 2 + sigma**2).sqrt().view(-1, 1, 1)
        told, known = told.to(self.dtype), (x / size).to(self.dtype)
        found = self.prior(known, timestep=self.find_step(sigma), proj_embedding=told).predicted_image_embedding
        x_hat = found[..., : x.shape[2]].to(x.dtype)  # the rest are variances
        return x_hat if self.training or self.range is None else x_hat.clamp(-self.range, self.range)

    def find_step(self, sigma: torch.Tensor) -> torch.Tensor:
        """The time (B,) at which the prior's noise has the ratio σ/(1 − σ), between its whole steps as diffusers'
        schedulers interpolate (in log s/α); the first or last one beyond them."""
        levels = self.levels.to(sigma.device)
        ratio = (sigma.float().log() - torch.log1p(-sigma.float())).clamp(levels[0], levels[-1])
        low = (torch.searchsorted(levels, ratio, right=True) - 1).clamp(0, len(levels) - 2)
        return low + (ratio - levels[low]) / (levels[low + 1] - levels[low])


def noise_levels(noise: dict[str, Any]) -> torch.Tensor:
    """log s/α of the steps of a scheduler's configuration, ascending, float32 (T,)."""
    kept = HeunDiscreteScheduler.from_config(noise).alphas_cumprod.double()
    return (((1 - kept) / kept).log() / 2).float()


def load_shape_denoiser(
    base: str, revision: str | None, prompts: Sequence[str], *, adapt: str = "none", rank: int = 16,
    alpha: float | None = None, targets: Sequence[str] = (),
) -> ShapeLatentDenoiser:  # fmt: skip
    """The prior of a pipeline, which is told a class by what stands in its prompt. UserErrors name model.base."""
    check_pipeline(base, revision)
    noise = _plain(_load(HeunDiscreteScheduler, base, "scheduler", revision))
    if noise["prediction_type"] != "sample":
        raise UserError(
            f"model.base: the prior of {base} predicts {noise['prediction_type']!r}, not 'sample' as that of Shap-E; "
            f"{ADVICE}"
        )
    prior = _load(PriorTransformer, base, "prior", revision)
    config = _plain(prior)
    if config["added_emb_type"] is not None or config["encoder_hid_proj_type"] is not None:
        raise UserError(f"model.base: the prior of {base} draws embeddings of images and no shapes; {ADVICE}")
    net = ShapeLatentDenoiser(base=config, noise=noise, classes=len(prompts), adapt="full", lora=None)
    net.prior.load_state_dict(prior.state_dict())
    net.told = read_prompts(base, revision, prompts)
    lora = {"rank": rank, "alpha": alpha or rank, "targets": list(targets or TARGETS)} if adapt == "lora" else None
    net.choose_trained(adapt, lora)
    return net


@torch.no_grad()
def draw_starts(base: str, revision: str | None, prompts: Sequence[str]) -> torch.Tensor:
    """A latent (n, d) that the base draws for each prompt, (N, n, d)."""
    net = load_shape_denoiser(base, revision, prompts).eval()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    noise = draw_noise(0, range(len(prompts)), net.row_shape).to(device)
    told = {"label": torch.arange(len(prompts), device=device)}
    return solve(guide(net.to(device), GUIDANCE), noise, told, schedule(STEPS, 1.0), "dpm++").clamp(-1, 1).cpu()


def load_renderer(base: str, revision: str | None) -> Any:
    """The part of a pipeline that reads latents, a ShapERenderer in float32."""
    from diffusers.pipelines.shap_e.renderer import ShapERenderer

    check_pipeline(base, revision)
    return _settle(_load(ShapERenderer, base, "shap_e_renderer", revision))


def read_renderer(folder: Path) -> Any:
    """The renderer that a trained model brings."""
    from diffusers.pipelines.shap_e.renderer import ShapERenderer

    return _settle(ShapERenderer.from_pretrained(str(folder), use_safetensors=True))


def _settle(renderer: Any) -> Any:
    for parameter in renderer.parameters():
        # the file's memory map aligns tensors differently, which changes the last bits of some products
        parameter.data = parameter.data.clone()
    return renderer.requires_grad_(False).eval()


@torch.no_grad()
def read_prompts(base: str, revision: str | None, prompts: Sequence[str]) -> torch.Tensor:
    """What the prior is told of each prompt, float32 (N, width): CLIP's embedding, of norm √width."""
    from transformers import CLIPTextModelWithProjection, CLIPTokenizer

    tokenizer = _load(CLIPTokenizer, base, "tokenizer", revision)
    encoder = _load(CLIPTextModelWithProjection, base, "text_encoder", revision)
    tokenizer.pad_token_id = 0  # as diffusers' pipeline has it
    pieces = tokenizer(
        list(prompts), padding="max_length", max_length=tokenizer.model_max_length, truncation=True, return_tensors="pt"
    )
    found = encoder.eval()(pieces.input_ids).text_embeds
    return found / found.norm(dim=-1, keepdim=True) * found.shape[1] ** 0.5


def check_pipeline(base: str, revision: str | None) -> None:
    """A UserError, before any weight is read, for what is no Shap-E pipeline of diffusers."""
    if find_spec("transformers") is None:
        raise UserError(
            "model.base: Shap-E needs the package transformers, which is not installed; run: pip install "
            "'synthgen[3d,bases]'"
        )
    if not base.strip():
        raise UserError("model.base: '' is no pipeline; name a folder or a Hub id, or write null")
    folder = Path(base)
    if len(folder.parts) > 2 and not folder.is_dir():
        raise UserError(f"model.base: there is no folder {base}; name one, or a Hub id such as openai/shap-e")
    if folder.is_dir() and not (folder / "model_index.json").is_file():
        raise UserError(
            f"model.base: {base} has no model_index.json; name a folder that a pipeline's save_pretrained wrote"
        )
    try:
        index = DiffusionPipeline.load_config(base, revision=revision)
    except (OSError, ValueError) as error:
        raise UserError(
            f"model.base: {base} cannot be read ({_first_line(error)}); name a folder or a Hub id such as openai/shap-e"
        ) from None
    name = index.get("_class_name")
    if name != PIPELINE:
        told = " needs code of its own" if isinstance(name, list) else f" is a {name}, which draws no shapes from words"
        raise UserError(f"model.base: {base}{told}; {ADVICE}")


def _load(cls: Any, base: str, part: str, revision: str | None) -> Any:
    given, info = {"subfolder": part, "revision": revision}, {"missing_keys": ()}
    try:
        with quiet():
            if not issubclass(cls, nn.Module):
                return cls.from_pretrained(base, **given)
            safe = {"use_safetensors": True, "torch_dtype": torch.float32, "output_loading_info": True}
            found, info = cls.from_pretrained(base, **given, **safe)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise UserError(
            f"model.base: the {part} of {base} could not be loaded ({_first_line(error)}); name a Shap-E pipeline "
            "whose weights are safetensors: load another with diffusers and save it with save_pretrained"
        ) from None
    missing = sorted(set(info["missing_keys"]) - set(UNUSED))
    if missing:  # they would be random numbers
        raise UserError(f"model.base: the {part} of {base} has no weights for {missing[0]}; {ADVICE}")
    return found


def _plain(part: Any) -> dict[str, Any]:
    """A component's configuration as JSON has it, without diffusers' own notes."""
    found = json.loads(json.dumps(dict(part.config)))
    return {name: value for name, value in found.items() if not name.startswith("_")}


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
