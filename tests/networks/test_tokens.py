"""The denoiser of sequences: shapes, what it is told, what it is not told."""

from __future__ import annotations

import pytest
import torch

from synthgen.networks.tokens import TokenDenoiser, TokenOptions, build_tokens, choose_patch


def net(length: int = 30, patch: int = 4, detail: int = 0) -> TokenDenoiser:
    torch.manual_seed(0)
    shape = {"length": length, "channels": 2, "patch": patch, "width": 32, "depth": 2}
    made = TokenDenoiser(**shape, classes=3, elements=4, numbers=1, detail=detail)
    for p in made.parameters():  # as after some training: the last layers begin at zero
        p.data += 0.05 * torch.randn_like(p)
    return made


def told(rows: int = 5, length: int = 30) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "label": torch.arange(rows) % 3,
        "elements": torch.randn(rows, length, 4, generator=generator),
        "vector": torch.randn(rows, 1, generator=generator),
    }


@pytest.mark.parametrize("detail", [0, 8])
@pytest.mark.parametrize(("length", "patch"), [(30, 4), (32, 8), (24, 1), (25, 16)])
def test_any_length_goes_through(length: int, patch: int, detail: int) -> None:
    x = torch.randn(5, length, 2)
    assert net(length, patch, detail)(x, torch.rand(5), told(length=length)).shape == x.shape


def test_training_and_sampling_see_the_same_attention() -> None:
    made, x, sigma = net(), torch.randn(5, 30, 2), torch.full((5,), 0.7)
    trained = made(x, sigma, told())
    with torch.no_grad():
        torch.testing.assert_close(made(x, sigma, told()), trained, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("detail", [0, 8])
@pytest.mark.parametrize("name", ["label", "elements", "vector"])
def test_it_listens_to_what_it_is_told(name: str, detail: int) -> None:
    made, x, sigma = net(detail=detail), torch.randn(5, 30, 2), torch.full((5,), 0.7)
    usual = made(x, sigma, told())
    changed = {**told(), name: told()[name].roll(1, 0)}
    assert not torch.allclose(made(x, sigma, changed), usual, atol=1e-4)


def test_what_is_not_kept_is_not_heard() -> None:
    made, x, sigma = net(detail=8), torch.randn(5, 30, 2), torch.full((5,), 0.7)
    nothing = torch.zeros(5, dtype=torch.bool)
    other = {**told(), "label": (told()["label"] + 1) % 3, "elements": -told()["elements"]}
    torch.testing.assert_close(made(x, sigma, told(), nothing), made(x, sigma, other, nothing))


def test_without_noise_a_row_is_its_own_prediction() -> None:
    x = torch.randn(5, 30, 2)
    torch.testing.assert_close(net()(x, torch.zeros(5), told()), x)


def test_a_rows_prediction_does_not_depend_on_its_company() -> None:
    made, x, sigma = net().eval(), torch.randn(5, 30, 2), torch.rand(5)
    alone = made(x[:1], sigma[:1], {name: value[:1] for name, value in told().items()})
    torch.testing.assert_close(made(x, sigma, told())[:1], alone, rtol=1e-5, atol=1e-5)


def test_rows_are_cut_into_about_32_tokens() -> None:
    assert [choose_patch(length) for length in (8, 24, 63, 64, 100, 128, 1024)] == [1, 1, 1, 2, 2, 4, 32]
    made = build_tokens((1024, 3), TokenOptions(patch=8, width=64, depth=1), classes=2)
    assert made.row_shape == (1024, 3) and made.position.shape == (1, 128, 64)
