"""Shap-E as a denoiser: what the pipeline itself would say, what is trained, and bases that are none."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from diffusers import ShapEPipeline
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from shape_bases import write_shap_e

from synthgen.diffusion.process import FLOW
from synthgen.errors import UserError
from synthgen.networks.pretrained_shapes import (
    ShapeOptions,
    draw_starts,
    load_renderer,
    load_shape_denoiser,
    read_prompts,
)
from synthgen.sampling.loading import load_denoiser
from synthgen.sampling.pretrained import save_pipeline

PROMPTS = ["a chair", "a table", "a lamp"]
LABEL = {"label": torch.tensor([0, 2])}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return str(write_shap_e(tmp_path_factory.mktemp("bases") / "shap-e"))


@pytest.fixture(scope="module")
def pipeline(base):
    return ShapEPipeline.from_pretrained(base, use_safetensors=True)


def noisy(seed=0):
    return torch.randn(2, 32, 16, generator=torch.Generator().manual_seed(seed))


def test_prompts_are_told_as_the_pipeline_tells_them(base, pipeline):
    told = read_prompts(base, None, PROMPTS)
    assert torch.equal(told, pipeline._encode_prompt(PROMPTS, "cpu", 1, False))
    assert not torch.allclose(told[0], told[1]) and float(told.norm(dim=1).max()) == pytest.approx(32**0.5)


@pytest.mark.parametrize("step", [0, 3, 7, 9, 13])
def test_it_says_what_the_pipelines_prior_says_at_equal_noise(base, pipeline, step):
    net, scheduler = load_shape_denoiser(base, None, PROMPTS).eval(), pipeline.scheduler
    scheduler.set_timesteps(8)
    ratio, time = scheduler.sigmas[step], scheduler.timesteps[step]
    x = noisy() * (1 + ratio)  # theirs: x + ratio ε
    told = pipeline._encode_prompt([PROMPTS[0], PROMPTS[2]], "cpu", 1, False)
    for keep, asked in ((None, told), (torch.tensor([True, False]), told * torch.tensor([[1.0], [0.0]]))):
        found = pipeline.prior(x / (ratio**2 + 1) ** 0.5, timestep=time, proj_embedding=asked)
        wanted = found.predicted_image_embedding[..., :16].clamp(-1, 1)
        sigma = (ratio / (1 + ratio)).expand(2)
        torch.testing.assert_close(net(x / (1 + ratio), sigma, LABEL, keep), wanted, atol=2e-5, rtol=0)


def test_times_are_interpolated_as_diffusers_does(base, pipeline):
    net = load_shape_denoiser(base, None, PROMPTS)
    ratios = torch.tensor([1e-4, 0.12, 0.5, 1.0, 7.3, 250.0, 1e6])
    steps = net.find_step(ratios / (1 + ratios))
    wanted = pipeline.scheduler._sigma_to_t(ratios.numpy(), net.levels.numpy())
    torch.testing.assert_close(steps, torch.from_numpy(wanted).float(), atol=0.02, rtol=0)
    assert net.find_step(torch.tensor([0.0, 1.0])).tolist() == [0, 1023]


@pytest.mark.parametrize(
    ("adapt", "names"), [("full", ("own", "prior")), ("heads", ("own",)), ("none", ()), ("lora", ("own", "prior"))]
)
def test_what_is_trained_and_what_is_kept(base, adapt, names, tmp_path):
    net = load_shape_denoiser(base, None, PROMPTS, adapt=adapt, rank=2)
    plain = load_shape_denoiser(base, None, PROMPTS).eval()
    trained = [name for name, p in net.named_parameters() if p.requires_grad]
    assert {name.partition(".")[0] for name in trained} == set(names)
    assert adapt != "lora" or all("lora_" in name for name in trained if name.startswith("prior"))
    x, sigma = noisy(), torch.tensor([0.3, 0.9])
    assert torch.equal(net.eval()(x, sigma, LABEL), plain(x, sigma, LABEL)), "it does not start from the base"
    with torch.no_grad():
        for p in net.parameters():
            if p.requires_grad:
                p.add_(0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1)))
    if trained:
        (net.train()(x, sigma, LABEL) - x).square().mean().backward()
    assert all(p.grad is not None for p in net.parameters() if p.requires_grad)
    save_pipeline(net, FLOW, tmp_path / "model")
    read = load_denoiser(tmp_path / "model").eval()
    found, wanted = read(x, sigma, LABEL), net.eval()(x, sigma, LABEL)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)
    assert (adapt == "none") == torch.equal(found, plain(x, sigma, LABEL))
    assert [name for name, p in read.named_parameters() if p.requires_grad] == trained
    assert read.row_shape == (32, 16)


def test_in_training_nothing_is_cut_off(base):
    net, x = load_shape_denoiser(base, None, PROMPTS), 30 * noisy()
    with torch.no_grad():
        net.prior.proj_to_clip_embeddings.weight.mul_(50)
    assert float(net.train()(x, torch.tensor([0.5, 0.5]), LABEL).abs().max()) > 1
    assert float(net.eval()(x, torch.tensor([0.5, 0.5]), LABEL).abs().max()) == 1


def test_starts_are_what_the_base_draws_of_each_class(base):
    one, other = draw_starts(base, None, PROMPTS), draw_starts(base, None, PROMPTS)
    assert one.shape == (3, 32, 16) and torch.equal(one, other) and float(one.abs().max()) <= 1
    assert not torch.allclose(one[0], one[1], atol=0.05)


def break_index(folder, name):
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, "_class_name": name}))


def make_pickle(folder):
    file = folder / "prior" / "diffusion_pytorch_model.safetensors"
    file.rename(file.with_suffix(".bin"))


def predict_noise(folder):
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "prediction_type": "epsilon"}))


def draw_images(folder):
    path = folder / "prior" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "added_emb_type": "prd"}))
    file = path.with_name("diffusion_pytorch_model.safetensors")
    save_file({**load_file(file), "prd_embedding": torch.zeros(1, 1, 32)}, file, {"format": "pt"})


def lose_weights(folder):
    file = folder / "prior" / "diffusion_pytorch_model.safetensors"
    kept = {name: values for name, values in load_file(file).items() if name != "proj_in.weight"}
    save_file(kept, file, {"format": "pt"})


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (shutil.rmtree, "there is no folder "),
        (lambda folder: (folder / "model_index.json").unlink(), " has no model_index.json; name a folder"),
        (
            lambda folder: break_index(folder, "StableDiffusionPipeline"),
            " is a StableDiffusionPipeline, which draws",
        ),
        (lambda folder: break_index(folder, "ShapEImg2ImgPipeline"), " is a ShapEImg2ImgPipeline, which draws no"),
        (lambda folder: break_index(folder, ["mine", "Pipeline"]), " needs code of its own; choose one such as"),
        (make_pickle, "whose weights are safetensors: load another with diffusers and save it"),
        (predict_noise, " predicts 'epsilon', not 'sample' as that of Shap-E"),
        (draw_images, " draws embeddings of images and no shapes"),
        (lose_weights, " has no weights for proj_in.weight"),
        (lambda folder: shutil.rmtree(folder / "text_encoder"), "the text_encoder of "),
    ],
)
def test_what_is_no_base_is_told_in_a_sentence(base, tmp_path, damage, told):
    folder = tmp_path / "one" / "base"
    shutil.copytree(base, folder)
    damage(folder)
    with pytest.raises(UserError) as error:
        load_shape_denoiser(str(folder), None, PROMPTS)
    assert str(error.value).startswith("model.base: ") and told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_renderer_that_is_a_pickle_or_has_no_name(base, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    folder = tmp_path / "one" / "base"
    shutil.copytree(base, folder)
    (folder / "shap_e_renderer" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(UserError, match="model.base: the shap_e_renderer of .* whose weights are safetensors"):
        load_renderer(str(folder), None)
    with pytest.raises(UserError, match="model.base: '' is no pipeline"):
        load_renderer(" ", None)
    with pytest.raises(UserError, match="model.base: nobody/nothing cannot be read"):
        load_renderer("nobody/nothing", None)


def test_prompts_name_the_class():
    options = ShapeOptions(base="x", prompt="{class}, low poly")
    assert options.write_prompts(("chair", "mug")) == ["chair, low poly", "mug, low poly"]
    with pytest.raises(ValidationError, match="asks for no class; write {class} in it"):
        ShapeOptions(base="x", prompt="a chair")
    with pytest.raises(ValidationError, match="adapt says how a base is trained, and base is null"):
        ShapeOptions(adapt="none")
