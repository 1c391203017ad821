"""What of a pretrained language model is trained, and that it comes back as it was saved."""

import json
import subprocess
import sys
from dataclasses import replace

import fresh
import numpy as np
import pytest
import torch
from bases import ALL, FAMILIES, write_base, write_refiner
from safetensors.torch import load_file, save_file

from synthgen.codecs.pairs import fit_pair_codec
from synthgen.networks.language import TextOptions, build_text_network, choose_block, choose_pieces
from synthgen.networks.options import BaseOptions
from synthgen.sampling.loading import load_denoiser
from synthgen.sampling.options import SampleOptions
from synthgen.sampling.pretrained import save_pipeline
from synthgen.sampling.sampler import Sampler
from synthgen.slots import Names
from synthgen.training.loop import train
from synthgen.training.options import TrainOptions
from synthgen.types import Data, Origin, as_objects

NEW = ("segment", "value", "label", "added.")
OPTIONS = TrainOptions(
    steps=20, seconds=None, batch_size=8, validate_every=0.5, precision="fp32", learning_rate=3e-3, optimizer="adamw"
)
REFINERS = {"llada2": "modernbert", "llada2 of a llama": "llama"}


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    home = tmp_path_factory.mktemp("bases")
    found = {name: write_base(name, home / name, longest=128) for name in FAMILIES}
    return found | {name: write_refiner(family, home / name, longest=128) for name, family in REFINERS.items()}


def build(base, **more):
    options = TextOptions(base=str(base), **more)
    texts = [f"{n} {word}" for n in range(8) for word in ("one", "two of them", "May is no holiday")]
    rows = {"source": as_objects(texts), "target": as_objects(texts), "label": np.zeros(len(texts), np.int64)}
    data = Data(rows, rows, rows, ("any",), Origin("x", "x", "x", "x", "x"))
    codec = fit_pair_codec(data, Names.of([]), choose_pieces(options, None), 2)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = build_text_network(
            options, codec.vocabulary, segments=2, length=codec.longest, classes=2, values=400
        )  # fmt: skip
    return net, codec, data


def teach(base, folder, options=OPTIONS, **more):
    net, codec, data = build(base, **more)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    result = train(
        net, codec, data, options, seed=0, folder=folder, augment=lambda x, condition, names, generator: (x, condition),
        look=lambda net, step: None,
    )  # fmt: skip
    changed = {name for name, p in net.named_parameters() if not torch.equal(p, before[name])}
    return net, codec, result, changed


def ask(sources):
    """Rows whose other side is to be written."""
    none = np.zeros(len(sources), np.int64)
    return {"source": sources, "target": np.full(len(sources), None, object), "label": none, "lead": none}


@pytest.mark.parametrize("name", [*FAMILIES, *REFINERS])
def test_by_default_only_matrices_and_what_is_new_are_trained(bases, tmp_path, name):
    net, _, result, changed = teach(bases[name], tmp_path / "state")
    losses = [line["validation_loss"] for line in result.history]
    assert result.step == 20 and losses[-1] < 0.97 * losses[0]
    assert any("lora_A" in one for one in changed) and any("lora_B" in one for one in changed)
    assert all("lora_" in one or one.startswith(NEW) for one in changed)
    assert {one.split(".")[0] for one in changed} == {"language", "segment", "value", "label", "added"}
    assert sum(p.numel() for p in net.added.parameters()) < 10 * net.segment.embedding_dim
    (saved,) = tmp_path.rglob("trained.safetensors")
    assert set(load_file(saved)) == {n for n, p in net.named_parameters() if p.requires_grad}


def test_full_trains_all_and_heads_what_is_new_alone(bases, tmp_path):
    net, _, result, changed = teach(bases["modernbert"], tmp_path / "full", adapt="full")
    assert not any("lora_" in name for name, _ in net.named_parameters())
    assert {"language.model.layers.1.mlp.Wo.weight", "language.model.embeddings.tok_embeddings.weight"} <= changed
    assert result.history[-1]["validation_loss"] < 0.9 * result.history[0]["validation_loss"]
    _, _, _, changed = teach(bases["modernbert"], tmp_path / "heads", adapt="heads")
    assert {name.split(".")[0] for name in changed} == {"segment", "value", "label", "added"}


