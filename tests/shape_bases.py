"""A tiny Shap-E pipeline, written by diffusers' and transformers' own classes in the format of the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import HeunDiscreteScheduler, PriorTransformer, ShapEPipeline
from diffusers.pipelines.shap_e import ShapERenderer
from skimage.measure import _marching_cubes_lewiner_luts
from skimage.measure._marching_cubes_lewiner import _to_array
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

HIDDEN, WIDTH = 8, 16  # of the small network, and of its latents (32, 16)
COSINES = slice(48, 51)  # of a place as the network is told it: the slowest waves
CORNERS = ((0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1))
EDGES = ((0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7))


def write_shap_e(folder: Path, seed: int = 0, **noise: Any) -> Path:
    """A ShapEPipeline of random weights that draws lumps; `noise` changes its scheduler."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        parts = {
            "prior": _prior(),
            "text_encoder": _text_encoder(),
            "tokenizer": write_tokenizer(),
            "scheduler": HeunDiscreteScheduler(**{
                "beta_schedule": "exp", "num_train_timesteps": 1024, "prediction_type": "sample",
                "use_karras_sigmas": True, "clip_sample": True, "clip_sample_range": 1.0, **noise,
            }),
            "shap_e_renderer": build_renderer(),
        }  # fmt: skip
    ShapEPipeline(**parts).save_pretrained(folder, safe_serialization=True)
    return folder


def _prior() -> PriorTransformer:
    prior = PriorTransformer(
        num_attention_heads=2, attention_head_dim=16, embedding_dim=WIDTH, num_embeddings=4 * HIDDEN, num_layers=1,
        additional_embeddings=0, embedding_proj_dim=32, time_embed_dim=64, clip_embed_dim=2 * WIDTH,
        time_embed_act_fn="gelu", norm_in_type="layer", embedding_proj_norm_type=None, encoder_hid_proj_type=None,
        added_emb_type=None,
    )  # fmt: skip
    torch.nn.init.normal_(prior.positional_embedding, std=0.2)
    return prior


def _text_encoder() -> CLIPTextModelWithProjection:
    return CLIPTextModelWithProjection(
        CLIPTextConfig(
            hidden_size=32, projection_dim=32, intermediate_size=37, num_attention_heads=4, num_hidden_layers=2,
            vocab_size=300, bos_token_id=298, eos_token_id=299, pad_token_id=299, max_position_embeddings=16,
        )
    )  # fmt: skip


def write_tokenizer() -> CLIPTokenizer:
    """Letters alone, without merges."""
    letters = [letter for letter in sorted(ByteLevel.alphabet()) if letter.isascii()]
    pieces = [*letters, *(f"{letter}</w>" for letter in letters)]
    pieces += [f"<unused {number}>" for number in range(len(pieces), 298)]
    vocabulary = {piece: number for number, piece in enumerate([*pieces, "<|startoftext|>", "<|endoftext|>"])}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=16)


@torch.no_grad()
def build_renderer() -> ShapERenderer:
    """A renderer that reads latents (32, 16) of about unit variance as lumps: its small network passes a ball's depth
    on from layer to layer, as silu(f) − silu(−f) = f, and latents change it a little."""
    names = [f"nerstf.mlp.{layer}.weight" for layer in range(4)]
    shapes = [(HIDDEN, 93), *[(HIDDEN, HIDDEN)] * 3]
    renderer = ShapERenderer(
        param_names=names,
        param_shapes=shapes,
        d_latent=WIDTH,
        d_hidden=HIDDEN,
        n_hidden_layers=5,
        insert_direction_at=4,
    )
    for layer, name in enumerate(names):
        projection = renderer.params_proj.projections[name.replace(".", "__")]
        projection.norm.weight.fill_(0.2)
        carried = torch.zeros(shapes[layer])
        carried[:2, :2] = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
        if layer == 0:
            projection.norm.weight[COSINES.stop :] = projection.norm.weight[3 : COSINES.start] = 0
            carried[:2] = 0
            carried[0, COSINES], carried[1, COSINES] = 6.0, -6.0
        projection.proj.bias.copy_(carried.reshape(-1))
    first, *_, behind, last = renderer.mlp.mlp
    first.bias[:2] = 6 * torch.tensor([-2.8, 2.8])  # cos x + cos y + cos z = 2.8 where r is about 0.63
    for layer in (behind, last):
        layer.weight[:2] *= 0.2
        layer.weight[:2, :2] = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    cases, masks = marching_cubes_table()
    renderer.mesh_decoder.cases.copy_(cases)
    renderer.mesh_decoder.masks.copy_(masks)
    return renderer


def marching_cubes_table() -> tuple[torch.Tensor, torch.Tensor]:
    """cases int64 (256, 5, 3) and masks bool (256, 5): the edges of the triangles for each pattern of corners, by
    Lorensen & Cline 1987, renumbered as Shap-E numbers corners (x + 2 y + 4 z) and edges (those along x, y, z)."""
    classic = _to_array(_marching_cubes_lewiner_luts.CASESCLASSIC)
    cases, masks = np.zeros((256, 5, 3), np.int64), np.zeros((256, 5), bool)
    for bits, edges in enumerate(classic):
        inside = [CORNERS[corner] for corner in range(8) if bits >> corner & 1]
        number = sum(1 << (x + 2 * y + 4 * z) for x, y, z in inside)
        triangles = [_number_edge(*EDGES[edge]) for edge in edges[edges >= 0]]
        count = len(triangles) // 3
        cases[number, :count], masks[number, :count] = np.reshape(triangles, (count, 3)), True
    return torch.from_numpy(cases), torch.from_numpy(masks)


def _number_edge(one: int, other: int) -> int:
    a, b = np.array(CORNERS[one]), np.array(CORNERS[other])
    axis = int(np.flatnonzero(a != b)[0])
    low, high = np.delete(a, axis)
    return int(4 * axis + low + 2 * high)
