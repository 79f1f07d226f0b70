"""What happens around convolutions, pixel by pixel, in as few passes over memory as training allows.

On CPUs these take as long as the arithmetic when every step walks through whole feature maps. Here a sample is finished
while it is in the cache, forward and backward. All functions can be differentiated twice; the second derivatives are
PyTorch's own. Feature maps are [N, C, H, W], best channels last. While `torch.compile` traces, all are plain
operations.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import Function

from core.ml.networks import convolution

LEAK = 0.2
TOGETHER = 131_072
"""Numbers of feature maps that a CPU works on together."""


def modulated(x: Tensor, styles: Tensor) -> Tensor:
    """`x` [N, C, H, W] times `styles` [N, C], in the format of `x`."""
    if torch.compiler.is_compiling():
        return x * styles.to(x.dtype)[:, :, None, None]
    y: Tensor = _Modulate.apply(x, styles.to(x.dtype))  # type: ignore[no-untyped-call]
    return y


def activated(x: Tensor, factor: Tensor | None, bias: Tensor, noise: Tensor | None) -> Tensor:
    """leaky ReLU(x * factor + bias + noise), in the format of `x`.

    Args:
        x: [N, C, H, W]. Without a factor it may be overwritten: hand over nothing that is used elsewhere.
        factor: [N, C].
        bias: [C].
        noise: [1 or N, 1, H, W].
    """
    factor, noise = (None if part is None else part.to(x.dtype) for part in (factor, noise))
    bias = bias.to(x.dtype)
    if torch.compiler.is_compiling():
        x = x if factor is None else x * factor[:, :, None, None]
        x = x + bias[:, None, None]
        return F.leaky_relu(x if noise is None else x + noise, LEAK)
    y: Tensor = _Activate.apply(x, factor, bias, noise)  # type: ignore[no-untyped-call]
    return y


def projected(x: Tensor, matrix: Tensor) -> Tensor:
    """Each pixel of `x` [N, C, H, W] times its sample's `matrix` [N, K, C], for a few results K: [N, K, H, W]."""
    n, c, h, w = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(n, h * w, c)
    if torch.compiler.is_compiling():
        return torch.bmm(matrix, rows.transpose(1, 2)).view(n, -1, h, w)
    y: Tensor = _Project.apply(rows, matrix)  # type: ignore[no-untyped-call]
    return y.view(n, -1, h, w)


def _rows(x: Tensor) -> Tensor:
    """[N, C, H, W] as [N, H, W, C], contiguous."""
    return x.permute(0, 2, 3, 1).contiguous()


def _parts(x: Tensor) -> Iterator[slice]:
    """Samples that are worked on together: on CPUs as many as the caches hold, else all."""
    step = min(len(x), max(1, TOGETHER // x[0].numel())) if x.device.type == "cpu" else len(x)
    return (slice(first, first + step) for first in range(0, len(x), step))


class _Modulate(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, styles: Tensor) -> Tensor:
        ctx.save_for_backward(x, styles)
        return x * styles[:, :, None, None]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, styles = ctx.saved_tensors
        if torch.is_grad_enabled():
            return gradient * styles[:, :, None, None], (gradient * x).sum(dim=[2, 3])
        g, seen = _rows(gradient), _rows(x)
        to_x, to_styles = torch.empty_like(g), torch.empty_like(styles)
        for part in _parts(g):
            to_styles[part] = (g[part] * seen[part]).sum(dim=[1, 2])
            torch.mul(g[part], styles[part, None, None], out=to_x[part])
        return to_x.permute(0, 3, 1, 2), to_styles


class _Activate(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: Tensor | None, bias: Tensor, noise: Tensor | None) -> Tensor:
        rows = _rows(x)
        if factor is None and rows.data_ptr() == x.data_ptr():
            ctx.mark_dirty(x)
            y = rows
        else:
            y = torch.empty_like(rows)
        for part in _parts(rows):
            if factor is None:
                torch.add(rows[part], bias, out=y[part])
            else:
                torch.addcmul(bias, rows[part], factor[part, None, None], out=y[part])
            if noise is not None:
                y[part] += (noise if len(noise) == 1 else noise[part]).permute(0, 2, 3, 1)
            F.leaky_relu_(y[part], LEAK)
        result = x if factor is None and y.data_ptr() == x.data_ptr() else y.permute(0, 3, 1, 2)
        ctx.save_for_backward(x if factor is not None else None, factor, noise, result)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, factor, noise, y = ctx.saved_tensors
        for_bias, for_noise = (convolution.weights_wanted() and needed for needed in ctx.needs_input_grad[2:])
        if torch.is_grad_enabled():
            inner = torch.ops.aten.leaky_relu_backward(gradient, y, LEAK, True)
            return (
                inner if factor is None else inner * factor[:, :, None, None],
                None if factor is None else (inner * x).sum(dim=[2, 3]),
                inner.sum(dim=[0, 2, 3]) if for_bias else None,
                inner.sum(dim=1, keepdim=True).sum_to_size(noise.shape) if for_noise else None,
            )
        g, seen = _rows(gradient), _rows(y)
        rows = None if x is None else _rows(x)
        # Sums over the batch in float32 at least.
        to_bias = torch.zeros(g.shape[3], dtype=torch.promote_types(g.dtype, torch.float32), device=g.device)
        to_x = torch.empty_like(g)
        to_factor = None if factor is None else torch.empty_like(factor)
        to_noise = torch.empty(g.shape[:3], dtype=g.dtype, device=g.device) if for_noise else None
        for part in _parts(g):
            inner = to_x[part]
            torch.ops.aten.leaky_relu_backward.grad_input(g[part], seen[part], LEAK, True, grad_input=inner)
            if for_bias:
                to_bias += inner.sum(dim=[0, 1, 2])
            if to_noise is not None:
                to_noise[part] = inner.sum(dim=3)
            if factor is not None and to_factor is not None and rows is not None:
                to_factor[part] = (inner * rows[part]).sum(dim=[1, 2])
                inner *= factor[part, None, None]
        spread = None if to_noise is None else to_noise[:, None].sum_to_size(noise.shape)
        return to_x.permute(0, 3, 1, 2), to_factor, to_bias.to(g.dtype), spread


class _Project(Function):
    """[N, P, C] and [N, K, C] to [N, K, P]. Like convolutions, bilinear and closed under derivatives."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, matrix: Tensor) -> Tensor:
        ctx.save_for_backward(rows, matrix)
        return torch.bmm(matrix, rows.transpose(1, 2))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        rows, matrix = ctx.saved_tensors
        return _ToRows.apply(gradient, matrix), _ToMatrix.apply(gradient, rows)  # type: ignore[no-untyped-call]


class _ToRows(Function):
    """[N, K, P] and [N, K, C] to [N, P, C]."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, matrix: Tensor) -> Tensor:
        ctx.save_for_backward(y, matrix)
        return torch.bmm(y.transpose(1, 2), matrix)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        y, matrix = ctx.saved_tensors
        return _Project.apply(gradient, matrix), _ToMatrix.apply(y, gradient)  # type: ignore[no-untyped-call]


class _ToMatrix(Function):
    """[N, K, P] and [N, P, C] to [N, K, C]."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, rows: Tensor) -> Tensor:
        ctx.save_for_backward(y, rows)
        return torch.bmm(y, rows)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        y, rows = ctx.saved_tensors
        return _Project.apply(rows, gradient), _ToRows.apply(y, gradient)  # type: ignore[no-untyped-call]
