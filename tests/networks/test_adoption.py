"""What a net takes over from one with other classes, channels, sizes or tokens."""

import pytest
import torch

from synthgen.diffusion.process import FLOW
from synthgen.networks.adoption import adopt, plain_state
from synthgen.networks.language import TextDenoiser
from synthgen.networks.lora import add_lora, merge_lora
from synthgen.networks.tokens import TokenDenoiser
from synthgen.networks.unet import SmallUNet
from synthgen.sampling.loading import load_denoiser
from synthgen.sampling.pretrained import save_pipeline

SMALL = {"widths": (8, 16), "blocks": 1}


def drawn(cls, seed, **config):
    """A net none of whose tensors are zero, as those of fresh nets are in part."""
    torch.manual_seed(seed)
    net = cls(**config)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(std=0.2)
    return net.eval()


def take_over(new, old, mine, theirs):
    return adopt(new, plain_state(old), new.meanings(mine), old.meanings(theirs))


@pytest.mark.parametrize(
    "cls, config, axes",
    [
        (SmallUNet, {"channels": 1, "size": (8, 8), "patch": 1, "classes": 3, "condition": "label", **SMALL}, {}),
        (SmallUNet, {"channels": 3, "size": (8, 8), "patch": 2, "classes": 3, "condition": "mask", "appearance": 15,
                     **SMALL}, {}),
        (TokenDenoiser, {"length": 16, "channels": 2, "patch": 2, "width": 32, "depth": 1, "classes": 3, "elements": 2,
                         "detail": 4}, {"elements": ("known", "told")}),
        (TextDenoiser, {"vocabulary": 270, "width": 32, "depth": 1, "classes": 3, "values": 4},
         {"tokens": ("pad", "mark")}),
    ],
)  # fmt: skip
def test_the_same_rows_keep_every_tensor(cls, config, axes):
    old, new = drawn(cls, 1, **config), drawn(cls, 2, **config)
    axes = {"classes": ("a", "b", "c"), **axes}
    adopted = take_over(new, old, axes, axes)
    assert not adopted.resized and not adopted.new and set(adopted.kept) == set(new.state_dict())
    assert all(torch.equal(value, old.state_dict()[name]) for name, value in new.state_dict().items())


def test_classes_are_matched_by_name():
    config = {"channels": 1, "size": (8, 8), "patch": 1, "condition": "label", **SMALL}
    old, new = drawn(SmallUNet, 1, classes=3, **config), drawn(SmallUNet, 2, classes=4, **config)
    fresh = new.told.label.weight.detach().clone()
    adopted = take_over(new, old, {"classes": ("dog", "cat", "bird", "cow")}, {"classes": ("cat", "dog", "fish")})
    assert adopted.resized == ["told.label.weight"] and not adopted.new
    assert "31 tensors kept, 1 resized (told.label.weight), none new" == str(adopted)
    mine, theirs = new.told.label.weight, old.told.label.weight
    for here, there in ((0, 1), (1, 0), (2, 2), (4, 3)):  # a bird begins as the fish, which is gone; "not told"
        assert torch.equal(mine[here], theirs[there])
    assert torch.equal(mine[3], fresh[3])


def test_a_net_draws_old_classes_as_it_did():
    config = {"channels": 1, "size": (8, 8), "patch": 1, "condition": "label", **SMALL}
    old, new = drawn(SmallUNet, 1, classes=2, **config), drawn(SmallUNet, 2, classes=3, **config)
    take_over(new, old, {"classes": ("b", "new", "a")}, {"classes": ("a", "b")})
    x, sigma = torch.randn(2, 1, 8, 8), torch.tensor([0.3, 0.8])
    with torch.no_grad():
        before = old(x, sigma, {"label": torch.tensor([0, 1])})
        after = new(x, sigma, {"label": torch.tensor([2, 0])})
    assert torch.equal(before, after)


