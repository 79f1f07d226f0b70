"""Palettes: the table finds the nearest colour, and a kept palette is changed only when it must."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tui.graphics.palette import Fitting, Fittings, Palette, fitted, fixed
from tui.graphics.quality import FULL, Quality


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


def test_colours_stay_longer_while_pictures_move() -> None:
    """A palette at rest gives way to a better one; the one of moving pictures only where it is far off."""
    fittings, moving = Fittings(), Quality(scale=2, colours=32)
    random = np.random.default_rng(4)
    first = random.integers(60, 200, (64, 64, 3), dtype=np.uint8)
    other = np.clip(first.astype(int) * 1.15 - 10, 0, 255).astype(np.uint8)
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = np.linspace(0, 255, 64)

    def palette(
        pixels: np.ndarray, contents: object, quality: Quality = moving, canvas: int = 1, **named: Any
    ) -> Palette:
        return fittings.palette_for(canvas, contents, lambda: pixels, named.get("always", ()), quality)

    rest, quick = palette(first, "first", FULL), palette(first, "first")
    assert len(quick.colours) <= 32 < len(rest.colours)
    assert palette(other, "other") is quick
    palette(red, "red", canvas=2)
    assert palette(first, "first") is quick, "another canvas has its own"
    assert palette(first, "first", always=((1, 2, 3),)) is not quick, "a colour that must be there"
    assert (palette(red, "red", always=((1, 2, 3),)).colours == (1, 2, 3)).all(axis=1).any()


def test_a_palette_that_serves_is_shared() -> None:
    """The tile under the cursor is shown large as well: what serves the grid serves it."""
    fittings = Fittings()
    grid = np.random.default_rng(6).integers(0, 256, (64, 64, 3), dtype=np.uint8) // 64 * 64
    of_grid = fittings.palette_for(1, "grid", lambda: grid, (), FULL)
    assert fittings.palette_for(2, "tile", lambda: grid[:16, :16], (), FULL) is of_grid
    strange = np.full((16, 16, 3), 7, np.uint8)
    strange[..., 0] = np.linspace(0, 255, 16)
    own = fittings.palette_for(2, "strange", lambda: strange, (), FULL)
    assert own is not of_grid
    assert own.error(strange) < 4
    assert fittings.palette_for(1, "grid again", lambda: grid, (), FULL) is of_grid


def test_a_picture_is_looked_at_once_and_whenever_its_contents_change() -> None:
    fittings, looked = Fittings(), []
    grey, red = np.full((64, 64, 3), 40, np.uint8), np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = np.linspace(0, 255, 64)

    def palette(pixels: np.ndarray, contents: object) -> Palette:
        def draw() -> np.ndarray:
            looked.append(contents)
            return pixels

        return fittings.palette_for(1, contents, draw, (), FULL)

    first = palette(grey, [])
    assert palette(grey, []) is first
    assert looked == [[]]
    second = palette(red, [1, 2])
    assert second.error(red) < 5, "tiles have come"
    assert palette(red, [1, 2]) is second
    assert looked == [[], [1, 2]]


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
