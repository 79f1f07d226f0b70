"""iTerm2's protocol: the picture that is read back is the one that was sent, and its place is told in cells."""

from __future__ import annotations

import numpy as np

from tests.tui.graphics.decoders import read_iterm2
from tui.graphics import iterm2
from tui.graphics.files import jpeg


def smooth(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], axis=2).astype(np.uint8)


def test_a_picture_comes_back() -> None:
    pixels = smooth(68, 96)
    shown, columns, rows = read_iterm2(iterm2.encode(jpeg(pixels), 12, 4))
    assert (columns, rows) == (12, 4)
    assert shown.shape == pixels.shape
    assert np.abs(shown.astype(int) - pixels).mean() < 4


def test_photographs_take_few_bytes() -> None:
    pixels = smooth(512, 512)
    assert len(iterm2.encode(jpeg(pixels), 64, 30)) < pixels.size / 10
