"""3 x 3 convolutions with fewer multiplications, for inference on CPUs.

Two layers cover almost all arithmetic of a StyleGAN2 generator. Both are tiled, turned into a sum of matrix products by
minimal filtering, and put together again:

* the plain 3 x 3 convolution by F(4 x 4, 3 x 3): 36 instead of 144 products per 4 x 4 tile;
* the transposed one of stride 2. Each axis splits into even outputs, a two-tap filter, done by F(3, 2) with 4 instead
  of 6 products, and odd outputs, a single tap that needs no transform.

Feature maps are [N, H, W, C], contiguous. Source: Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks"
(2016), section 4; F(3, 2) follows from the points 0, 1, -1, ∞ in the same way. F(4, 3) uses the points 0, ±5/8, ±3/2, ∞
because they halve the rounding errors of the usual 0, ±1, ±2, ∞. Operands in bfloat16 still cost five times the error
of a direct convolution of white noise, 1.4 % instead of 0.3 %; feature maps are smoother, and suffer less.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Finish = Callable[[Tensor, slice, slice], None]
"""Takes a part of a result while it is in the cache: [n, h, W, O], of these samples and rows; it may be overwritten."""

TILES = 128
"""Tiles that are worked on together: enough rows for the matrix products, few enough for the caches."""

_A, _B = 0.625, 1.5


def _taps_at(point: float, other: float, scale: float) -> list[float]:
    """The row of F(4, 3)'s weight transform for one of the points ±`_A`, ±`_B`; `other` is one of the other pair."""
    return [scale * power / (2 * point**2 * (point**2 - other**2)) for power in (1.0, point, point**2)]


# The factors A² and B are free, and chosen so that each output takes as few additions as possible (_output_4_3).
_G43 = torch.tensor(
    [
        [1 / (_A * _B) ** 2, 0, 0],
        _taps_at(_A, _B, _A**2),
        _taps_at(-_A, _B, _A**2),
        _taps_at(_B, _A, _B),
        _taps_at(-_B, _A, _B),
        [0, 0, 1],
    ],
    dtype=torch.float64,
)
# For F(3, 2), applied to the taps (w0, w1, w2) of a transposed convolution: an even output is w2 x[i-1] + w0 x[i].
_G32 = torch.tensor([[0, 0, 1], [0.5, 0, 0.5], [-0.5, 0, 0.5], [1, 0, 0]], dtype=torch.float64)
_ODD = torch.tensor([[0, 1, 0]], dtype=torch.float64)


