"""Every family of pretrained pipelines, tiny: loaded, fine-tuned, saved, and read by a process of its own."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pipelines import PIPELINES, write_pipeline

from synthgen import task as tasks
from synthgen.codecs.latents import open_latents
from synthgen.diffusion.flow import add_noise
from synthgen.errors import UserError
from synthgen.modelling import _copy
from synthgen.networks.image_base import open_image_base, tell_prompts
from synthgen.sampling.options import SampleOptions
from synthgen.sampling.pretrained import RowPipeline, save_pipeline
from synthgen.sampling.sampler import Sampler
from synthgen.training.loop import train
from synthgen.training.options import TrainOptions
from synthgen.types import take_rows

TRAINING = TrainOptions(
    seconds=None, steps=20, batch_size=8, learning_rate=2e-3, optimizer="adamw", validate_every=0.5, ema=0.0
)
STEPS = SampleOptions(steps=3, batch_size=4, precision="fp32")
CASES = [(name, "classification") for name in PIPELINES] + [
    (name, "segmentation") for name in ("sd", "sdxl", "sd3", "flux")
]
READ = """
import sys, json, numpy as np, torch
from pathlib import Path
sys.path[:0] = [sys.argv[1], str(Path(sys.argv[1]).parent)]
import test_pretrained_image as mine
torch.set_num_threads(1)
for folder in sys.argv[2:]:
    folder = Path(folder)
    task, name = json.loads((folder / "case.json").read_text())
    np.save(folder / "again.npy", mine.sample_saved(folder, task))
"""


def load_rows(name):
    task = tasks.find(name)
    whole = task.load(task.source_options(kind="builtin", name=next(iter(task.builtins))), 0)
    parts = {part: take_rows(getattr(whole, part), slice(0, 32)) for part in ("train", "validation", "heldout")}
    return task, replace(whole, **parts)


def asked_for(data):
    return {name: values for name, values in take_rows(data.train, slice(0, 6)).items() if name != "image"}


def sample_saved(folder: Path, name: str) -> np.ndarray:
    from synthgen.sampling.loading import load_denoiser

    task, data = load_rows(name)
    codec = task.codec(data, task.model_options(base="gone", size=16), folder / "model")
    return Sampler(load_denoiser(folder / "model"), codec, STEPS, 0).sample(asked_for(data), np.arange(6))["image"]


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pipelines")
    return {name: write_pipeline(name, folder / name) for name in PIPELINES}


@pytest.fixture(scope="module")
def taught(bases, tmp_path_factory):
    """{(base, task): (history, rows of the net that was trained, folder)}; a fresh process has read every folder."""
    found = {}
    for name, task_name in CASES:
        folder = tmp_path_factory.mktemp(f"{name}-{task_name}")
        task, data = load_rows(task_name)
        options = task.model_options(base=str(bases[name]), size=16)
        codec = task.codec(data, options, None)
        torch.manual_seed(0)
        net = task.network(data, codec, options)
        before = {n: p.clone() for n, p in net.named_parameters()}
        result = train(
            net, codec, data, TRAINING, seed=0, folder=folder / "training", augment=task.augment, look=lambda n, s: None
        )
        frozen = {n for n, p in net.named_parameters() if not p.requires_grad}
        assert all(torch.equal(before[n], p) for n, p in net.named_parameters() if n in frozen)
        copy = _copy(net, torch.device("cpu"))
        save_pipeline(copy, codec.process, folder / "model", **codec.components())
        (folder / "case.json").write_text(json.dumps([task_name, name]))
        first = codec_loss(net_before(net, before), codec, data), codec_loss(net, codec, data)
        found[name, task_name] = (first, result, folder, frozen)
    folders = [str(folder) for *_, folder, _ in found.values()]
    subprocess.run([sys.executable, "-c", READ, str(Path(__file__).parent), *folders], check=True, timeout=300)
    return found


def net_before(net, weights):
    copy = _copy(net, torch.device("cpu"))
    copy.load_state_dict(weights, strict=False)
    return copy


def codec_loss(net, codec, data):
    from synthgen.training.loop import denoising_losses

    return float(denoising_losses(net, codec, data.train, 0, torch.device("cpu")).mean())


@pytest.mark.slow
@pytest.mark.parametrize(("name", "task"), CASES)
def test_twenty_steps_teach_it_something(taught, name, task):
    (before, after), result, _, frozen = taught[name, task]
    assert result.step == 20 and after < 0.997 * before
    assert any(n.startswith("base.") for n in frozen)  # matrices of LoRA, or a ControlNet, are trained beside it


@pytest.mark.slow
@pytest.mark.parametrize(("name", "task"), CASES)
def test_a_fresh_process_draws_the_same_rows_without_the_base(taught, name, task):
    folder = taught[name, task][2]
    again = np.load(folder / "again.npy")
    assert np.array_equal(again, sample_saved(folder, task)) and again.std() > 1
    assert not list((folder / "model").rglob("*.bin"))


@pytest.mark.slow
def test_a_saved_model_is_a_pipeline_of_diffusers(taught):
    folder = taught["sdxl", "classification"][2] / "model"
    pipeline = RowPipeline.from_pretrained(folder, use_safetensors=True)
    x = pipeline({"label": torch.tensor([1, 2])}, num_inference_steps=2)
    assert x.shape == (2, 4, 8, 8) and bool(torch.isfinite(x).all())
    assert pipeline.vae.config.latent_channels == 4


@pytest.mark.parametrize("name", PIPELINES)
def test_at_first_it_says_what_the_base_says(bases, name):
    """The pipeline's own denoiser, asked directly."""
    task, data = load_rows("classification")
    options = task.model_options(base=str(bases[name]), size=16, prompt="a photo of {class}")
    codec = task.codec(data, options, None)
    net = task.network(data, codec, options).eval()
    base = open_image_base(str(bases[name]), None)
    x, sigma = torch.randn(2, *codec.shape), torch.tensor([0.4, 0.8])
    label = torch.tensor([3, 7])
    z, t = net.objective.enter(x, sigma)
    told = {
        n: table[label]
        for n, table in tell_prompts(base, [f"a photo of {n}" for n in data.classes], codec.shape).items()
    }
    if name == "dit":  # its own classes are not ours: it is told none, its twenty-first
        told["label"] = torch.tensor([20, 20])
    if name == "unet2d":
        from diffusers import UNet2DModel

        output = UNet2DModel.from_pretrained(bases[name], subfolder="unet", use_safetensors=True)(z, t).sample
    else:
        output = net.family.ask(base.load_core().eval(), z, t, told, None)
    with torch.no_grad():
        found = net(x, sigma, {"label": label})
    assert torch.allclose(found, net.objective.leave(output, x, sigma), atol=1e-4) and float(found.std()) > 0.01