def test_classes_that_nobody_named_are_new():
    config = {"channels": 1, "size": (8, 8), "patch": 1, "condition": "label", "classes": 2, **SMALL}
    old, new = drawn(SmallUNet, 1, **config), drawn(SmallUNet, 2, **config)
    adopted = take_over(new, old, {"classes": ("a", "b")}, {})
    assert adopted.resized == ["told.label.weight"]  # "not told" means the same in both
    assert torch.equal(new.told.label.weight[2], old.told.label.weight[2])
    assert not torch.equal(new.told.label.weight[:2], old.told.label.weight[:2])


def test_old_channels_are_kept_beside_new_ones():
    config = {"size": (8, 8), "patch": 2, "condition": "label", "classes": 2, **SMALL}
    old, new = drawn(SmallUNet, 1, channels=1, **config), drawn(SmallUNet, 2, channels=3, **config)
    fresh = new.leave.weight.detach().clone()
    adopted = take_over(new, old, {"classes": ("a", "b")}, {"classes": ("a", "b")})
    assert set(adopted.resized) == {"enter.weight", "leave.weight"}
    assert torch.equal(new.enter.weight[:, :4], old.enter.weight[:, :4])
    assert torch.equal(new.enter.weight[:, -1], old.enter.weight[:, -1])  # of the channel of ones
    assert torch.equal(new.leave.weight[:4], old.leave.weight) and torch.equal(new.leave.weight[4:], fresh[4:])


def test_another_size_keeps_all_and_another_patch_does_not():
    config = {"channels": 1, "condition": "label", "classes": 2, **SMALL}
    axes = {"classes": ("a", "b")}
    old, new = (
        drawn(SmallUNet, 1, size=(28, 28), patch=2, **config),
        drawn(SmallUNet, 2, size=(8, 8), patch=2, **config),
    )
    assert not take_over(new, old, axes, axes).resized
    other = drawn(SmallUNet, 2, size=(8, 8), patch=1, **config)
    adopted = take_over(other, old, axes, axes)
    assert adopted.resized == ["enter.weight"] and adopted.new == ["leave.weight"]
    assert torch.equal(other.enter.weight[:, -1], old.enter.weight[:, -1])


def test_channels_of_a_mask_are_matched_by_the_names_of_its_classes():
    config = {"channels": 1, "size": (8, 8), "patch": 1, "condition": "mask", **SMALL}
    old, new = drawn(SmallUNet, 1, classes=2, **config), drawn(SmallUNet, 2, classes=3, **config)
    take_over(new, old, {"classes": ("back", "x", "cell")}, {"classes": ("back", "cell")})
    for here, there in ((0, 0), (1, 1), (3, 2), (4, 3)):
        assert torch.equal(new.enter.weight[:, here], old.enter.weight[:, there])
    many = drawn(SmallUNet, 3, classes=20, **config)
    more = drawn(SmallUNet, 4, classes=21, **config)
    names = [f"class {n}" for n in range(20)]
    assert take_over(more, many, {"classes": [*names[::-1], "new"]}, {"classes": names}).resized == [
        "mask.embedding.weight"
    ]
    assert torch.equal(more.mask.embedding.weight[0], many.mask.embedding.weight[19])


def test_a_longer_series_with_another_channel():
    config = {"patch": 2, "width": 32, "depth": 1, "classes": 2}
    old = drawn(TokenDenoiser, 1, length=16, channels=1, elements=2, **config)
    new = drawn(TokenDenoiser, 2, length=24, channels=2, elements=3, **config)
    theirs = {"classes": ("a", "b"), "channels": ("x",), "elements": ("known x", "known")}
    mine = {"classes": ("a", "b"), "channels": ("y", "x"), "elements": ("known y", "known x", "known")}
    adopted = take_over(new, old, mine, theirs)
    assert set(adopted.resized) == {"position", "enter.weight", "leave.weight", "leave.bias"} and not adopted.new
    assert torch.equal(new.position[0, 0], old.position[0, 0]) and torch.equal(new.position[0, -1], old.position[0, -1])
    expected = old.position[0, 2] * (5 / 11) + old.position[0, 3] * (6 / 11)  # place 4 of 12 is 4 · 7 / 11 of 8
    torch.testing.assert_close(new.position[0, 4], expected)
    for step in (0, 1):
        for here, there in ((1, 0), (3, 1), (4, 2)):
            assert torch.equal(new.enter.weight[:, 5 * step + here], old.enter.weight[:, 3 * step + there])
        assert torch.equal(new.leave.weight[2 * step + 1], old.leave.weight[step])


