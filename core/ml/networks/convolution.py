"""Convolutions for training: three functions that are each other's derivatives, so that all orders are as fast.

y = convolve(x, w) is bilinear; so are its two gradients, `spread` (the transposed convolution, y to x) and the weights'
(x and y to w), and each derivative of one of the three is again one of them. R1 and the path length differentiate
twice, and PyTorch's own second derivatives take several times as long (depthwise ones loop over the channels).

Images are [N, C, H, W], best channels last; any device and number format. On CPUs in float32, 3 x 3 convolutions of the
same size run by minimal filtering (`winograd_training`), which halves their time. While `torch.compile` traces, all are
the plain operations of PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import Function

from core.ml.networks import winograd_training

__all__ = ["convolve", "filtered", "spread", "weights_wanted", "without_weight_gradients"]

_weights_wanted = True
# Not per thread: on GPUs gradients are computed by another thread than the one that asks for them.


def weights_wanted() -> bool:
    """False within `without_weight_gradients`."""
    return _weights_wanted


@contextmanager
def without_weight_gradients() -> Iterator[None]:
    """Within, gradients go to inputs only: for `torch.autograd.grad` with respect to images or w, which would otherwise
    compute the gradients of all weights and throw them away. (PyTorch does not tell functions what it will use.)"""
    global _weights_wanted
    before, _weights_wanted = _weights_wanted, False
    try:
        yield
    finally:
        _weights_wanted = before


def convolve(x: Tensor, weight: Tensor, *, stride: int = 1, padding: int = 0) -> Tensor:
    """`F.conv2d` of [N, I, H, W] with [O, I, k, k]. With a stride, H and W must leave no rest.

    Raises:
        ValueError: Rows or columns would be left over.
    """
    if any((size + 2 * padding - weight.shape[-1]) % stride for size in x.shape[2:]):
        raise ValueError(f"{list(x.shape)} leaves a rest at stride {stride} and padding {padding}")
    if torch.compiler.is_compiling():
        return F.conv2d(x, weight, stride=stride, padding=padding)
    y: Tensor = _apply(_Convolve, x, weight, stride, padding)
    return y


def spread(y: Tensor, weight: Tensor, *, stride: int = 1, padding: int = 0) -> Tensor:
    """The transpose of `convolve` in x, as `F.conv_transpose2d`: [N, O, H, W] with [O, I, k, k] to [N, I, ...]."""
    if torch.compiler.is_compiling():
        return F.conv_transpose2d(y, weight, stride=stride, padding=padding)
    x: Tensor = _apply(_Spread, y, weight, stride, padding)
    return x


def filtered(x: Tensor, taps: Tensor, *, stride: int = 1, padding: int = 0, transposed: bool = False) -> Tensor:
    """Each channel of [N, C, H, W] correlated with the constant `taps` [f, f]; `transposed` as for `spread`."""
    if torch.compiler.is_compiling():
        return _depthwise(x, taps, stride, padding, transposed)
    y: Tensor = _apply(_Filter, x, taps, stride, padding, transposed)
    return y


class _Convolve(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.how = stride, padding
        if _filtering(x, weight, stride, padding):
            return winograd_training.convolve(x, weight)
        return F.conv2d(_laid_out(x), _laid_out(weight), stride=stride, padding=padding)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        for_x, for_w = _wanted(ctx)
        to_x = _apply(_Spread, gradient, weight, *ctx.how) if for_x else None
        to_w = _apply(_Weigh, x, gradient, weight.shape[-1], *ctx.how) if for_w else None
        return to_x, to_w, None, None


class _Spread(Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(y, weight)
        ctx.how = stride, padding
        if stride == 1:
            turned, around = weight.flip([2, 3]).transpose(0, 1), weight.shape[-1] - 1 - padding
            if _filtering(y, turned, stride, around):
                return winograd_training.convolve(y, turned)
            return F.conv2d(_laid_out(y), _laid_out(turned), padding=around)
        return F.conv_transpose2d(_laid_out(y), _laid_out(weight), stride=stride, padding=padding)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        y, weight = ctx.saved_tensors
        for_y, for_w = _wanted(ctx)
        to_y = _apply(_Convolve, gradient, weight, *ctx.how) if for_y else None
        to_w = _apply(_Weigh, gradient, y, weight.shape[-1], *ctx.how) if for_w else None
        return to_y, to_w, None, None


class _Weigh(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(x, y)
        ctx.how = stride, padding
        # The values of the weights do not matter for their gradient.
        weight = x.new_empty(1).expand(y.shape[1], x.shape[1], kernel, kernel)
        if _filtering(x, weight, stride, padding):
            return winograd_training.weight_gradient(x, y)
        pair = [stride, stride], [padding, padding], [1, 1], False, [0, 0], 1, [False, True, False]
        result: Tensor = torch.ops.aten.convolution_backward(_laid_out(y), _laid_out(x), weight, None, *pair)[1]
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, y = ctx.saved_tensors
        to_x = _apply(_Spread, y, gradient, *ctx.how) if ctx.needs_input_grad[0] else None
        to_y = _apply(_Convolve, x, gradient, *ctx.how) if ctx.needs_input_grad[1] else None
        return to_x, to_y, None, None, None


class _Filter(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, taps: Tensor, stride: int, padding: int, transposed: bool) -> Tensor:
        ctx.save_for_backward(taps)
        ctx.how = stride, padding, not transposed
        return _depthwise(_laid_out(x), taps, stride, padding, transposed)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (taps,) = ctx.saved_tensors
        return _apply(_Filter, gradient, taps, *ctx.how), None, None, None, None


def _depthwise(x: Tensor, taps: Tensor, stride: int, padding: int, transposed: bool) -> Tensor:
    """See `filtered`."""
    channels, size = x.shape[1], taps.shape[0]
    if transposed and stride == 2 and x.dtype == torch.bfloat16 and x.device.type == "cpu":
        # oneDNN has no fast transposed depthwise convolution in bfloat16: insert the zeros here.
        n, _, h, w = x.shape
        wide = x.new_zeros(n, 2 * h - 1, 2 * w - 1, channels)
        wide[:, ::2, ::2] = x.permute(0, 2, 3, 1)
        x, stride = wide.permute(0, 3, 1, 2), 1
    if transposed and stride == 1:
        taps, padding, transposed = taps.flip([0, 1]), size - 1 - padding, False
    weight = taps.to(x.dtype).expand(channels, 1, -1, -1)
    if transposed:
        return F.conv_transpose2d(x, weight, stride=stride, padding=padding, groups=channels)
    return F.conv2d(x, weight, stride=stride, padding=padding, groups=channels)


def _wanted(ctx: Any) -> tuple[bool, bool]:
    """Whether gradients of the first argument and of the weights are asked for."""
    return ctx.needs_input_grad[0], _weights_wanted and ctx.needs_input_grad[1]


def _apply(function: type[Function], *arguments: Any) -> Tensor:
    """The result of `function`, whose inputs autograd then knows."""
    result: Tensor = function.apply(*arguments)  # type: ignore[no-untyped-call]
    return result


def _filtering(x: Tensor, weight: Tensor, stride: int, padding: int) -> bool:
    """Whether minimal filtering can and should do it."""
    return weight.shape[-1] == 3 and stride == padding == 1 and winograd_training.suits(x, min(weight.shape[:2]))


def _laid_out(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
