"""The direct convolutions against the operations that the plain network is made of."""

from __future__ import annotations

import pytest
import torch

from core.ml.networks.direct import DirectConvolution, SpreadConvolution
from core.ml.networks.ops import conv2d_resample, low_pass_filter
from core.ml.networks.winograd import TransposedConvolution, Workspace

TAPS = low_pass_filter()
TOLERANCE = {torch.float32: 1e-6, torch.bfloat16: 8e-3}
"""Root mean square error of the result, relative to it."""

Layer = DirectConvolution | SpreadConvolution | TransposedConvolution


def inputs(size: int, out: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(size)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    return draw(3, size, size, 6), draw(3, 6) + 1, draw(out, 6, 3, 3)


def assert_right(layer: Layer, x: torch.Tensor, styles: torch.Tensor, weight: torch.Tensor, *, up: bool) -> None:
    """`layer` gives each sample once, and what `conv2d_resample` computes."""
    edge = x.shape[1] * (2 if up else 1)
    result = torch.full((len(x), edge, edge, len(weight)), torch.nan)

    def finish(y: torch.Tensor, samples: slice, rows: slice) -> None:
        assert result[samples, rows].isnan().all()
        result[samples, rows] = y.float()

    layer(x, styles, finish)
    scaled = (x.float() * styles[:, None, None]).permute(0, 3, 1, 2)
    expected = conv2d_resample(scaled, weight, TAPS, up=up, correlate=not up).permute(0, 2, 3, 1)
    error = float((result - expected).square().mean().sqrt() / expected.square().mean().sqrt())
    assert error < TOLERANCE[x.dtype]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize(("size", "shared"), [(4, True), (16, False)])
def test_direct(size: int, shared: bool, up: bool, dtype: torch.dtype) -> None:
    x, styles, weight = inputs(size, 7)
    layer = DirectConvolution(weight, size, dtype, TAPS if up else None)
    assert layer.shared == shared, "the weights are multiplied by the styles where they are fewer than the features"
    assert_right(layer, x.to(dtype), styles, weight, up=up)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("size", [1, 4, 8])
def test_spread(size: int, dtype: torch.dtype) -> None:
    x, styles, weight = inputs(size, 5)
    layer = SpreadConvolution(weight, TAPS, dtype)
    assert layer.memory_bytes == weight.numel() * dtype.itemsize
    assert_right(layer, x.to(dtype), styles, weight, up=True)


@pytest.mark.parametrize("size", [4, 8, 16])
def test_filtered(size: int) -> None:
    x, styles, weight = inputs(size, 5)
    assert_right(TransposedConvolution(weight, TAPS, Workspace()), x, styles, weight, up=True)


def test_float32_weights_are_not_copied() -> None:
    weight = torch.randn(4, 6, 3, 3).contiguous(memory_format=torch.channels_last)
    assert DirectConvolution(weight, 64, torch.bfloat16).memory_bytes == 0
    assert DirectConvolution(weight, 4, torch.float32).memory_bytes == 0
    assert DirectConvolution(weight, 4, torch.bfloat16).memory_bytes == 2 * weight.numel()
