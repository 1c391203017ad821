"""Low-rank matrices beside the layers of pretrained language models."""

import copy

import pytest
import torch
from bases import ALL, write_base

from synthgen.errors import UserError
from synthgen.networks.lora import add_lora, find_attention, find_layers, list_endings, merge_lora

ATTENTION = {
    "modernbert": ("attn.Wo", "attn.Wqkv"),
    "bert": ("attention.output.dense", "attention.self.key", "attention.self.query", "attention.self.value"),
    "xlm-roberta": ("attention.output.dense", "attention.self.key", "attention.self.query", "attention.self.value"),
    "eurobert": ("self_attn.k_proj", "self_attn.o_proj", "self_attn.q_proj", "self_attn.v_proj"),
    "llama": ("self_attn.k_proj", "self_attn.o_proj", "self_attn.q_proj", "self_attn.v_proj"),
}


@pytest.fixture(scope="module", params=sorted(ALL))
def model(request, tmp_path_factory):
    folder = write_base(request.param, tmp_path_factory.mktemp("bases") / request.param)
    return request.param, ALL[request.param].model.from_pretrained(folder).eval()


def stir(net):
    """Second matrices as if something had been learnt."""
    generator = torch.Generator().manual_seed(0)
    for name, parameter in net.named_parameters():
        if "lora_B" in name:
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.1


@torch.inference_mode()
def say(net):
    return net(torch.arange(20, 50)[None]).logits


def test_attention_is_found_whatever_it_is_called(model):
    name, net = model
    assert find_attention(net) == ATTENTION[name]
    assert len(find_layers(net, ATTENTION[name])) == 2 * len(ATTENTION[name])  # in each of two blocks


def test_matrices_change_nothing_until_they_have_learnt(model):
    _, plain = model
    net = copy.deepcopy(plain)
    add_lora(net, 4, 8.0, find_attention(net))
    assert torch.equal(say(net), say(plain))
    trained = {name for name, p in net.named_parameters() if p.requires_grad}
    assert trained and all("lora_A" in name or "lora_B" in name for name in trained)
    assert len(trained) == 2 * len(find_layers(plain, find_attention(plain)))
    stir(net)
    assert not torch.allclose(say(net), say(plain), atol=1e-3)


def test_merged_they_say_the_same(model):
    _, plain = model
    net = copy.deepcopy(plain)
    add_lora(net, 4, 8.0, find_attention(net))
    stir(net)
    before = say(net)
    merge_lora(net)
    torch.testing.assert_close(say(net), before, rtol=1e-4, atol=1e-4)
    merge_lora(net)  # once for all
    torch.testing.assert_close(say(net), before, rtol=1e-4, atol=1e-4)


def test_the_scale_is_alpha_by_rank():
    for alpha in (4.0, 12.0):
        net = torch.nn.Sequential(torch.nn.Linear(6, 6))
        weight = net[0].weight.detach().clone()
        add_lora(net, 4, alpha, ("0",))
        stir(net)
        added = net[0].lora_B["default"].weight @ net[0].lora_A["default"].weight
        merge_lora(net)
        torch.testing.assert_close(net[0].base_layer.weight, weight + alpha / 4 * added)


def test_targets_that_there_are_not_are_told_with_those_that_there_are():
    net = torch.nn.ModuleDict({"attn": torch.nn.Linear(2, 2), "mlp": torch.nn.ModuleList([torch.nn.Linear(2, 2)])})
    assert list_endings(net) == ["attn", "mlp"] and find_attention(net) == ()
    with pytest.raises(UserError, match=r"^model.targets: no layer of this base ends with to_q; .* end with attn, mlp"):
        add_lora(net, 2, 2.0, ("to_q",))
    assert find_layers(net, ("ttn",)) == []  # whole words
