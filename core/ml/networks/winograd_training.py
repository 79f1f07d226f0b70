"""The same-size 3 x 3 convolution and the gradient of its weights by minimal filtering, for training on CPUs.

Where `winograd` keeps transformed weights for many pictures, here they change with every step: both are functions of
plain tensors. The gradient of the weights is the transpose of the same algorithm: with V the transformed tiles of the
input and Y the tiles of the incoming gradient, transformed by the transpose of the output transform, it is the back
transform of the 36 products Vᵀ Y (Lavin & Gray 2016, section 4). Errors stay at 1e-5 of the largest result.
"""

from __future__ import annotations

import functools
import threading

import torch
from torch import Tensor

from core.ml.networks.winograd import _A, _B, _G43, Workspace, _input_4_3, _output_4_3

FLOATS = 8_192
"""Numbers per point in the tiles that are worked on together: enough for the products, few enough for the caches."""

_memory = threading.local()


def suits(x: Tensor, out_channels: int) -> bool:
    """Whether minimal filtering is worth it for maps `x` [N, C, H, W] and that many results."""
    return (
        x.dtype == torch.float32
        and x.device.type == "cpu"
        and not x.shape[2] % 4
        and not x.shape[3] % 4
        and x.shape[0] * x.shape[2] * x.shape[3] >= 1024
        and min(x.shape[1], out_channels) >= 32
    )


def convolve(x: Tensor, weight: Tensor) -> Tensor:
    """[N, I, H, W] with H, W multiples of 4 and [O, I, 3, 3] to [N, O, H, W], channels last; float32."""
    workspace = _workspace()
    take = workspace.take
    x = _channels_last(x)
    n, h, w, c = x.shape
    o = weight.shape[0]
    points = torch.mm(_weight_transform(), weight.permute(2, 3, 1, 0).reshape(9, c * o)).view(36, c, o)
    result = torch.empty([n, o, h, w], memory_format=torch.channels_last)
    y = result.permute(0, 2, 3, 1)
    for s, r, rows, first in _bands(n, h, w, max(c, o)):
        tiles = _input_tiles(x, s, r, rows, first, workspace)
        products = torch.bmm(tiles.view(36, -1, c), points, out=take("products", 36, s * r * (w // 4), o))
        halfway = take("halfway", 4, 6, s, r, w // 4, o)
        _output_4_3(products.view(6, 6, s, r, w // 4, o), halfway, workspace)
        part = y[first : first + s, 4 * rows : 4 * (rows + r)]
        target = part.view(s, r, 4, w // 4, 4, o).permute(2, 4, 0, 1, 3, 5)
        _output_4_3(halfway.transpose(0, 1), target, workspace)
    return result


def weight_gradient(x: Tensor, gradient: Tensor) -> Tensor:
    """What [N, I, H, W] and the gradient [N, O, H, W] of their convolution say about the weights, [O, I, 3, 3]."""
    workspace = _workspace()
    take = workspace.take
    x, gradient = _channels_last(x), _channels_last(gradient)
    n, h, w, c = x.shape
    o = gradient.shape[3]
    total = torch.zeros(36, c, o)
    for s, r, rows, first in _bands(n, h, w, max(c, o)):
        tiles = _input_tiles(x, s, r, rows, first, workspace)
        part = gradient[first : first + s, 4 * rows : 4 * (rows + r)]
        seen = part.view(s, r, 4, w // 4, 4, o).permute(2, 4, 0, 1, 3, 5)
        halfway = take("halfway gradient", 6, 4, s, r, w // 4, o)
        _output_4_3_transposed(seen, halfway, workspace)
        spread = take("gradient tiles", 6, 6, s, r, w // 4, o)
        _output_4_3_transposed(halfway.transpose(0, 1), spread, workspace)
        total.baddbmm_(tiles.view(36, -1, c).transpose(1, 2), spread.view(36, -1, o))
    # Both passes of the transforms leave the points of columns first, as the weights' transform has them.
    back = torch.mm(_weight_transform().t(), total.view(36, c * o))
    return back.view(3, 3, c, o).permute(3, 2, 0, 1)


def _bands(n: int, h: int, w: int, channels: int) -> list[tuple[int, int, int, int]]:
    """Parts to work on: how many samples and rows of tiles, the first row and the first sample."""
    high, wide, together = h // 4, w // 4, max(32, FLOATS // channels)
    rows, samples = min(high, max(1, together // wide)), max(1, together // (high * wide))
    return [
        (min(samples, n - first), min(rows, high - row), row, first)
        for first in range(0, n, samples)
        for row in range(0, high, rows)
    ]


def _input_tiles(x: Tensor, s: int, r: int, row: int, first: int, workspace: Workspace) -> Tensor:
    """The tiles of one part of `x` [N, H, W, C] at all points, [6 along columns, 6 along rows, s, r, W / 4, C]."""
    take = workspace.take
    _, h, w, c = x.shape
    band = take("padded", s, 4 * r + 2, w + 2, c)
    top, bottom = max(0, 4 * row - 1), min(h, 4 * (row + r) + 1)
    start = top - (4 * row - 1)
    band[:, start : start + bottom - top, 1:-1].copy_(x[first : first + s, top:bottom])
    band[:, :, 0].zero_()
    band[:, :, -1].zero_()
    if row == 0:
        band[:, 0].zero_()
    if 4 * (row + r) == h:
        band[:, -1].zero_()
    halfway = take("halfway", 6, s, r, w + 2, c)
    _input_4_3([band[:, k : k + 4 * r - 3 : 4] for k in range(6)], halfway, workspace)
    tiles = take("tiles", 6, 6, s, r, w // 4, c)
    _input_4_3([halfway[:, :, :, k : k + w - 3 : 4] for k in range(6)], tiles, workspace)
    return tiles


def _output_4_3_transposed(g: Tensor, m: Tensor, workspace: Workspace) -> None:
    """The transpose of `_output_4_3`: gradients of four outputs, `g` [4, ...], to six points, `m` [6, ...]."""
    p, q, r, s = workspace.take("scratch", 4, *m.shape[1:])
    torch.add(g[2], g[0], alpha=1 / _A**2, out=p)
    torch.mul(g[0], 1 / _B, out=r).add_(g[2], alpha=_B)
    torch.mul(g[1], 1 / _A, out=q).add_(g[3], alpha=_A)
    torch.add(g[1], g[3], alpha=_B**2, out=s)
    m[0].copy_(g[0])
    torch.add(p, q, out=m[1])
    torch.sub(p, q, out=m[2])
    torch.add(r, s, out=m[3])
    torch.sub(r, s, out=m[4])
    m[5].copy_(g[3])


@functools.cache
def _weight_transform() -> Tensor:
    """[36 points, 9 taps], float32; points of columns first, taps row by row."""
    with torch.inference_mode(False):
        return torch.einsum("ay,bx->bayx", _G43, _G43).reshape(36, 9).float()


def _channels_last(x: Tensor) -> Tensor:
    """[N, C, H, W] as [N, H, W, C], contiguous."""
    return x.permute(0, 2, 3, 1).contiguous()


def _workspace() -> Workspace:
    """This thread's."""
    if not hasattr(_memory, "workspace"):
        _memory.workspace = Workspace()
    workspace: Workspace = _memory.workspace
    return workspace
