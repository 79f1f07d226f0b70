"""Modulated 3 x 3 convolutions by the direct method, for inference on CPUs, in float32 or bfloat16.

Two ways for the layers that minimal filtering (`winograd`) does not pay for. Both take feature maps [N, H, H, I],
multiply them by the styles, and give the result to a `Finish`. Doubling layers are a transposed convolution of stride
2 and a 4 x 4 low-pass filter of gain 4, as in `ops.conv2d_resample`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from core.ml.networks.winograd import Finish


class DirectConvolution:
    """By PyTorch's own kernels. Either features or weights are multiplied by the styles, whichever are fewer.

    Args:
        weight: [O, I, 3, 3], float32.
        size: Edge of the incoming maps.
        dtype: Of the products.
        taps: Low-pass filter [4, 4] of a layer that doubles the size.
    """

    def __init__(self, weight: Tensor, size: int, dtype: torch.dtype, taps: Tensor | None = None) -> None:
        self.dtype = dtype
        self.taps = None if taps is None else _depthwise(taps, weight.shape[0], dtype)
        self.shared = 9 * weight.shape[0] > size**2
        rounded = dtype if self.shared else weight.dtype
        self.weight = weight.to(rounded).contiguous(memory_format=torch.channels_last)
        self.memory_bytes = 0 if self.weight.data_ptr() == weight.data_ptr() else self.weight.nbytes

    def __call__(self, x: Tensor, styles: Tensor, finish: Finish) -> None:
        """`x` [N, H, H, I] times `styles` [N, I], convolved, given to `finish`."""
        if self.shared:
            y = self._convolve((x * styles[:, None, None]).to(self.dtype), self.weight)
            finish(y, slice(0, len(y)), slice(0, y.shape[1]))
            return
        for index, style in enumerate(styles):
            weight = (self.weight * style[:, None, None]).to(self.dtype)
            y = self._convolve(x[index : index + 1].to(self.dtype), weight)
            finish(y, slice(index, index + 1), slice(0, y.shape[1]))

    def _convolve(self, x: Tensor, weight: Tensor) -> Tensor:
        """[N, H, H, I] to [N, R, R, O]."""
        if self.taps is None:
            return F.conv2d(x.permute(0, 3, 1, 2), weight, padding=1).permute(0, 2, 3, 1)
        y = F.conv_transpose2d(x.permute(0, 3, 1, 2), weight.transpose(0, 1), stride=2)
        return _filtered(y, self.taps)


class SpreadConvolution:
    """Doubles a small map by one matrix product for all nine weights, whose columns are then added up in float32.

    PyTorch's transposed convolution rearranges the weights in every call; with few pixels that takes several times as
    long as the products.

    Args:
        weight: [O, I, 3, 3], float32.
        taps: Low-pass filter [4, 4].
        dtype: What the operands of the products are rounded to.
    """

    def __init__(self, weight: Tensor, taps: Tensor, dtype: torch.dtype) -> None:
        self.out = weight.shape[0]
        self.taps = _depthwise(taps, self.out, torch.float32)
        self.weight = weight.permute(1, 2, 3, 0).flatten(1).to(dtype).contiguous()
        self.memory_bytes = self.weight.nbytes

    def __call__(self, x: Tensor, styles: Tensor, finish: Finish) -> None:
        """`x` [N, H, H, I] times `styles` [N, I], convolved, given to `finish`."""
        n, h, _, c = x.shape
        scaled = (x * styles[:, None, None]).to(self.weight.dtype)
        products = torch.mm(scaled.view(-1, c), self.weight).view(n, h, h, 3, 3, self.out)
        y = torch.zeros(n, 2 * h + 1, 2 * h + 1, self.out)
        for row in range(3):
            for column in range(3):
                y[:, row : row + 2 * h - 1 : 2, column : column + 2 * h - 1 : 2] += products[:, :, :, row, column]
        finish(_filtered(y.permute(0, 3, 1, 2), self.taps), slice(0, n), slice(0, 2 * h))


def _depthwise(taps: Tensor, channels: int, dtype: torch.dtype) -> Tensor:
    """The low-pass filter with gain 4 as the weights [C, 1, 4, 4] of a convolution of each channel by itself."""
    return (taps * 4).to(dtype).expand(channels, 1, -1, -1)


def _filtered(y: Tensor, taps: Tensor) -> Tensor:
    """[N, C, 2 H + 1, 2 H + 1], channels last, to [N, 2 H, 2 H, C]."""
    return F.conv2d(y, taps, padding=1, groups=len(taps)).permute(0, 2, 3, 1)
