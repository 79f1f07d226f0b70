"""The same-size 3 x 3 convolution and the gradient of its weights by minimal filtering, for training on CPUs.

Where `winograd` keeps transformed weights for many pictures, here they change with every step: both are functions of
plain tensors. The gradient of the weights is the transpose of the same algorithm: with V the transformed tiles of the
input and Y the tiles of the incoming gradient, transformed by the transpose of the output transform, it is the back
transform of the 36 products Vᵀ Y (Lavin & Gray 2016, section 4). Errors stay at 1e-5 of the largest result.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from core.ml.networks.winograd import _A, _B, _G43, Workspace, _input_4_3, _output_4_3

FLOATS = 8_192
"""Numbers per point in the tiles that are worked on together: enough for the products, few enough for the caches."""


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
    x = _channels_last(x)
    n, h, w, c = x.shape
    o = weight.shape[0]
    points = torch.mm(_weight_transform(), weight.permute(2, 3, 1, 0).reshape(9, c * o)).view(36, c, o)
    result = torch.empty([n, o, h, w], memory_format=torch.channels_last)
    y = result.permute(0, 2, 3, 1)
    for s, r, rows, first in _bands(n, h, w, max(c, o)):
        tiles, outputs = _memory.get(_Tiles, s, r, w, c), _memory.get(_Outputs, s, r, w, o)
        tiles.fill(x, rows, first)
        torch.bmm(tiles.whole, points, out=outputs.products)
        part = y[first : first + s, 4 * rows : 4 * (rows + r)]
        outputs.put_together(part.view(s, r, 4, w // 4, 4, o).permute(2, 4, 0, 1, 3, 5).unbind())
    return result


def weight_gradient(x: Tensor, gradient: Tensor) -> Tensor:
    """What [N, I, H, W] and the gradient [N, O, H, W] of their convolution say about the weights, [O, I, 3, 3]."""
    x, gradient = _channels_last(x), _channels_last(gradient)
    n, h, w, c = x.shape
    o = gradient.shape[3]
    total = torch.zeros(36, c, o)
    for s, r, rows, first in _bands(n, h, w, max(c, o)):
        tiles, spread = _memory.get(_Tiles, s, r, w, c), _memory.get(_Gradients, s, r, w, o)
        tiles.fill(x, rows, first)
        part = gradient[first : first + s, 4 * rows : 4 * (rows + r)]
        spread.fill(part.view(s, r, 4, w // 4, 4, o).permute(2, 4, 0, 1, 3, 5).unbind())
        total.baddbmm_(tiles.turned, spread.whole)
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


class _Tiles:
    """The tiles of one part of [N, H, W, C] at all points: `whole`, [36, s r W / 4, C], points of columns first."""

    def __init__(self, workspace: Workspace, s: int, r: int, w: int, c: int) -> None:
        self.rows = r
        self.band = workspace.take("padded", s, 4 * r + 2, w + 2, c)
        self.top, self.bottom, self.sides = self.band[:, 0], self.band[:, -1], self.band[:, :, :: w + 1]
        halfway = workspace.take("halfway", 6, s, r, w + 2, c)
        tiles = workspace.take("tiles", 6, 6, s, r, w // 4, c)
        self.down = [self.band[:, k : k + 4 * r - 3 : 4] for k in range(6)], halfway.unbind()
        self.across = [halfway[:, :, :, k : k + w - 3 : 4] for k in range(6)], tiles.unbind()
        self.scratch = [workspace.take("scratch", 2, *to[0].shape).unbind() for _, to in (self.down, self.across)]
        self.whole = tiles.view(36, -1, c)
        self.turned = self.whole.transpose(1, 2)

    def fill(self, x: Tensor, row: int, first: int) -> None:
        """With the part of `x` that begins at sample `first` and tile `row`."""
        h = x.shape[1]
        top, bottom = max(0, 4 * row - 1), min(h, 4 * (row + self.rows) + 1)
        start = top - (4 * row - 1)
        inside = self.band[:, start : start + bottom - top, 1:-1]
        inside.copy_(x[first : first + inside.shape[0], top:bottom])
        self.sides.zero_()
        if row == 0:
            self.top.zero_()
        if bottom == h:
            self.bottom.zero_()
        for (d, v), scratch in zip((self.down, self.across), self.scratch, strict=True):
            _input_4_3(d, v, scratch)


class _Outputs:
    """Products at all points, `products` [36, s r W / 4, O], on their way to outputs."""

    def __init__(self, workspace: Workspace, s: int, r: int, w: int, o: int) -> None:
        tiles = workspace.take("products", 6, 6, s, r, w // 4, o)
        halfway = workspace.take("halfway", 4, 6, s, r, w // 4, o)
        self.products = tiles.view(36, -1, o)
        self.down = tiles.unbind(), halfway.unbind(), workspace.take("scratch", 4, *tiles.shape[1:]).unbind()
        across = halfway.transpose(0, 1)
        self.across = across.unbind(), workspace.take("scratch", 4, *across.shape[1:]).unbind()

    def put_together(self, y: Sequence[Tensor]) -> None:
        """Into the rows of each tile's outputs, four of [4 columns, s, r, W / 4, O]."""
        _output_4_3(*self.down)
        m, scratch = self.across
        _output_4_3(m, y, scratch)


class _Gradients:
    """The tiles of one part of a gradient [N, H, W, O] at all points: `whole`, [36, s r W / 4, O]."""

    def __init__(self, workspace: Workspace, s: int, r: int, w: int, o: int) -> None:
        halfway = workspace.take("halfway", 6, 4, s, r, w // 4, o)
        tiles = workspace.take("gradient tiles", 6, 6, s, r, w // 4, o)
        self.down = halfway.unbind(), workspace.take("scratch", 4, *halfway.shape[1:]).unbind()
        across = halfway.transpose(0, 1)
        self.across = across.unbind(), tiles.unbind(), workspace.take("scratch", 4, *tiles.shape[1:]).unbind()
        self.whole = tiles.view(36, -1, o)

    def fill(self, g: Sequence[Tensor]) -> None:
        """From the rows of each tile, four of [4 columns, s, r, W / 4, O]."""
        m, scratch = self.down
        _output_4_3_transposed(g, m, scratch)
        _output_4_3_transposed(*self.across)


Views = TypeVar("Views", _Tiles, _Outputs, _Gradients)


class _Memory(threading.local):
    """A thread's workspace and the tensors that show it.

    A part takes 70 operations on 150 views; to make these anew for each cost a twelfth of a float32 step at 64 px.
    """

    def __init__(self) -> None:
        self.workspace = Workspace()
        self._views: dict[tuple[object, ...], Any] = {}
        self._grown = 0

    def get(self, kind: type[Views], s: int, r: int, w: int, c: int) -> Views:
        """The views of parts of s samples, r rows of tiles, width w and c channels."""
        key = kind, s, r, w, c
        if key not in self._views:
            views, before = kind(self.workspace, s, r, w, c), self._grown
            self._grown = self.workspace.grown
            if self._grown != before:
                # The blocks grew: views made until now would keep the smaller ones.
                self._views.clear()
                views = kind(self.workspace, s, r, w, c)
            self._views[key] = views
        found: Views = self._views[key]
        return found


_memory = _Memory()


def _output_4_3_transposed(g: Sequence[Tensor], m: Sequence[Tensor], scratch: Sequence[Tensor]) -> None:
    """The transpose of `_output_4_3`: gradients of four outputs, `g`, to six points, `m`."""
    p, q, r, s = scratch
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
