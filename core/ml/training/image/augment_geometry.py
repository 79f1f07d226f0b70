"""Moving, turning and scaling pictures for the discriminator: every move of a picture is one matrix, applied once.

A picture is reflected at its borders, doubled in size with a wavelet's low-pass filter, read at the moved places and
brought back to its size with the same filter (Karras et al. 2020, appendix B.2). The filter belongs to an orthogonal
wavelet, so doubling and halving again gives the picture itself; pictures that move by whole pixels only are therefore
copied pixel by pixel, and pictures that do not move are left alone. (The filter is not quite symmetric, so a mirrored
or turned picture is a little softer than its copy would be: that is how the published pipeline shows it.) Reflecting
and doubling along one axis is one matrix, and so is halving: two matrix products are several times faster than
filtering on a processor.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from core.ml.networks.ops import upfirdn2d

# Symlet of order 6 (Daubechies 1992, table 6.3), low-pass synthesis filter, sum sqrt(2).
_SYMLET = (
    0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633, 0.4910559419267466,
    0.787641141030194, 0.3379294217276218, -0.07263752278646252, -0.021060292512300564, 0.04472490177066578,
    0.0017677118642428036, -0.007800708325034148,
)  # fmt: skip
_REACH = len(_SYMLET) // 4
"""Pixels of the picture that half the filter reaches over."""
_ROUND = 4
"""Borders are widened to multiples of this many pixels, so that few matrices are needed."""


def low_pass() -> Tensor:
    """The 12 taps of the filter, sum 1, float64."""
    return torch.tensor(_SYMLET, dtype=torch.float64) / math.sqrt(2.0)


class Moves:
    """How each of `count` pictures moves. x is to the right and y downwards, the origin is the picture's centre."""

    def __init__(self, count: int) -> None:
        self.back = torch.eye(3, dtype=torch.float64).repeat(count, 1, 1)
        """From a place of the moved picture to the one it shows, [N, 3, 3], in pixels."""
        self.whole = torch.ones(count, dtype=torch.bool)
        """Whether a picture has moved by whole pixels only, [N]."""

    def flip(self, which: Tensor) -> None:
        """Mirror left and right where `which` [N]."""
        self.whole &= ~which
        self._then(1.0 - 2.0 * which.double(), 0, 0, 1.0)

    def quarter(self, turns: Tensor) -> None:
        """Turn by `turns` quarters, [N] whole numbers."""
        self.whole &= turns % 4 == 0
        cosine = torch.tensor([1.0, 0.0, -1.0, 0.0], dtype=torch.float64)[turns.long() % 4]
        sine = torch.tensor([0.0, 1.0, 0.0, -1.0], dtype=torch.float64)[turns.long() % 4]
        self._then(cosine, -sine, sine, cosine)

    def shift(self, x: Tensor, y: Tensor) -> None:
        """Move by whole pixels, [N] each."""
        self._then(1.0, 0, 0, 1.0, x, y)

    def scale(self, x: Tensor, y: Tensor) -> None:
        """Grow by factors [N]."""
        self.whole &= (x == 1.0) & (y == 1.0)
        self._then(1.0 / x.double(), 0, 0, 1.0 / y.double())

    def rotate(self, angle: Tensor) -> None:
        """Turn by radians [N]."""
        self.whole &= angle == 0.0
        cosine, sine = torch.cos(angle.double()), torch.sin(angle.double())
        self._then(cosine, -sine, sine, cosine)

    def drift(self, x: Tensor, y: Tensor) -> None:
        """Move by any distance in pixels, [N] each."""
        self.whole &= (x == 0.0) & (y == 0.0)
        self._then(1.0, 0, 0, 1.0, x, y)

    def _then(self, a: Tensor | float, b: Tensor | float, c: Tensor | float, d: Tensor | float,
              x: Tensor | float = 0.0, y: Tensor | float = 0.0) -> None:  # fmt: skip
        """Move by what undoes the matrix (a, b; c, d), and by (x, y)."""
        undo = torch.eye(3, dtype=torch.float64).repeat(len(self.back), 1, 1)
        undo[:, 0, 0], undo[:, 0, 1], undo[:, 1, 0], undo[:, 1, 1] = a, b, c, d
        undo[:, 0, 2], undo[:, 1, 2] = -torch.as_tensor(x), -torch.as_tensor(y)
        self.back = self.back @ undo


def moved(images: Tensor, moves: Moves) -> Tensor:
    """The pictures [N, C, H, W] moved; what comes in from outside is their reflection."""
    still = (moves.back == torch.eye(3, dtype=torch.float64)).all(dim=(1, 2))
    for chosen, how in ((moves.whole & ~still, _copied), (~moves.whole, _resampled)):
        rows = chosen.nonzero()[:, 0]
        if len(rows) == len(images):
            return how(images, moves.back)
        if len(rows):
            at = rows.to(images.device)
            images = images.index_copy(0, at, how(images.index_select(0, at), moves.back[rows]))
    return images


