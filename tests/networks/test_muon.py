import pytest
import torch

from synthgen.networks import muon
from synthgen.networks.muon import Muon, orthogonalise


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(12, 40), (40, 12), (16, 16)])
def test_all_singular_values_come_near_one(shape):
    matrices = draw(3, *shape)
    matrices[:, :, 0] *= 5
    values = torch.linalg.svdvals(orthogonalise(matrices))
    assert 0.5 < values.median() < 1.4 and values.max() < 1.4
    assert torch.allclose(orthogonalise(matrices * 100), orthogonalise(matrices), atol=1e-4)


def test_the_gram_form_is_the_plain_newton_schulz_iteration():
    a, b, c = muon.QUINTIC
    matrices = draw(2, 8, 30)
    x = matrices.double() / matrices.double().norm(dim=(1, 2), keepdim=True)
    for _ in range(muon.ITERATIONS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    torch.testing.assert_close(orthogonalise(matrices), x.float(), rtol=1e-4, atol=1e-5)


def test_kernels_of_mixed_shapes_move_as_torchs_muon_moves_their_matrices():
    kernels = [torch.nn.Parameter(draw(*shape, seed=i)) for i, shape in enumerate([(4, 3, 3, 3), (6, 2), (4, 3, 3, 3)])]
    kernels[2].data = kernels[2].data.contiguous(memory_format=torch.channels_last)
    matrices = [torch.nn.Parameter(kernel.detach().clone().flatten(1)) for kernel in kernels]
    ours = Muon(kernels, lr=0.1, scale="adamw")
    torchs = torch.optim.Muon(
        matrices, lr=0.1, weight_decay=0.01, adjust_lr_fn="match_rms_adamw", ns_steps=muon.ITERATIONS
    )
    for step in range(3):
        for kernel, matrix in zip(kernels, matrices, strict=True):
            kernel.grad = draw(*kernel.shape, seed=10 * step)
            matrix.grad = kernel.grad.flatten(1).clone()
        ours.step()
        torchs.step()
    for kernel, matrix in zip(kernels, matrices, strict=True):
        # torch iterates in bfloat16
        torch.testing.assert_close(kernel.detach().flatten(1), matrix.detach(), rtol=0, atol=5e-3)


def test_a_parameter_without_a_gradient_stays():
    kernel = torch.nn.Parameter(draw(2, 3))
    before = kernel.detach().clone()
    Muon([kernel], lr=1.0).step()
    assert torch.equal(kernel.detach(), before)