def test_tokens_are_matched_by_what_they_mean():
    config = {"width": 32, "depth": 1, "segments": 1}
    old = drawn(TextDenoiser, 1, vocabulary=5 + 256, length=32, classes=2, values=3, **config)
    new = drawn(TextDenoiser, 2, vocabulary=6 + 256, length=48, classes=4, values=3, **config)
    theirs = {"classes": ("a",), "tokens": ("pad", "mask", "end", "slot 0", "mark ask")}
    mine = {"classes": ("b", "a"), "tokens": ("pad", "mask", "end", "slot 0", "mark tell", "mark ask")}
    adopted = take_over(new, old, mine, theirs)
    assert set(adopted.resized) == {"token.weight", "bias", "offset.weight", "told.label.weight"} and not adopted.new
    assert torch.equal(new.token.weight[6:], old.token.weight[5:]) and torch.equal(new.bias[5], old.bias[4])
    assert torch.equal(new.token.weight[:4], old.token.weight[:4])
    assert torch.equal(new.offset.weight[:32], old.offset.weight)
    assert torch.equal(new.told.label.weight[2:4], old.told.label.weight[:2])  # two embeddings a class


def test_what_lora_learnt_is_taken_over():
    config = {"channels": 1, "size": (8, 8), "patch": 1, "condition": "label", "classes": 2, **SMALL}
    axes = {"classes": ("a", "b")}
    old, new = drawn(SmallUNet, 1, **config), drawn(SmallUNet, 2, **config)
    add_lora(old, 2, 2.0, ("conv1",))
    with torch.no_grad():
        for name, parameter in old.named_parameters():
            if "lora_" in name:
                parameter.normal_()
    merge_lora(old)
    assert not take_over(new, old, axes, axes).new
    x, sigma, condition = torch.randn(2, 1, 8, 8), torch.tensor([0.3, 0.8]), {"label": torch.tensor([0, 1])}
    with torch.no_grad():
        torch.testing.assert_close(new(x, sigma, condition), old.eval()(x, sigma, condition))


@pytest.mark.parametrize(
    "cls, config, condition",
    [
        (SmallUNet, {"channels": 1, "size": (8, 8), "patch": 1, "classes": 2, "condition": "label", "attention": True,
                     **SMALL}, {"label": torch.tensor([0, 1])}),
        (TokenDenoiser, {"length": 8, "channels": 2, "patch": 2, "width": 32, "depth": 1, "classes": 2},
         {"label": torch.tensor([0, 1])}),
    ],
)  # fmt: skip
def test_a_net_is_read_with_its_lora(cls, config, condition, tmp_path):
    plain = drawn(cls, 1, **config)
    net = drawn(cls, 1, **config, lora={"rank": 2, "alpha": 4.0, "targets": list(cls.lora_targets)})
    assert any("lora_A" in name for name in net.state_dict())
    x, sigma = torch.randn(2, *plain.row_shape), torch.tensor([0.3, 0.8])
    with torch.no_grad():
        told = net(x, sigma, condition)
    save_pipeline(net, FLOW, tmp_path / "model")
    read = load_denoiser(tmp_path / "model").eval()
    assert read.config["lora"] == {"rank": 2, "alpha": 4.0, "targets": list(cls.lora_targets)}
    with torch.no_grad():
        torch.testing.assert_close(read(x, sigma, condition), told, rtol=0, atol=1e-3)  # merged: rounded otherwise
    assert plain_state(read).keys() == plain.state_dict().keys()