def test_flux_is_asked_as_its_pipeline_asks_it(bases):
    """Tokens in the pipeline's order: what its own packing makes of latents comes back through its own unpacking."""
    from diffusers import FluxPipeline

    from synthgen.networks.image_families import _pack

    z = torch.randn(2, 4, 6, 8)
    assert torch.equal(_pack(z), FluxPipeline._pack_latents(z, 2, 4, 6, 8))


def test_who_is_not_told_gets_the_empty_prompt(bases):
    task, data = load_rows("classification")
    options = task.model_options(base=str(bases["sd"]), size=16)
    net = task.network(data, task.codec(data, options, None), options)
    told = net.tell({"label": torch.tensor([4, 4])}, torch.tensor([True, False]))
    base = open_image_base(str(bases["sd"]), None)
    table = tell_prompts(base, ["a photo of 4"], (4, 8, 8))["prompt"]
    assert torch.allclose(told["prompt"], table, atol=1e-6) and not torch.equal(table[0], table[1])


def test_masks_reach_the_controlnet_class_by_class(bases):
    task, data = load_rows("segmentation")
    options = task.model_options(base=str(bases["sd"]), size=16)
    net = task.network(data, task.codec(data, options, None), options)
    mask = torch.tensor([[[0, 1], [2, 255]]]).repeat_interleave(8, 1).repeat_interleave(8, 2)
    hint = net.read_mask(mask, None)
    assert hint.shape == (1, len(data.classes), 16, 16)
    assert hint[0, :3, 4, 4].tolist() == [1, 0, 0] and hint[0, :3, 12, 4].tolist() == [0, 0, 1]
    assert float(hint[0, :, 12:, 12:].sum()) == 0  # not annotated
    assert float(net.read_mask(mask, torch.tensor([False])).sum()) == 0


@pytest.mark.parametrize(("adapt", "trained"), [("full", {"base"}), ("heads", {"tables"}), ("lora", {"lora"})])
def test_only_what_is_adapted_is_trained(bases, adapt, trained):
    task, data = load_rows("classification")
    options = task.model_options(base=str(bases["sd"]), size=16, adapt=adapt)
    net = task.network(data, task.codec(data, options, None), options)
    names = {n for n, p in net.named_parameters() if p.requires_grad}
    assert {"lora" if "lora_" in n else n.split(".")[0] for n in names} == trained


def test_grey_rows_come_back_grey_and_of_their_size(bases):
    _, data = load_rows("classification")
    codec = open_latents(
        data.train["image"], "label", tasks.find("classification").model_options(base=str(bases["unet2d"])), None
    )
    rows = take_rows(data.train, slice(0, 4))
    back = codec.decode(codec.encode(rows), rows)["image"]
    assert back.shape == rows["image"].shape == (4, 8, 8, 1)
    assert np.abs(back.astype(int) - rows["image"]).mean() < 12  # twice as large and back


