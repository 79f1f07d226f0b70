"""The three functions behind all convolutions: values, and derivatives of the first and the second order."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from core.ml.networks import convolution, winograd_training
from core.ml.networks.convolution import convolve, filtered, spread, without_weight_gradients
from tests.core.ml.golden import assert_close

SOURCE = torch.Generator()


@pytest.fixture(autouse=True)
def seeded() -> None:
    SOURCE.manual_seed(0)


def draw(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=SOURCE, dtype=dtype)


@pytest.mark.parametrize(("kernel", "stride", "padding", "size"), [(3, 1, 1, 4), (3, 2, 0, 5), (1, 1, 0, 3)])
@pytest.mark.parametrize("back", [False, True])
def test_all_orders(kernel: int, stride: int, padding: int, size: int, back: bool) -> None:
    weight = draw(3, 2, kernel, kernel).requires_grad_()
    x = draw(2, 3 if back else 2, size, size).requires_grad_()
    ours: Callable[..., Tensor] = spread if back else convolve
    plain: Callable[..., Tensor] = F.conv_transpose2d if back else F.conv2d

    def layer(x: Tensor, weight: Tensor) -> Tensor:
        return ours(x, weight, stride=stride, padding=padding)

    assert_close(layer(x, weight), plain(x, weight, stride=stride, padding=padding), 1e-12)
    assert torch.autograd.gradcheck(layer, (x, weight))
    assert torch.autograd.gradgradcheck(layer, (x, weight))


@pytest.mark.parametrize(("stride", "padding"), [(1, 1), (1, 2), (2, 1)])
@pytest.mark.parametrize("back", [False, True])
def test_filters_of_all_orders(stride: int, padding: int, back: bool) -> None:
    taps, x = draw(4, 4), draw(2, 3, 6, 6).requires_grad_()
    weight = taps.expand(3, 1, 4, 4)
    plain: Callable[..., Tensor] = F.conv_transpose2d if back else F.conv2d

    def layer(x: Tensor) -> Tensor:
        return filtered(x, taps, stride=stride, padding=padding, transposed=back)

    assert_close(layer(x), plain(x, weight, stride=stride, padding=padding, groups=3), 1e-12)
    assert torch.autograd.gradcheck(layer, (x,))
    assert torch.autograd.gradgradcheck(layer, (x,))


@pytest.mark.parametrize("back", [False, True])
def test_a_filter_in_bfloat16(back: bool) -> None:
    taps, x = draw(4, 4, dtype=torch.float32), draw(2, 3, 6, 6, dtype=torch.float32)
    exact = filtered(x, taps, stride=2, padding=1, transposed=back)
    rough = filtered(x.bfloat16(), taps, stride=2, padding=1, transposed=back)
    assert rough.dtype == torch.bfloat16
    assert_close(rough.float(), exact, 0.02)


def test_a_rest_is_refused() -> None:
    with pytest.raises(ValueError, match="leaves a rest"):
        convolve(draw(1, 1, 6, 6), draw(1, 1, 3, 3), stride=2)


def test_gradients_of_weights_can_be_left_out() -> None:
    x, weight = draw(1, 2, 4, 4).requires_grad_(), draw(2, 2, 3, 3).requires_grad_()
    seen = []
    weight.register_hook(seen.append)
    with without_weight_gradients():
        assert not convolution.weights_wanted()
        (inner,) = torch.autograd.grad(convolve(x, weight, padding=1).square().sum(), x, create_graph=True)
    assert convolution.weights_wanted()
    inner.square().sum().backward()
    assert weight.grad is not None
    found = weight.grad.clone()
    weight.grad = None
    (inner,) = torch.autograd.grad(F.conv2d(x, weight, padding=1).square().sum(), x, create_graph=True)
    inner.square().sum().backward()
    assert_close(found, weight.grad, 1e-12)


@pytest.mark.parametrize(("n", "i", "o", "h", "w"), [(4, 32, 48, 16, 16), (1, 64, 32, 32, 64), (64, 33, 32, 4, 4)])
def test_minimal_filtering(n: int, i: int, o: int, h: int, w: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values and gradients of both orders in float32, against the direct method in float64."""
    monkeypatch.setattr(winograd_training, "FLOATS", 4096)  # several bands, several samples, and rests of both
    x, weight, way = draw(n, i, h, w), draw(o, i, 3, 3), draw(n, o, h, w)
    assert winograd_training.suits(x.float(), o)

    def everything(dtype: torch.dtype) -> list[Tensor]:
        inputs = [tensor.to(dtype).requires_grad_() for tensor in (x, weight)]
        y = convolve(*inputs, padding=1)
        first = torch.autograd.grad((y * way.to(dtype)).sum() + y.square().sum(), inputs, create_graph=True)
        second = torch.autograd.grad(sum(part.square().sum() for part in first), inputs)
        return [y, *first, *second]

    for found, expected in zip(everything(torch.float32), everything(torch.float64), strict=True):
        assert_close(found.double(), expected, 2e-5)


def test_minimal_filtering_is_the_same_every_time() -> None:
    x, weight = draw(2, 32, 32, 32, dtype=torch.float32), draw(32, 32, 3, 3, dtype=torch.float32)
    results = []
    for _, layout in itertools.product(range(2), (torch.contiguous_format, torch.channels_last)):
        inputs = [tensor.contiguous(memory_format=layout).requires_grad_() for tensor in (x, weight)]
        y = convolve(*inputs, padding=1)
        assert y.is_contiguous(memory_format=torch.channels_last)
        results.append([y, *torch.autograd.grad(y.square().sum(), inputs)])
    for again in results[1:]:
        for found, expected in zip(again, results[0], strict=True):
            assert torch.equal(found, expected)


@pytest.mark.parametrize("shape", [(1, 32, 30, 32), (1, 16, 32, 32), (1, 32, 16, 16)])
def test_what_minimal_filtering_does_not_suit(shape: tuple[int, int, int, int]) -> None:
    assert not winograd_training.suits(torch.empty(shape), 32)
    assert not winograd_training.suits(torch.empty(1, 32, 32, 32, dtype=torch.float64), 32)
    assert not winograd_training.suits(torch.empty(1, 32, 32, 32), 16)


def test_memory_first_taken_without_gradients_serves_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A score may be taken (in inference mode) before the first step of a training."""
    monkeypatch.setattr(winograd_training, "_memory", winograd_training._Memory())
    winograd_training._weight_transform.cache_clear()
    x, weight = draw(1, 8, 32, 32, dtype=torch.float32), draw(8, 8, 3, 3, dtype=torch.float32)
    with torch.inference_mode():
        seen = winograd_training.convolve(x, weight)
    learned = weight.clone().requires_grad_()
    y = convolve(x, learned, padding=1)
    y.square().sum().backward()
    assert learned.grad is not None
    assert_close(winograd_training.convolve(x, weight), seen, 1e-6)
