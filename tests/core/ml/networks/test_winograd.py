"""The filtered convolutions against PyTorch's own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from core.ml.networks import winograd
from tests.core.ml.golden import assert_close

TOLERANCE = 2e-5


def inputs(n: int, size: int, channels: int, out: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(size * channels)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    return draw(n, size, size, channels), draw(n, channels) + 1, draw(out, channels, 3, 3)


@pytest.mark.parametrize("tiles", [1, 24, 128])
@pytest.mark.parametrize(("n", "size"), [(1, 4), (3, 8), (2, 16), (1, 32)])
def test_convolution(n: int, size: int, tiles: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "TILES", tiles)
    x, styles, weight = inputs(n, size, 5, 7)
    y = winograd.Convolution(weight, winograd.Workspace())(x, styles)
    expected = F.conv2d((x * styles[:, None, None]).permute(0, 3, 1, 2).double(), weight.double(), padding=1)
    assert_close(y.permute(0, 3, 1, 2), expected.float(), TOLERANCE)


@pytest.mark.parametrize("tiles", [1, 128])
@pytest.mark.parametrize(("n", "size"), [(1, 4), (3, 8), (2, 16), (1, 32)])
def test_transposed_convolution(n: int, size: int, tiles: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "TILES", tiles)
    x, styles, weight = inputs(n, size, 5, 7)
    y = winograd.TransposedConvolution(weight, winograd.Workspace())(x, styles).permute(0, 3, 1, 2)
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
    first = layer(*small[:2]).clone()
    winograd.TransposedConvolution(large[2], workspace)(*large[:2])
    winograd.Convolution(large[2], workspace)(*large[:2])
    assert torch.equal(layer(*small[:2]), first)
