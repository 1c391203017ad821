"""Tiny pipelines in the format of the Hub, written by the classes of diffusers and transformers; random weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers as d
import torch
import transformers as t
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

WORDS = ("a", "photo", "of", "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "tissue")


def _clip_tokenizer(folder: Path) -> Any:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({piece: place for place, piece in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return t.CLIPTokenizer.from_pretrained(folder, model_max_length=16)


def _clip(width: int = 32, projected: bool = False, act: str = "quick_gelu") -> Any:
    config = t.CLIPTextConfig(
        vocab_size=514, hidden_size=width, intermediate_size=37, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=16, projection_dim=width, hidden_act=act, bos_token_id=512, eos_token_id=513,
    )  # fmt: skip
    return (t.CLIPTextModelWithProjection if projected else t.CLIPTextModel)(config)


def _word_tokenizer(cls: Any, **special: str) -> Any:
    names = list(dict.fromkeys([*special.values(), "<unk>", *WORDS]))
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(names)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Whitespace(), decoders.WordPiece()
    return cls(tokenizer_object=tokenizer, unk_token="<unk>", **special)


def _t5() -> tuple[Any, Any]:
    config = t.T5Config(vocab_size=64, d_model=32, d_ff=37, d_kv=8, num_layers=2, num_heads=4, pad_token_id=0)
    return t.T5EncoderModel(config), _word_tokenizer(t.PreTrainedTokenizerFast, pad_token="<pad>", eos_token="</s>")


def _vae(latents: int = 4, **more: Any) -> Any:
    return d.AutoencoderKL(
        block_out_channels=(8, 16), in_channels=3, out_channels=3, down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2, latent_channels=latents, norm_num_groups=4, sample_size=16, **more,
    )  # fmt: skip


def _unet(**more: Any) -> Any:
    given: dict[str, Any] = {
        "block_out_channels": (16, 32), "layers_per_block": 1, "sample_size": 8, "in_channels": 4, "out_channels": 4,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"), "cross_attention_dim": 32, "norm_num_groups": 4,
        "attention_head_dim": 2,
    }  # fmt: skip
    return d.UNet2DConditionModel(**{**given, **more})


def _ddim(**more: Any) -> Any:
    return d.DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
        steps_offset=1,
        **more,
    )  # fmt: skip


def _sd(folder: Path) -> Any:
    return d.StableDiffusionPipeline(
        unet=_unet(), vae=_vae(), scheduler=_ddim(), text_encoder=_clip(), tokenizer=_clip_tokenizer(folder / "words"),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip


def _sdxl(folder: Path) -> Any:
    words = _clip_tokenizer(folder / "words")
    unet = _unet(
        attention_head_dim=(2, 4), use_linear_projection=True, addition_embed_type="text_time",
        addition_time_embed_dim=8, transformer_layers_per_block=(1, 2), projection_class_embeddings_input_dim=80,
        cross_attention_dim=64,
    )  # fmt: skip
    return d.StableDiffusionXLPipeline(
        unet=unet, vae=_vae(), scheduler=_ddim(prediction_type="v_prediction"), text_encoder=_clip(act="gelu"),
        tokenizer=words, text_encoder_2=_clip(projected=True, act="gelu"), tokenizer_2=words,
    )  # fmt: skip


def _sd3(folder: Path) -> Any:
    words, (t5, pieces) = _clip_tokenizer(folder / "words"), _t5()
    transformer = d.SD3Transformer2DModel(
        sample_size=8, patch_size=2, in_channels=4, num_layers=2, attention_head_dim=8, num_attention_heads=4,
        caption_projection_dim=32, joint_attention_dim=32, pooled_projection_dim=64, out_channels=4,
        pos_embed_max_size=16,
    )  # fmt: skip
    return d.StableDiffusion3Pipeline(
        transformer=transformer, vae=_vae(shift_factor=0.0609, scaling_factor=1.5),
        scheduler=d.FlowMatchEulerDiscreteScheduler(shift=3.0), text_encoder=_clip(projected=True), tokenizer=words,
        text_encoder_2=_clip(projected=True), tokenizer_2=words, text_encoder_3=t5, tokenizer_3=pieces,
    )  # fmt: skip


def _flux(folder: Path) -> Any:
    t5, pieces = _t5()
    transformer = d.FluxTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=32, pooled_projection_dim=32, axes_dims_rope=(4, 4, 8), guidance_embeds=True,
    )  # fmt: skip
    return d.FluxPipeline(
        transformer=transformer, vae=_vae(shift_factor=0.1, scaling_factor=1.2),
        scheduler=d.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True), text_encoder=_clip(),
        tokenizer=_clip_tokenizer(folder / "words"), text_encoder_2=t5, tokenizer_2=pieces,
    )  # fmt: skip


def _sana(folder: Path) -> Any:
    transformer = d.SanaTransformer2DModel(
        patch_size=1, in_channels=4, out_channels=4, num_layers=1, num_attention_heads=2, attention_head_dim=4,
        num_cross_attention_heads=2, cross_attention_head_dim=4, cross_attention_dim=8, caption_channels=8,
        sample_size=8,
    )  # fmt: skip
    vae = d.AutoencoderDC(
        in_channels=3, latent_channels=4, attention_head_dim=2, encoder_block_types=("ResBlock", "EfficientViTBlock"),
        decoder_block_types=("ResBlock", "EfficientViTBlock"), encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8), encoder_qkv_multiscales=((), (5,)), decoder_qkv_multiscales=((), (5,)),
        encoder_layers_per_block=(1, 1), decoder_layers_per_block=(1, 1), downsample_block_type="conv",
        upsample_block_type="interpolate", decoder_norm_types="rms_norm", decoder_act_fns="silu",
        scaling_factor=0.41407,
    )  # fmt: skip
    gemma = t.Gemma2Model(t.Gemma2Config(
        head_dim=4, hidden_size=8, intermediate_size=8, num_attention_heads=2, num_hidden_layers=1,
        num_key_value_heads=2, vocab_size=64, attn_implementation="eager",
    ))  # fmt: skip
    words = _word_tokenizer(
        t.GemmaTokenizer if False else t.PreTrainedTokenizerFast,
        pad_token="<pad>",
        eos_token="<eos>",
        bos_token="<bos>",
    )
    return d.SanaPipeline(
        transformer=transformer, vae=vae, scheduler=d.FlowMatchEulerDiscreteScheduler(shift=3.0), text_encoder=gemma,
        tokenizer=words,
    )  # fmt: skip


def _dit(folder: Path) -> Any:
    transformer = d.DiTTransformer2DModel(
        sample_size=8, num_layers=2, patch_size=2, attention_head_dim=8, num_attention_heads=2, in_channels=4,
        out_channels=8, attention_bias=True, activation_fn="gelu-approximate", num_embeds_ada_norm=20,
        norm_type="ada_norm_zero", norm_elementwise_affine=False,
    )  # fmt: skip
    return d.DiTPipeline(transformer=transformer, vae=_vae(), scheduler=d.DDIMScheduler())


def _unet2d(folder: Path) -> Any:
    unet = d.UNet2DModel(
        sample_size=16, in_channels=3, out_channels=3, layers_per_block=1, block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=4, attention_head_dim=4,
    )  # fmt: skip
    return d.DDPMPipeline(unet=unet, scheduler=d.DDPMScheduler())


PIPELINES: dict[str, Callable[[Path], Any]] = {
    "sd": _sd, "sdxl": _sdxl, "sd3": _sd3, "flux": _flux, "sana": _sana, "dit": _dit, "unet2d": _unet2d,
}  # fmt: skip


def write_pipeline(name: str, folder: Path) -> Path:
    """The tiny pipeline of that family in `folder`, as `save_pretrained` writes it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pipeline = PIPELINES[name](folder)
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder
