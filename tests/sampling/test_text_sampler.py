"""Texts of different lengths are drawn by width and come back in their order, whatever their company."""

import numpy as np
import pytest
import torch

from synthgen.codecs.pairs import fit_pair_codec
from synthgen.networks.language import TextDenoiser
from synthgen.sampling.loading import load_denoiser
from synthgen.sampling.options import SampleOptions
from synthgen.sampling.pretrained import BlockPipeline, save_pipeline
from synthgen.sampling.sampler import Sampler
from synthgen.slots import Names
from synthgen.types import Data, Origin, as_objects, take_rows

WORDS = ["one", "two of them", "three, and then some more of them", "four"]


@pytest.fixture(scope="module")
def sampler():
    texts = [f"{n} {word}" for n in range(8) for word in WORDS]
    rows = {"source": as_objects(texts), "target": as_objects(texts), "label": np.zeros(len(texts), np.int64)}
    data = Data(rows, rows, rows, ("any",), Origin("x", "x", "x", "x", "x"))
    codec = fit_pair_codec(data, Names.of([]), 260, 4)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = TextDenoiser(len(codec.vocabulary), 2, codec.longest, width=32, depth=1, classes=2, values=401)
        for parameter in net.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    return Sampler(net, codec, SampleOptions(steps=4, batch_size=4, precision="fp32"), seed=3)


def ask(count):
    texts = as_objects([f"{n} {WORDS[n % 4]}" for n in range(count)])
    return {
        "source": texts, "target": np.full(count, None, object), "label": np.zeros(count, np.int64),
        "lead": np.zeros(count, np.int64),
    }  # fmt: skip


def test_rows_come_back_in_their_order(sampler):
    conditions = ask(10)
    assert len(np.unique(sampler.codec.widths(conditions))) > 1
    drawn = sampler.sample(conditions, np.arange(10))
    assert drawn["source"].tolist() == conditions["source"].tolist() and len(set(drawn["target"])) > 5


def test_a_row_does_not_depend_on_its_company(sampler):
    conditions = ask(10)
    whole = sampler.sample(conditions, np.arange(10))["target"]
    for part in (np.array([3, 7]), np.array([0]), np.array([9, 1, 4])):
        assert sampler.sample(take_rows(conditions, part), part)["target"].tolist() == whole[part].tolist()


def test_the_bare_loop_writes_rows_without_decoding_them(sampler, monkeypatch):
    monkeypatch.setattr(type(sampler.codec), "decode", None)
    rows, seconds = sampler.time_bare(ask(6), 0.001)
    assert rows % 6 == 0 and rows and seconds > 0


def test_a_saved_model_draws_the_same_texts_and_is_a_pipeline(sampler, tmp_path):
    save_pipeline(sampler.net, sampler.codec.process, tmp_path)
    loaded = Sampler(load_denoiser(tmp_path), sampler.codec, sampler.options, seed=3)
    rows = ask(6)
    assert loaded.sample(rows, np.arange(6))["target"].tolist() == sampler.sample(rows, np.arange(6))["target"].tolist()
    found = BlockPipeline.from_pretrained(tmp_path, denoiser=load_denoiser(tmp_path))
    condition = sampler.codec.condition(take_rows(rows, slice(0, 1)))
    tokens = found(condition, num_inference_steps=4, seed=3)
    known = condition["known"]
    assert torch.equal(tokens[known >= 0], known[known >= 0]) and not (tokens == sampler.codec.process.mask).any()