def _copied(images: Tensor, back: Tensor) -> Tensor:
    """Whole pixels: each is the copy of one."""
    channels, height, width = images.shape[1:]
    y, x = torch.meshgrid(torch.arange(height).double(), torch.arange(width).double(), indexing="ij")
    cx, cy = (width - 1) / 2, (height - 1) / 2
    places = torch.stack([x - cx, y - cy, torch.ones_like(x)]).reshape(3, -1)
    found = back @ places
    columns, rows = ((found[:, k] + c).round().long() for k, c in ((0, cx), (1, cy)))
    index = _reflected(rows, height) * width + _reflected(columns, width)
    return images.flatten(2).gather(2, index[:, None].expand(-1, channels, -1).to(images.device)).reshape_as(images)


def _reflected(index: Tensor, size: int) -> Tensor:
    period = max(1, 2 * (size - 1))
    index = index % period
    return torch.where(index < size, index, period - index)


def _resampled(images: Tensor, back: Tensor) -> Tensor:
    n, channels, height, width = images.shape
    left, top, right, bottom = _borders(back, height, width)
    wide, high = _doubling(width, left, right, images), _doubling(height, top, bottom, images)
    doubled = torch.matmul(high.t(), torch.matmul(images, wide))
    # From pixels of the picture to pixels of twice the size, whose centres lie half a pixel off, and to grid_sample's
    # own units: -1 to 1 from edge to edge.
    there = _matrix(1.0, 1.0, (left - right) / 2, (top - bottom) / 2) @ back
    there = _matrix(2.0, 2.0) @ there @ _matrix(0.5, 0.5)
    there = _matrix(1.0, 1.0, -0.5, -0.5) @ there @ _matrix(1.0, 1.0, 0.5, 0.5)
    out_h, out_w = 2 * (height + 2 * _REACH), 2 * (width + 2 * _REACH)
    there = _matrix(2 / doubled.shape[3], 2 / doubled.shape[2]) @ there @ _matrix(out_w / 2, out_h / 2)
    grid = F.affine_grid(there[:, :2].to(images), [n, channels, out_h, out_w], align_corners=False)
    read = F.grid_sample(doubled, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return torch.matmul(_halving(height, images).t(), torch.matmul(read, _halving(width, images)))


def _matrix(a: float, d: float, x: float = 0.0, y: float = 0.0) -> Tensor:
    return torch.tensor([[a, 0.0, x], [0.0, d, y], [0.0, 0.0, 1.0]], dtype=torch.float64)


def _borders(back: Tensor, height: int, width: int) -> tuple[int, int, int, int]:
    """Pixels of reflection that are needed on the left, top, right and bottom; no more than there are."""
    cx, cy = (width - 1) / 2, (height - 1) / 2
    corners = torch.tensor([[-cx, cx, cx, -cx], [-cy, -cy, cy, cy], [1.0, 1.0, 1.0, 1.0]], dtype=torch.float64)
    seen = (back @ corners)[:, :2]
    out: list[int] = []
    for sign in (-1.0, 1.0):
        for axis, centre, most in ((0, cx, width - 1), (1, cy, height - 1)):
            need = math.ceil(float((seen[:, axis] * sign).max()) + 2 * _REACH - centre)
            out.append(min(most, -(-max(0, need) // _ROUND) * _ROUND))
    return out[0], out[1], out[2], out[3]


def _doubling(size: int, before: int, after: int, like: Tensor) -> Tensor:
    return _doubling_matrix(size, before, after, like.dtype, like.device)


def _halving(size: int, like: Tensor) -> Tensor:
    return _halving_matrix(size, like.dtype, like.device)


@lru_cache(maxsize=256)
def _doubling_matrix(size: int, before: int, after: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Reflects a row of pixels and doubles it: [size, 2 (before + size + after)]."""
    with torch.inference_mode(False), torch.no_grad():
        rows = F.pad(torch.eye(size, dtype=torch.float64)[None, None], [before, after, 0, 0], mode="reflect")
        taps = low_pass()[None]
        doubled = upfirdn2d(rows, taps, up=(2, 1), padding=(len(_SYMLET) // 2, len(_SYMLET) // 2 - 1, 0, 0), gain=2.0)
        return doubled[0, 0].to(device, dtype).contiguous()


@lru_cache(maxsize=64)
def _halving_matrix(size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Halves a doubled row with `_REACH` more pixels on either side: [2 (size + 2 reach), size]."""
    with torch.inference_mode(False), torch.no_grad():
        rows = torch.eye(2 * (size + 2 * _REACH), dtype=torch.float64)[None, None]
        edge = len(_SYMLET) // 2 - 1 - 2 * _REACH
        halved = upfirdn2d(rows, low_pass()[None], down=(2, 1), padding=(edge, edge, 0, 0), correlate=True)
        return halved[0, 0].to(device, dtype).contiguous()
