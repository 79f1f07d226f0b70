"""Pictures that tmux draws by itself: whole bands, all colours, nothing drawn where it must not be."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.tui.graphics.decoders import read_sixel
from tui.graphics import tmux_sixel
from tui.graphics.layout import Rect
from tui.graphics.palette import fitted
from tui.graphics.tmux_sixel import whole_bands

VISIBLE = np.ones((20, 30), bool)


def cells(rects: list[Rect]) -> np.ndarray:
    mask = np.zeros_like(VISIBLE)
    for x, y, width, height in rects:
        mask[y : y + height, x : x + width] = True
    return mask


@pytest.mark.parametrize("cell_height", [16, 17, 18, 20])
@pytest.mark.parametrize("rect", [(0, 0, 30, 20), (3, 2, 4, 7), (3, 13, 4, 7), (5, 0, 6, 2), (5, 19, 6, 1)])
def test_heights_are_whole_bands_and_nothing_is_left_out(rect: Rect, cell_height: int) -> None:
    found = whole_bands([rect], VISIBLE, cell_height)
    assert all(height * cell_height % 6 == 0 for _, _, _, height in found)
    assert cells(found)[cells([rect])].all()
    assert all(y >= 0 and y + height <= 20 for _, y, _, height in found)


def test_nothing_is_drawn_over_what_is_in_front() -> None:
    visible = VISIBLE.copy()
    visible[8:12] = False
    for rect in ((3, 4, 5, 4), (3, 12, 5, 3), (0, 0, 30, 8)):
        found = whole_bands([rect], visible, 17)
        assert not (cells(found) & ~visible).any()
        assert cells(found)[cells([rect])].all()
    visible[:] = False
    visible[6:8, 3:9] = True
    assert whole_bands([(3, 6, 6, 2)], visible, 17) == [(3, 6, 6, 2)], "no room: some rows of pixels are given up"


def test_every_colour_is_defined_and_no_band_is_begun_that_is_not_filled() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (34, 40, 3), dtype=np.uint8)
    palette = fitted(pixels)
    flat = np.full((34, 40, 3), pixels[3, 3])
    data = tmux_sixel.encode(flat, palette, 1, (40, 34))
    assert len(re.findall(rb"#\d+;2;", data)) == len(palette.colours)
    shown = read_sixel(data)
    assert shown.shape == (30, 40, 3)
    assert np.abs(shown - palette.colours[palette.indices(flat)][:30].astype(int)).max() <= 2
    coarse = read_sixel(tmux_sixel.encode(flat[:12, :14], palette, 3, (40, 34)))
    assert coarse.shape == (30, 40, 3), "squares of three pixels, cut off at the whole bands"
