import pytest
import torch

from synthgen.networks.unet import SmallUNet, UNetOptions, build_unet

OPTIONS = UNetOptions(widths=(8, 16), blocks=1, attention=True)


def randomised(net):
    """Weights that do something: a fresh net's last layer is zero."""
    with torch.no_grad():
        for p in net.parameters():
            p.normal_(0, 0.1, generator=torch.Generator().manual_seed(p.numel()))
    return net.eval()


@pytest.mark.parametrize("size", [(8, 8), (28, 28), (30, 37), (64, 64)])
def test_any_size_comes_back_as_it_was(size):
    net = randomised(build_unet((3, *size), 4, "mask", OPTIONS))
    x_hat = net(torch.randn(2, 3, *size), torch.rand(2), {"mask": torch.zeros(2, *size, dtype=torch.long)})
    assert x_hat.shape == (2, 3, *size)


def test_a_fresh_net_gives_the_best_linear_estimate():
    net = build_unet((1, 8, 8), 3, "label", OPTIONS)
    x, sigma = torch.randn(2, 1, 8, 8), torch.tensor([0.25, 1.0])
    s = sigma.view(-1, 1, 1, 1)
    torch.testing.assert_close(net(x, sigma, {"label": torch.tensor([0, 1])}), (1 - s) / ((1 - s) ** 2 + s**2) * x)


@pytest.mark.parametrize(("kind", "classes"), [("label", 5), ("mask", 5), ("mask", 40)])
def test_the_condition_matters_unless_it_is_dropped(kind, classes):
    net = randomised(build_unet((1, 8, 8), classes, kind, OPTIONS))
    x, sigma = torch.randn(1, 1, 8, 8), torch.tensor([0.5])
    one, two = (torch.full((1,) if kind == "label" else (1, 8, 8), value) for value in (1, 2))
    assert not torch.allclose(net(x, sigma, {kind: one}), net(x, sigma, {kind: two}))
    dropped = torch.tensor([False])
    torch.testing.assert_close(net(x, sigma, {kind: one}, dropped), net(x, sigma, {kind: two}, dropped))


def test_ignored_pixels_tell_nothing():
    net = randomised(build_unet((1, 8, 8), 3, "mask", OPTIONS))
    x, sigma, ignored = torch.randn(1, 1, 8, 8), torch.tensor([0.5]), torch.full((1, 8, 8), 255)
    dropped = net(x, sigma, {"mask": torch.zeros_like(ignored)}, torch.tensor([False]))
    torch.testing.assert_close(net(x, sigma, {"mask": ignored}), dropped)


def test_saves_and_loads_as_safetensors(tmp_path):
    net = randomised(build_unet((3, 16, 16), 3, "mask", OPTIONS))
    net.save_pretrained(tmp_path, safe_serialization=True)
    again = SmallUNet.from_pretrained(tmp_path, use_safetensors=True).eval()
    x, sigma, mask = torch.randn(1, 3, 16, 16), torch.tensor([0.4]), {"mask": torch.ones(1, 16, 16, dtype=torch.long)}
    torch.testing.assert_close(net(x, sigma, mask), again(x, sigma, mask))
    assert not list(tmp_path.glob("*.bin"))


def test_a_row_that_was_not_changed_needs_no_telling():
    net = randomised(build_unet((1, 8, 8), 3, "label", OPTIONS))
    x, sigma, label = torch.randn(1, 1, 8, 8), torch.tensor([0.4]), torch.tensor([1])
    plain = net(x, sigma, {"label": label})
    torch.testing.assert_close(net(x, sigma, {"label": label, "augmented": torch.zeros(1, 8)}), plain)
    assert not torch.allclose(net(x, sigma, {"label": label, "augmented": torch.ones(1, 8)}), plain)


def test_a_usual_appearance_needs_no_telling_and_another_one_matters():
    net = randomised(build_unet((2, 8, 8), 3, "mask", OPTIONS, appearance=10))
    x, sigma, mask = torch.randn(1, 2, 8, 8), torch.tensor([0.4]), torch.zeros(1, 8, 8, dtype=torch.long)
    plain = net(x, sigma, {"mask": mask})
    torch.testing.assert_close(net(x, sigma, {"mask": mask, "appearance": torch.zeros(1, 10)}), plain)
    assert not torch.allclose(net(x, sigma, {"mask": mask, "appearance": torch.ones(1, 10)}), plain)


@pytest.mark.parametrize("size", [8, 32])
def test_activations_of_a_fresh_net_keep_about_unit_variance(size):
    torch.manual_seed(0)
    net = build_unet((3, size, size), 3, "label", UNetOptions(widths=(32, 64, 64), blocks=3)).eval()
    seen = []
    for layer in [*net.down, *net.middle, *net.up]:
        layer.register_forward_hook(lambda layer, inputs, output: seen.append(output.std().item()))
    net(torch.randn(8, 3, size, size), torch.full((8,), 0.5), {"label": torch.zeros(8, dtype=torch.long)})
    assert len(seen) == 23 and 0.5 < min(seen) and max(seen) < 2
