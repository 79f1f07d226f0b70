"""Frequency bands and holes: changes of pictures for the discriminator that neither preset uses.

Source: Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", appendix B.4 and B.5.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from core.ml.training.image.augment import Draws

# Symlet of order 2, low-pass, sum sqrt(2).
_SYMLET = (-0.12940952255092145, 0.22414386804185735, 0.836516303737469, 0.48296291314469025)
_BANDS = 4
_POWER = torch.tensor([10.0, 1.0, 1.0, 1.0]) / 13.0
"""How the power of natural pictures is spread over the bands."""


@lru_cache(maxsize=1)
def filter_bank() -> Tensor:
    """Four bands from the lowest to the highest, [4, 43]; zero-phase, and together they pass everything."""
    low = torch.tensor(_SYMLET, dtype=torch.float64)
    high = low * torch.tensor([1.0, -1.0, 1.0, -1.0], dtype=torch.float64)
    both = [_autocorrelation(taps) / 2 for taps in (low, high)]
    bank = torch.tensor([[1.0]], dtype=torch.float64)
    for _ in range(_BANDS - 1):
        # Each round splits the lowest band in two: what is there spreads out, and the new upper half joins below it.
        wide = torch.zeros(len(bank), 2 * bank.shape[1] - 1, dtype=torch.float64)
        wide[:, ::2] = bank
        wide = F.conv1d(wide[:, None], both[0][None, None], padding=len(both[0]) - 1)[:, 0]
        edge = (wide.shape[1] - len(both[1])) // 2
        bank = torch.cat([wide, F.pad(both[1], [edge, edge])[None]])
    return bank


def _autocorrelation(taps: Tensor) -> Tensor:
    return F.conv1d(taps[None, None], taps[None, None], padding=len(taps) - 1)[0, 0]


def band_gains(count: int, p: float, draws: Draws) -> Tensor:
    """A gain for each band of each picture, [count, 4]; expected power stays the same."""
    gains = torch.ones(count, _BANDS)
    for band in range(_BANDS):
        factor = torch.ones(count, _BANDS)
        factor[:, band] = torch.exp2(draws.normal(count) * draws.happens(count, p))
        gains = gains * factor / (_POWER * factor.square()).sum(dim=1, keepdim=True).sqrt()
    return gains


def filtered(images: Tensor, gains: Tensor) -> Tensor:
    """The pictures [N, C, H, W] with their bands amplified by `gains` [N, 4], reflected at the borders."""
    n, channels, height, width = images.shape
    taps = (gains.double() @ filter_bank()).to(images).repeat_interleave(channels, dim=0)
    for axis, size in ((3, width), (2, height)):
        reach = taps.shape[1] // 2
        rows = torch.arange(-reach, size + reach, device=images.device) % max(1, 2 * (size - 1))
        rows = torch.where(rows < size, rows, 2 * (size - 1) - rows)
        wide = images.index_select(axis, rows).reshape(1, n * channels, *_with(images.shape[2:], axis - 2, len(rows)))
        shape = (n * channels, 1, 1, -1) if axis == 3 else (n * channels, 1, -1, 1)
        images = F.conv2d(wide, taps.reshape(shape), groups=n * channels).reshape(n, channels, height, width)
    return images


def _with(shape: torch.Size, axis: int, size: int) -> tuple[int, int]:
    return (size, shape[1]) if axis == 0 else (shape[0], size)


def holed(images: Tensor, which: Tensor, centre: Tensor) -> Tensor:
    """The pictures [N, C, H, W] with a grey square of half the side around `centre` [2, N], where `which` [N]."""
    height, width = images.shape[2:]
    apart = [
        ((torch.arange(size) + 0.5) / size - at[:, None]).abs() >= 0.25
        for size, at in ((width, centre[0]), (height, centre[1]))
    ]
    kept = apart[0][:, None, :] | apart[1][:, :, None] | ~which[:, None, None]
    return images * kept[:, None].to(images)
