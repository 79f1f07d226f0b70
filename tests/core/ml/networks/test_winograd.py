"""The filtered convolutions against PyTorch's own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from core.ml.networks import winograd
from core.ml.networks.ops import low_pass_filter
from tests.core.ml.golden import assert_close

TOLERANCE = 2e-5
TAPS = low_pass_filter()


def inputs(n: int, size: int, channels: int, out: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(size * channels)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    return draw(n, size, size, channels), draw(n, channels) + 1, draw(out, channels, 3, 3)


def finished(layer: winograd.Convolution, x: torch.Tensor, styles: torch.Tensor) -> torch.Tensor:
    """What the layer gives to its `finish`, put together: [N, O, H, W]."""
    result = torch.full((*x.shape[:3], layer.weight.shape[2]), torch.nan)

    def finish(y: torch.Tensor, samples: slice, rows: slice) -> None:
        assert result[samples, rows].isnan().all(), "each part comes once"
        result[samples, rows] = y

    layer(x, styles, finish)
    return result.permute(0, 3, 1, 2)


@pytest.mark.parametrize("tiles", [1, 24, 128])
@pytest.mark.parametrize(("n", "size"), [(1, 4), (3, 8), (2, 16), (1, 32)])
def test_convolution(n: int, size: int, tiles: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "TILES", tiles)
    x, styles, weight = inputs(n, size, 5, 7)
    y = finished(winograd.Convolution(weight, winograd.Workspace()), x, styles)
    expected = F.conv2d((x * styles[:, None, None]).permute(0, 3, 1, 2).double(), weight.double(), padding=1)
    assert_close(y, expected.float(), TOLERANCE)


def test_rounded_operands() -> None:
    """White noise is the worst case; the usual points 0, ±1, ±2 would cost more than ten times the direct error."""
    x, styles, weight = inputs(2, 16, 64, 48)
    scaled = (x * styles[:, None, None]).permute(0, 3, 1, 2)
    expected = F.conv2d(scaled, weight, padding=1)
    direct = F.conv2d(scaled.bfloat16(), weight.bfloat16(), padding=1).float()
    layer = winograd.Convolution(weight, winograd.Workspace(), torch.bfloat16)
    assert layer.memory_bytes == 2 * 36 * weight[:, :, 0, 0].numel()

    def error(y: torch.Tensor) -> float:
        return float((y - expected).square().mean().sqrt() / expected.square().mean().sqrt())

    assert 0 < error(finished(layer, x, styles)) < 6 * error(direct)


@pytest.mark.parametrize("tiles", [1, 128])
@pytest.mark.parametrize(("n", "size"), [(1, 4), (3, 8), (2, 16), (1, 32)])
def test_transposed_convolution(n: int, size: int, tiles: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "TILES", tiles)
    x, styles, weight = inputs(n, size, 5, 7)
    y = winograd.TransposedConvolution(weight, TAPS, winograd.Workspace()).doubled(x, styles).permute(0, 3, 1, 2)
    scaled = (x * styles[:, None, None]).permute(0, 3, 1, 2).double()
    expected = F.conv_transpose2d(scaled, weight.double().transpose(0, 1), stride=2).float()
    padded = F.pad(expected, [1, 1, 1, 1])
    assert_close(y[:, :, : 2 * size + 3, : 2 * size + 3], padded, TOLERANCE)
    assert not y[:, :, 0].any()
    assert not y[:, :, :, 2 * size + 2].any()


def test_memory_is_reused_without_leaving_traces() -> None:
    workspace = winograd.Workspace()
    large, small = inputs(2, 16, 4, 4), inputs(1, 8, 4, 4)
    layer = winograd.Convolution(small[2], workspace)
    first = finished(layer, *small[:2])
    winograd.TransposedConvolution(large[2], TAPS, workspace).doubled(*large[:2])
    finished(winograd.Convolution(large[2], workspace), *large[:2])
    assert torch.equal(finished(layer, *small[:2]), first)


def test_the_workspace_keeps_formats_apart() -> None:
    workspace = winograd.Workspace()
    exact, rounded = workspace.take("a", 2, 3), workspace.take("a", 2, 3, dtype=torch.bfloat16)
    assert exact.dtype == torch.float32
    assert rounded.dtype == torch.bfloat16
    exact.fill_(1)
    rounded.fill_(2)
    assert torch.equal(workspace.take("a", 6), torch.ones(6))
