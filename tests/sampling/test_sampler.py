"""Rows that depend on the seed and their own number alone."""

import numpy as np
import pytest
import torch

from synthgen.codecs.images import ImageCodec
from synthgen.networks.unet import SmallUNet
from synthgen.sampling.loading import load_denoiser
from synthgen.sampling.options import SampleOptions
from synthgen.sampling.pretrained import RowPipeline, save_pipeline
from synthgen.sampling.sampler import Sampler

CODEC = ImageCodec((1, 8, 8), 3, "label", "shared", ((0.4,), (0.4,), (0.3,)))


def build(**changes):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = SmallUNet(channels=1, size=(8, 8), patch=1, widths=(8, 16), blocks=1, classes=3, condition="label")
        for parameter in net.parameters():
            parameter.data += 0.05 * torch.randn_like(parameter)
    return Sampler(net, CODEC, SampleOptions(steps=4, batch_size=4, precision="fp32", **changes), seed=7)


def draw(sampler, indices):
    return sampler.sample({"label": indices % 3}, indices)["image"]


@pytest.mark.parametrize("solver", ["euler", "heun", "dpm++"])
def test_a_row_depends_on_its_number_alone(solver):
    sampler = build(solver=solver)
    whole = draw(sampler, np.arange(8))
    assert whole.shape == (8, 8, 8, 1) and whole.dtype == np.uint8
    np.testing.assert_array_equal(draw(sampler, np.arange(4, 8)), whole[4:])
    assert len(np.unique(whole.reshape(8, -1), axis=0)) == 8


def test_conditions_are_kept_and_heard():
    sampler, indices = build(guidance=4.0), np.zeros(3, np.int64)
    rows = sampler.sample({"label": np.arange(3)}, indices)
    assert rows["label"].tolist() == [0, 1, 2]
    assert len(np.unique(rows["image"].reshape(3, -1), axis=0)) > 1  # the same noise, another class


def test_another_seed_gives_other_rows():
    sampler = build()
    one = draw(sampler, np.arange(4))
    sampler.seed = 8
    assert not np.array_equal(one, draw(sampler, np.arange(4)))


@pytest.mark.parametrize(("solver", "calls"), [("euler", 4), ("heun", 7), ("dpm++", 4)])
def test_the_bare_loop_calls_the_net_as_often_as_sampling_does(solver, calls):
    sampler, counted = build(solver=solver), []
    sampler.net.register_forward_hook(lambda *_: counted.append(1))
    draw(sampler, np.arange(4))
    assert len(counted) == calls
    rows, seconds = sampler.time_bare({"label": np.arange(4) % 3}, 0.001)
    assert len(counted) - calls == calls * rows // 4 and seconds > 0


def test_a_saved_model_draws_the_same_rows(tmp_path):
    sampler = build()
    save_pipeline(sampler.net, sampler.codec.process, tmp_path)
    loaded = Sampler(load_denoiser(tmp_path), CODEC, sampler.options, seed=7)
    np.testing.assert_array_equal(draw(loaded, np.arange(4)), draw(sampler, np.arange(4)))
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".bin", ".pt", ".pkl", ".ckpt")]


def test_the_folder_is_a_diffusers_pipeline(tmp_path):
    sampler = build(solver="euler")
    save_pipeline(sampler.net, sampler.codec.process, tmp_path)
    index = (tmp_path / "model_index.json").read_text()
    assert "RowPipeline" in index and "FlowMatchEulerDiscreteScheduler" in index
    pipeline = RowPipeline(
        load_denoiser(tmp_path), RowPipeline.from_pretrained(tmp_path, use_safetensors=True).scheduler
    )
    x = pipeline({"label": torch.tensor([0, 1])}, 4, generator=torch.Generator().manual_seed(0))
    assert x.shape == (2, 1, 8, 8) and bool(torch.isfinite(x).all())
