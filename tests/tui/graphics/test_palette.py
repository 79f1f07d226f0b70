"""Palettes: the table finds the nearest colour, and a kept palette is changed only when it must."""

from __future__ import annotations

import numpy as np
import pytest

from tui.graphics.palette import Fitting, fitted, fixed


@pytest.mark.parametrize("colours", [16, 32, 64, 252])
def test_a_fixed_palette_is_a_cube_and_exact_on_its_own_colours(colours: int) -> None:
    palette = fixed(colours)
    assert len(palette.colours) == colours
    off = palette.colours.astype(int) - palette.colours[palette.indices(palette.colours)]
    # Five bits decide, so a colour may be taken for a neighbour that is hardly farther.
    assert np.abs(off).max() == 0


def test_indices_are_the_nearest() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (500, 3), dtype=np.uint8)
    palette = fitted(pixels, 40)
    distance = ((pixels[:, None].astype(float) - palette.colours) ** 2).sum(-1)
    taken = distance[np.arange(500), palette.indices(pixels)] ** 0.5
    assert (taken <= distance.min(axis=1) ** 0.5 + 14).all()  # a cell of the table is 8 wide: its diagonal is 14


def test_a_picture_with_few_colours_keeps_them_all() -> None:
    colours = np.array([(0, 0, 0), (255, 255, 255), (200, 40, 40), (40, 200, 40), (18, 18, 22)], np.uint8)
    picture = colours[np.random.default_rng(2).integers(0, 5, (64, 64))]
    assert fitted(picture).error(picture) < 1


def test_a_palette_is_kept_while_it_serves() -> None:
    fitting = Fitting()
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = ramp
    first = fitting.palette_for(red)
    assert fitting.palette_for(red[::-1]) is first
    assert fitting.palette_for(red[..., ::-1]) is not first


def test_a_kept_palette_gives_way_when_a_few_pixels_get_another_colour() -> None:
    grey = np.repeat(np.linspace(0, 255, 256 * 256).astype(np.uint8).reshape(256, 256, 1), 3, axis=2)
    keeping = Fitting()
    kept = keeping.palette_for(grey)
    assert keeping.palette_for(grey[::-1]) is kept
    one_tile_red = grey.copy()
    one_tile_red[100:120, 100:120] = (200, 100, 100)  # under one per cent
    assert kept.misses(one_tile_red) < 0.01
    fresh = keeping.palette_for(one_tile_red)
    assert fresh is not kept
    assert fresh.misses(one_tile_red) == 0