def test_rank_alpha_and_targets_are_what_the_recipe_says(bases):
    net, _, _ = build(bases["modernbert"], rank=3, alpha=6.0, targets=("Wi", "1.mlp.Wo"))
    shapes = {name: tuple(p.shape) for name, p in net.named_parameters() if "lora_A" in name}
    assert sorted(shapes) == [
        f"language.model.layers.{place}.lora_A.default.weight" for place in ("0.mlp.Wi", "1.mlp.Wi", "1.mlp.Wo")
    ]
    assert {shape[0] for shape in shapes.values()} == {3}
    assert net.config.lora["alpha"] == 6.0 and net.config.lora["rank"] == 3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["modernbert", "bert", "eurobert", "llada2"])
def test_a_fresh_process_draws_the_same_rows_bit_for_bit(bases, tmp_path, name):
    net, codec, _, _ = teach(bases[name], tmp_path / "state")
    save_pipeline(net, codec.process, tmp_path / "model")
    condition = codec.condition(codec.lay_out(ask(as_objects(["3 one", "5 two of them"]))))
    noise = codec.process.draw_noise(0, [0, 1], (condition["known"].shape[1],), fresh.STEPS)
    save_file({**condition, "noise": noise}, tmp_path / "asked.safetensors")
    found = []
    for file in ("one", "other"):
        told = [sys.executable, fresh.__file__, str(tmp_path), str(codec.block), file]
        subprocess.run(told, check=True, timeout=120)
        found.append(load_file(tmp_path / file))
    assert all(torch.equal(found[0][part], found[1][part]) for part in ("logits", "written"))
    merged = fresh.look(load_denoiser(tmp_path / "model"), condition)
    assert torch.equal(merged, found[0]["logits"])
    torch.testing.assert_close(merged, fresh.look(net, condition), rtol=1e-4, atol=1e-4)


def test_a_refiner_keeps_its_block_and_can_refine_texts(bases, tmp_path):
    net, codec, data = build(bases["llada2"])
    options = TextOptions(base=str(bases["llada2"]))
    assert choose_block(options, None) == 8 and choose_block(options.model_copy(update={"block": 4}), None) == 4
    codec = replace(codec, block=8)
    save_pipeline(net, codec.process, tmp_path)
    assert choose_block(options, tmp_path) == 8
    assert json.loads((tmp_path / "denoiser" / "config.json").read_text())["head"] == "AutoModelForMaskedLM"
    refine = SampleOptions(steps=3, solver="refine", threshold=0.5, editing_threshold=0.3, precision="fp32")
    asked = ask(data.train["source"][:6])
    drawn = Sampler(load_denoiser(tmp_path), codec, refine, seed=1).sample(asked, np.arange(6))
    assert drawn["source"].tolist() == asked["source"].tolist() and all(drawn["target"])


def test_layers_that_are_computed_again_learn_the_same(bases, tmp_path):
    few = OPTIONS.model_copy(update={"steps": 3})
    kept = teach(bases["modernbert"], tmp_path / "kept", few)[0]
    again = teach(bases["modernbert"], tmp_path / "again", few.model_copy(update={"gradient_checkpointing": True}))[0]
    assert again.language.is_gradient_checkpointing and not kept.language.is_gradient_checkpointing
    for (name, one), other in zip(kept.named_parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5, msg=name)


def test_there_is_no_chance_in_the_net_itself(bases):
    net, _, _ = build(bases["bert"])
    drops = [module.p for module in net.modules() if isinstance(module, torch.nn.Dropout)]
    assert net.training and drops and set(drops) == {0.0}
    assert ALL["bert"].model.config_class().hidden_dropout_prob > 0  # as it comes


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"base": "x", "adapt": "full", "rank": 4}, "rank is of lora, and adapt is full; set model.adapt to lora"),
        ({"base": "x", "adapt": "heads", "alpha": 4}, "alpha is of lora, and adapt is heads"),
        ({"base": "x", "adapt": "full", "targets": ("q",)}, "targets is of lora"),
        ({"rank": 4}, "rank says how a base is trained, and base is null; set model.base"),
        ({"adapt": "full"}, "adapt says how a base is trained, and base is null"),
    ],
)
def test_fields_that_say_nothing_are_refused(fields, told):
    with pytest.raises(ValueError, match=told):
        BaseOptions(**fields)
