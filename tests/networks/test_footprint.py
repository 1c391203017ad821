"""What is counted without weights, against nets that have them."""

from pathlib import Path

import pytest
import torch
from pipelines import PIPELINES, write_pipeline
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from synthgen.networks.footprint import plan_image_net, told_shapes
from synthgen.networks.image_base import load_image_denoiser, open_image_base, tell_prompts

LORA = {"rank": 4, "alpha": 4.0, "targets": ()}
PROMPTS = ["a photo of one", "a photo of two"]
CASES = [(name, how) for name in PIPELINES for how in ("lora", "full", "heads")]


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pipelines")
    return {name: write_pipeline(name, folder / name) for name in PIPELINES}


def both(folder, how, condition="label"):
    base = open_image_base(str(folder), None)
    shape = (base.channels, 8, 8)
    terms = {"row_shape": shape, "classes": 2, "condition": condition, "adapt": how, "lora": LORA}
    plan = plan_image_net(base, shape, **{n: v for n, v in terms.items() if n != "row_shape"})
    return base, plan, load_image_denoiser(base, PROMPTS if condition == "label" else PROMPTS[:1], **terms)


def ask(net, batch):
    """The real net, asked directly."""
    label = torch.zeros(batch, dtype=torch.int64)
    condition, control = {"label": label}, None
    if net.controlnet is not None:
        side = net.row_shape[1] * net.config.factor
        condition = {"mask": torch.zeros(batch, side, side, dtype=torch.int64)}
        control = net.controlnet, net.read_mask(condition["mask"], None)
    return net.family.ask(
        net.base, torch.randn(batch, *net.row_shape), torch.full((batch,), 0.5), net.tell(condition, None), control
    )


@pytest.mark.parametrize(("name", "how"), CASES)
def test_parameters_are_those_of_the_net(bases, name, how):
    _, plan, net = both(bases[name], how)
    assert all(p.is_meta for p in plan.net.parameters())
    assert plan.parameters == sum(p.numel() for p in net.parameters())
    assert plan.trained == sum(p.numel() for p in net.parameters() if p.requires_grad) > 0


@pytest.mark.parametrize("name", ["sd", "sdxl", "sd3", "flux"])
def test_parameters_of_a_controlnet_are_among_them(bases, name):
    _, plan, net = both(bases[name], "heads", "mask")
    assert plan.parameters == sum(p.numel() for p in net.parameters())
    assert plan.trained == sum(p.numel() for p in net.parameters() if p.requires_grad) > 0
    assert plan.draw(2).flops == operations(net, 2, backward=False)
    # attention that keeps no matrix multiplies once more in the backward pass than one that is written out
    assert 1 <= plan.train(2).flops / operations(net, 2, backward=True) < 1.15


@pytest.mark.parametrize("name", PIPELINES)
def test_shapes_of_what_prompts_say_follow_from_the_configurations(bases, name):
    base = open_image_base(str(bases[name]), None)
    told = tell_prompts(base, PROMPTS, (base.channels, 8, 8))
    assert told_shapes(base) == {name: tuple(table.shape[1:]) for name, table in told.items()}


def operations(net, batch, backward):
    """torch's own count on the real net; with attention written out, which it counts the same and on every device."""
    counter = FlopCounterMode(display=False)
    with counter, sdpa_kernel(SDPBackend.MATH):
        if backward:
            ask(net, batch).square().mean().backward()
        else:
            with torch.no_grad():
                ask(net, batch)
    return counter.get_total_flops()


@pytest.mark.parametrize("name", PIPELINES)
def test_operations_are_those_that_torch_counts(bases, name):
    _, plan, net = both(bases[name], "lora")
    assert plan.draw(3).flops == operations(net, 3, backward=False) > 0
    assert plan.draw(6).flops == 2 * plan.draw(3).flops


@pytest.mark.parametrize("name", ["sdxl", "dit"])
def test_text_encoders_and_autoencoder_are_counted(bases, name):
    base, plan, _ = both(bases[name], "lora")
    assert plan.autoencoder == sum(p.numel() for p in base.load_vae().parameters())
    writer = base.load_writer() if name == "sdxl" else None
    parts = [] if writer is None else [writer.text_encoder, writer.text_encoder_2]
    assert plan.encoders == sum(p.numel() for part in parts for p in part.parameters())


@pytest.mark.parametrize("name", PIPELINES)
def test_more_rows_take_more_and_checkpointing_takes_less(bases, name):
    _, plan, _ = both(bases[name], "lora")
    one, four, saved = plan.train(1), plan.train(4), plan.train(4, checkpointing=True)
    assert one.bytes < four.bytes < 4.5 * one.bytes  # where one row is laid out as it is, more are copied
    assert saved.bytes < four.bytes and saved.flops > four.flops
    assert plan.draw(4).bytes < four.bytes
    assert plan.decode(1).bytes < plan.decode(2).bytes or plan.vae is None