def test_latents_are_scaled_as_the_base_says(bases):
    _, data = load_rows("segmentation")
    options = tasks.find("segmentation").model_options(base=str(bases["sd3"]), size=64)
    codec = open_latents(data.train["image"], "mask", options, None)
    image = torch.from_numpy(data.train["image"][:2]).permute(0, 3, 1, 2).float() / 127.5 - 1
    latents = codec.vae.encode(image).latent_dist.mode()
    assert torch.allclose(codec.encode(take_rows(data.train, slice(0, 2))), (latents - 0.0609) * 1.5, atol=1e-5)


def change(folder, file, **fields):
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda f: (f / "model_index.json").unlink(), "has no model_index.json"),
        (lambda f: change(f, "model_index.json", _class_name="StableAudioPipeline"), "is a StableAudioPipeline"),
        (lambda f: change(f, "model_index.json", unet=["theirs", "Net"]), "needs code of its own (theirs.Net)"),
        (lambda f: change(f, "scheduler/scheduler_config.json", prediction_type="score"), "prediction_type 'score'"),
        (
            lambda f: (f / "unet/diffusion_pytorch_model.safetensors").rename(f / "unet/diffusion_pytorch_model.bin"),
            "the unet of .* has no safetensors, and pickles are not read",
        ),
    ],
)  # fmt: skip
def test_bases_that_will_not_do(tmp_path, spoil, told):
    folder = write_pipeline("sd", tmp_path / "base")
    spoil(folder)
    _, data = load_rows("classification")
    with pytest.raises(UserError, match="^model\\.base: .*" + told.replace("(", "\\(").replace(")", "\\)")):
        open_latents(data.train["image"], "label", tasks.find("classification").model_options(base=str(folder)), None)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"base": "nowhere/to/be/found"}, "model.base: there is no folder nowhere/to/be/found"),
        ({"base": " "}, "model.base: '' is no model"),
        ({"size": 15}, "model.size: 15 is no multiple of 4, .*; take 16"),
        ({"prompt": "a digit"}, "model.prompt: 'a digit' does not fit rows that are drawn to a label; write {class}"),
        ({"targets": ("query",)}, "model.targets: no layer of this base ends with query; those that there are"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit(bases, fields, told):
    task, data = load_rows("classification")
    options = task.model_options(**{"base": str(bases["sd"]), "size": 16, **fields})
    with pytest.raises(UserError, match="^" + told):
        task.network(data, task.codec(data, options, None), options)


def test_a_base_without_controlnets_draws_no_masks(bases):
    task, data = load_rows("segmentation")
    options = task.model_options(base=str(bases["dit"]))
    with pytest.raises(UserError, match=r"^model\.base: .* cannot be told masks, .*; choose Stable Diffusion, SDXL"):
        task.network(data, task.codec(data, options, None), options)


def test_training_is_the_same_whatever_was_drawn_before(bases):
    """No dropout of a base draws from numbers that no seed of a run knows."""
    task, data = load_rows("classification")
    options = task.model_options(base=str(bases["dit"]), adapt="full")
    net = task.network(data, task.codec(data, options, None), options).train()
    x, sigma, label = torch.randn(64, 4, 8, 8), torch.full((64,), 0.5), torch.arange(64) % 10
    assert torch.equal(*(net(add_noise(x, x, sigma), sigma, {"label": label}) for _ in range(2)))


@pytest.mark.parametrize("name", ["sd", "sd3", "dit"])
def test_layers_that_are_computed_again_teach_the_same(bases, name):
    task, data = load_rows("classification")
    options = task.model_options(base=str(bases[name]), size=16, adapt="full")
    net = task.network(data, task.codec(data, options, None), options).train()
    x, sigma, label = torch.randn(2, 4, 8, 8), torch.full((2,), 0.5), torch.arange(2)

    def learn():
        net.zero_grad()
        net(x, sigma, {"label": label}).square().mean().backward()
        return {n: p.grad.clone() for n, p in net.named_parameters() if p.grad is not None}

    plain = learn()
    net.enable_gradient_checkpointing()
    assert any(getattr(module, "gradient_checkpointing", False) for module in net.modules())
    again = learn()
    assert plain.keys() == again.keys() and all(torch.allclose(plain[n], again[n], atol=1e-6) for n in plain)


def test_weights_that_are_not_there_are_not_made_up(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = write_pipeline("sd", tmp_path / "base")
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    weights.pop("conv_out.weight")
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(
        UserError, match=r"^model\.base: the unet of .* has no weights for conv_out\.weight; name a whole"
    ):
        open_image_base(str(folder), None).load_core()
