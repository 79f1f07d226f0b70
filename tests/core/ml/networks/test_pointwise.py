"""What happens around convolutions, against the same in plain operations, in both orders of derivatives."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from core.ml.networks import pointwise
from core.ml.networks.convolution import without_weight_gradients
from core.ml.networks.pointwise import LEAK, activated, modulated, projected
from tests.core.ml.golden import assert_close

SOURCE = torch.Generator()


@pytest.fixture(autouse=True)
def seeded() -> None:
    SOURCE.manual_seed(0)


def draw(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=SOURCE, dtype=dtype).requires_grad_()


def plain(x: Tensor, factor: Tensor | None, bias: Tensor, noise: Tensor | None) -> Tensor:
    x = x if factor is None else x * factor[:, :, None, None]
    x = x + bias[:, None, None]
    return F.leaky_relu(x if noise is None else x + noise, LEAK)


@pytest.mark.parametrize("noises", [0, 1, 2])
@pytest.mark.parametrize("scaled", [False, True])
def test_activation_of_all_orders(noises: int, scaled: bool) -> None:
    x, factor, bias, noise = draw(2, 3, 4, 4), draw(2, 3), draw(3), draw(noises or 1, 1, 4, 4)
    inputs = [x, bias, *([factor] if scaled else []), *([noise] if noises else [])]

    def layer(x: Tensor, bias: Tensor, *more: Tensor) -> Tensor:
        # Without a factor the input may be overwritten, so it gets a copy.
        return activated(x * 1.0, more[0] if scaled else None, bias, more[-1] if noises else None)

    expected = plain(x, factor if scaled else None, bias, noise if noises else None)
    assert_close(layer(*inputs), expected, 1e-12)
    assert torch.autograd.gradcheck(layer, inputs)
    assert torch.autograd.gradgradcheck(layer, inputs)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("noises", [0, 1, 3])
@pytest.mark.parametrize("scaled", [False, True])
def test_activation_sample_by_sample(
    layout: torch.memory_format, dtype: torch.dtype, noises: int, scaled: bool
) -> None:
    x, factor, bias, noise, way = draw(3, 64, 16, 16), draw(3, 64), draw(64), draw(noises or 1, 1, 16, 16), draw(64)
    inputs = [x, bias, *([factor] if scaled else []), *([noise] if noises else [])]
    expected = plain(x, factor if scaled else None, bias, noise if noises else None)
    expected_gradients = torch.autograd.grad((expected * way[:, None, None]).sum(), inputs)
    seen = [tensor.detach().to(dtype).requires_grad_() for tensor in inputs]
    copy = (seen[0] * 1.0).contiguous(memory_format=layout)
    found = activated(copy, seen[2] if scaled else None, seen[1], seen[-1] if noises else None)
    assert found.dtype == dtype
    gradients = torch.autograd.grad((found * way.to(dtype)[:, None, None]).sum(), seen)
    for one, other in zip([found, *gradients], [expected, *expected_gradients], strict=True):
        # In bfloat16 the sign of a value near 0 may differ, which changes that gradient by the leak.
        if dtype == torch.float32:
            assert_close(one.double(), other, 1e-5)
        else:
            assert (one.double() - other).norm() < 0.05 * other.norm()


@pytest.mark.parametrize("size", [3, 16])
def test_modulation_of_all_orders(size: int) -> None:
    x, styles = draw(2, 64, size, size), draw(2, 64)
    y = modulated(x, styles)
    assert_close(y, x * styles[:, :, None, None], 1e-12)
    for twice in (False, True):
        found = torch.autograd.grad(modulated(x, styles).pow(3).sum(), [x, styles], create_graph=twice)
        expected = torch.autograd.grad((x * styles[:, :, None, None]).pow(3).sum(), [x, styles])
        for one, other in zip(found, expected, strict=True):
            assert_close(one, other, 1e-12)
    small = draw(2, 3, 2, 2), draw(2, 3)
    assert torch.autograd.gradgradcheck(modulated, small)


def test_projection_of_all_orders() -> None:
    x, matrix = draw(2, 4, 3, 2), draw(2, 3, 4)
    assert_close(projected(x, matrix), torch.einsum("nkc,nchw->nkhw", matrix, x), 1e-12)
    assert torch.autograd.gradcheck(projected, (x, matrix))
    assert torch.autograd.gradgradcheck(projected, (x, matrix))


def test_gradients_of_biases_and_noise_can_be_left_out() -> None:
    x, factor, bias, noise = draw(2, 3, 4, 4), draw(2, 3), draw(3), draw(1, 1, 4, 4)
    with without_weight_gradients():
        y = activated(x, factor, bias, noise)
        (inner,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    (expected,) = torch.autograd.grad(plain(x, factor, bias, noise).square().sum(), x, create_graph=True)
    assert_close(inner, expected, 1e-12)


def test_as_many_samples_are_taken_together_as_the_caches_hold() -> None:
    assert list(pointwise._parts(torch.empty(3, 64, 64, 64))) == [slice(0, 1), slice(1, 2), slice(2, 3)]
    assert list(pointwise._parts(torch.empty(5, 64, 32, 32))) == [slice(0, 2), slice(2, 4), slice(4, 6)]
    assert list(pointwise._parts(torch.empty(3, 64, 4, 4))) == [slice(0, 3)]