class Workspace:
    """Memory that layers share and reuse: fresh pages from the system would cost as much as the arithmetic."""

    def __init__(self) -> None:
        self.grown = 0
        """How often a block was replaced by a larger one."""
        self._blocks: dict[tuple[str, torch.dtype], Tensor] = {}

    def take(self, name: str, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """A tensor with undefined content; it is overwritten when `name` is taken again in the same format."""
        size, key = math.prod(shape), (name, dtype)
        if key not in self._blocks or self._blocks[key].numel() < size:
            with torch.inference_mode(False):  # else nobody who learns could use it later
                self._blocks[key] = torch.empty(size, dtype=dtype)
            self.grown += 1
        return self._blocks[key][:size].view(shape)

    def multiply(self, tiles: Tensor, weight: Tensor) -> Tensor:
        """Matrix products [P, M, I] x [P, I, O] to [P, M, O], float32; operands are rounded to `weight`'s format."""
        shape = (tiles.shape[0], tiles.shape[1], weight.shape[2])
        products = self.take("products", *shape)
        if weight.dtype == tiles.dtype:
            return torch.bmm(tiles, weight, out=products)
        rounded = self.take("rounded tiles", *tiles.shape, dtype=weight.dtype).copy_(tiles)
        return products.copy_(torch.bmm(rounded, weight, out=self.take("rounded products", *shape, dtype=weight.dtype)))


def _transformed(weight: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """[O, I, 3, 3] to [points along columns x points along rows, I, O], computed in float64."""
    points = torch.einsum("ia,jb,ocab->jico", rows, columns, weight.double())
    return points.flatten(0, 1).float().contiguous()


class Convolution:
    """A same-size 3 x 3 convolution by F(4 x 4, 3 x 3). Heights and widths must be multiples of 4.

    Args:
        weight: [O, I, 3, 3], float32.
        workspace: Memory to use.
        dtype: What the operands of the matrix products are rounded to; all else is float32.
    """

    def __init__(self, weight: Tensor, workspace: Workspace, dtype: torch.dtype = torch.float32) -> None:
        self.weight = _transformed(weight, _G43, _G43).to(dtype)
        self.workspace = workspace
        self.memory_bytes = self.weight.nbytes

    def __call__(self, x: Tensor, styles: Tensor, finish: Finish) -> None:
        """`x` [N, H, W, I], float32 or `dtype`, times `styles` [N, I], convolved, given to `finish` part by part."""
        n, h, w, c = x.shape
        o, take = self.weight.shape[2], self.workspace.take
        th, tw = h // 4, w // 4
        rows, samples = min(th, max(1, TILES // tw)), max(1, TILES // (th * tw))
        for start in range(0, n, samples):
            s = min(samples, n - start)
            for top in range(0, th, rows):
                r = min(rows, th - top)
                band = take("padded", s, 4 * r + 2, w + 2, c)
                first, last = max(0, 4 * top - 1), min(h, 4 * (top + r) + 1)
                inside = band[:, first - (4 * top - 1) : last - (4 * top - 1), 1:-1]
                torch.mul(x[start : start + s, first:last], styles[start : start + s, None, None], out=inside)
                band[:, :, 0].zero_()
                band[:, :, -1].zero_()
                if top == 0:
                    band[:, 0].zero_()
                if top + r == th:
                    band[:, -1].zero_()
                halfway = take("halfway", 6, s, r, w + 2, c)
                rows_of = [band[:, k : k + 4 * r - 3 : 4] for k in range(6)]
                _input_4_3(rows_of, halfway.unbind(), take("scratch", 2, *halfway.shape[1:]))
                tiles = take("tiles", 6, 6, s, r, tw, c)
                columns_of = [halfway[:, :, :, k : k + 4 * tw - 3 : 4] for k in range(6)]
                _input_4_3(columns_of, tiles.unbind(), take("scratch", 2, *tiles.shape[1:]))
                products = self.workspace.multiply(tiles.view(36, -1, c), self.weight)
                halfway = take("halfway", 4, 6, s, r, tw, o)
                points = products.view(6, 6, s, r, tw, o)
                _output_4_3(points.unbind(), halfway.unbind(), take("scratch", 4, *points.shape[1:]))
                y = take("outputs", s, 4 * r, w, o)
                target = y.view(s, r, 4, tw, 4, o).permute(2, 4, 0, 1, 3, 5)
                across = halfway.transpose(0, 1)
                _output_4_3(across.unbind(), target.unbind(), take("scratch", 4, *across.shape[1:]))
                finish(y, slice(start, start + s), slice(4 * top, 4 * (top + r)))


class TransposedConvolution:
    """A transposed 3 x 3 convolution of stride 2, by F(3, 2) on the even outputs of each axis, and a low-pass filter.

    Args:
        weight: [O, I, 3, 3], float32.
        taps: The filter, [4, 4]; its gain is 4.
        workspace: Memory to use.
    """

    def __init__(self, weight: Tensor, taps: Tensor, workspace: Workspace) -> None:
        self.taps = (taps * 4).expand(weight.shape[0], 1, -1, -1)
        self.even_even = _transformed(weight, _G32, _G32)
        self.even_odd = _transformed(weight, _G32, _ODD)
        self.odd_even = _transformed(weight, _ODD, _G32)
        self.odd_odd = _transformed(weight, _ODD, _ODD)[0]
        self.workspace = workspace
        self.memory_bytes = 4 * sum(
            part.numel() for part in (self.even_even, self.even_odd, self.odd_even, self.odd_odd)
        )

    def __call__(self, x: Tensor, styles: Tensor, finish: Finish) -> None:
        """`x` [N, H, H, I] times `styles` [N, I], convolved, filtered: [N, 2 H, 2 H, O], given to `finish`."""
        size = 2 * x.shape[1]
        y = F.conv2d(self.doubled(x, styles).permute(0, 3, 1, 2), self.taps, groups=len(self.taps))
        y = y.permute(0, 2, 3, 1)[:, :size, :size]
        finish(y, slice(0, len(y)), slice(0, size))

    def doubled(self, x: Tensor, styles: Tensor) -> Tensor:
        """Before the filter: [N, S, S, O] with S >= 2 H + 3, in the workspace.

        Rows and columns 1 to 2 H + 1 are the result; 0 and 2 H + 2 are zero, as padding; the rest is undefined.
        """
        n, h, _, c = x.shape
        o, take = self.odd_odd.shape[1], self.workspace.take
        tiles = -(-(h + 1) // 3)
        edge, size = 3 * tiles + 1, 6 * tiles + 1
        samples = max(1, TILES // tiles**2)
        result = take("unfiltered", n, size, size, o)
        for border in (result[:, 0], result[:, 2 * h + 2], result[:, :, 0], result[:, :, 2 * h + 2]):
            border.zero_()
        for start in range(0, n, samples):
            s = min(samples, n - start)
            padded = take("padded", s, edge, edge, c)
            for border in (padded[:, 0], padded[:, h + 1 :], padded[:, :, 0], padded[:, :, h + 1 :]):
                border.zero_()
            torch.mul(x[start : start + s], styles[start : start + s, None, None], out=padded[:, 1 : h + 1, 1 : h + 1])
            y = result[start : start + s]
            even, odd = slice(1, None, 2), slice(2, 2 * h + 2, 2)
            within = slice(1, h + 1)

            rows = take("halfway", 4, s, tiles, edge, c)
            _input_3_2([padded[:, k : k + 3 * tiles - 2 : 3] for k in range(4)], rows)
            both = take("tiles", 4, 4, s, tiles, tiles, c)
            _input_3_2([rows[:, :, :, k : k + 3 * tiles - 2 : 3] for k in range(4)], both)
            products = self.workspace.multiply(both.view(16, -1, c), self.even_even).view(4, 4, s, tiles, tiles, o)
            halfway = take("inverse", 3, 4, s, tiles, tiles, o)
            _output_3_2(products, halfway)
            target = y[:, even, even].view(s, tiles, 3, tiles, 3, o)
            _output_3_2(halfway.transpose(0, 1), target.permute(2, 4, 0, 1, 3, 5))

            # Columns that tiles need beyond the picture are multiplied too: cheaper than moving the others together.
            products = self.workspace.multiply(rows.view(4, -1, c), self.even_odd).view(4, s, tiles, edge, o)
            target = y[:, even, odd].view(s, tiles, 3, h, o)
            _output_3_2(products[:, :, :, within], target.permute(2, 0, 1, 3, 4))

            columns = take("tiles", 4, s, h, tiles, c)
            _input_3_2([padded[:, within, k : k + 3 * tiles - 2 : 3] for k in range(4)], columns)
            products = self.workspace.multiply(columns.view(4, -1, c), self.odd_even).view(4, s, h, tiles, o)
            target = y[:, odd, even].view(s, h, tiles, 3, o)
            _output_3_2(products, target.permute(3, 0, 1, 2, 4))

            product = take("products", s * edge * edge, o)
            torch.mm(padded.view(-1, c), self.odd_odd, out=product)
            y[:, odd, odd] = product.view(s, edge, edge, o)[:, within, within]
        return result


def _input_4_3(d: Sequence[Tensor], v: Sequence[Tensor], scratch: Sequence[Tensor] | Tensor) -> None:
    """Six samples of each tile, `d`, to the six points 0, A, -A, B, -B, ∞, `v`; two of their shape as scratch."""
    even, odd = scratch
    torch.sub(d[4], d[2], alpha=_A**2, out=even)
    torch.sub(d[3], d[1], alpha=_A**2, out=odd)
    torch.add(even, odd, alpha=_B, out=v[3])
    torch.sub(even, odd, alpha=_B, out=v[4])
    torch.sub(d[4], d[2], alpha=_B**2, out=even)
    torch.sub(d[3], d[1], alpha=_B**2, out=odd)
    torch.add(even, odd, alpha=_A, out=v[1])
    torch.sub(even, odd, alpha=_A, out=v[2])
    torch.sub(d[2], d[0], alpha=_B**2, out=v[0])
    torch.sub(even, v[0], alpha=_A**2, out=v[0])
    torch.sub(d[5], d[3], alpha=_B**2, out=v[5])
    torch.sub(v[5], odd, alpha=_A**2, out=v[5])


def _output_4_3(m: Sequence[Tensor], y: Sequence[Tensor], scratch: Sequence[Tensor] | Tensor) -> None:
    """Products at the six points, `m`, to four outputs, `y`; four of their shape as scratch."""
    p, q, r, s = scratch
    torch.add(m[1], m[2], out=p)
    torch.sub(m[1], m[2], out=q)
    torch.add(m[3], m[4], out=r)
    torch.sub(m[3], m[4], out=s)
    torch.add(p, r, alpha=_B, out=y[2])
    torch.add(s, q, alpha=1 / _A, out=y[1])
    torch.add(m[0], r.add_(p, alpha=_B / _A**2), alpha=1 / _B, out=y[0])
    torch.add(m[5], q.add_(s, alpha=_B**2 / _A), alpha=_A, out=y[3])


def _input_3_2(d: Sequence[Tensor], v: Tensor) -> None:
    """Four samples of each tile to the points 0, 1, -1, ∞; `v` [4, ...]."""
    torch.sub(d[0], d[2], out=v[0])
    torch.add(d[1], d[2], out=v[1])
    torch.sub(d[2], d[1], out=v[2])
    torch.sub(d[3], d[1], out=v[3])


def _output_3_2(m: Tensor, y: Tensor) -> None:
    """Products at the four points, `m` [4, ...] (overwritten), to three outputs, `y` [3, ...]."""
    torch.sub(m[1], m[2], out=y[1])
    m[1].add_(m[2])
    torch.add(m[0], m[1], out=y[0])
    torch.add(m[3], m[1], out=y[2])
