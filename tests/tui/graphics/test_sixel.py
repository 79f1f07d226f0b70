"""Sixel: what is encoded is what a decoder reads."""

from __future__ import annotations

import time

import numpy as np
import pytest

from tests.tui.graphics.decoders import read_sixel
from tui.graphics import sixel
from tui.graphics.palette import fitted, fixed


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 3), (6, 8), (7, 8), (12, 1), (17, 40), (68, 301)])
@pytest.mark.parametrize("colours", [16, 252])
def test_every_pixel_comes_back(height: int, width: int, colours: int) -> None:
    pixels, palette = noise(height, width), fixed(colours)
    read = read_sixel(sixel.encode(pixels, palette))
    wanted = palette.colours[palette.indices(pixels)]
    # Registers hold hundredths.
    assert np.abs(read - wanted.astype(np.int16)).max() <= 2


def test_runs_and_flat_areas() -> None:
    pixels = np.zeros((13, 400, 3), np.uint8)
    pixels[:, 3:200] = (255, 0, 0)
    pixels[5, 100:104] = (0, 255, 0)
    encoded = sixel.encode(pixels, fixed(252))
    read = read_sixel(encoded)
    assert np.abs(read - pixels.astype(np.int16)).max() <= 2
    assert len(encoded) < 400


@pytest.mark.parametrize("scale", [1, 2, 3, 6])
@pytest.mark.parametrize(("width", "height"), [(1, 1), (12, 12), (40, 17), (41, 34), (301, 70)])
def test_squares_for_pixels_cut_off_at_the_edge(scale: int, width: int, height: int) -> None:
    pixels, palette = noise(-(-height // scale), -(-width // scale)), fixed(32)
    encoded = sixel.encode(pixels, palette, scale, (width, height))
    large = pixels.repeat(scale, axis=0).repeat(scale, axis=1)[:height, :width]
    wanted = palette.colours[palette.indices(large)]
    assert np.abs(read_sixel(encoded) - wanted.astype(np.int16)).max() <= 2
    # Not only the same picture: the same bytes as if the squares had been drawn pixel by pixel.
    assert encoded == sixel.encode(large, palette)


def test_only_used_colours_are_defined() -> None:
    encoded = sixel.encode(np.full((6, 6, 3), 255, np.uint8), fixed(252))
    assert encoded.count(b";2;") == 1


def test_a_megapixel_is_quick() -> None:
    ramp = np.linspace(0, 255, 1024)
    pixels = np.stack([np.add.outer(ramp, ramp) / 2, np.tile(ramp, (1024, 1)), np.tile(ramp[:, None], 1024)], -1)
    picture = pixels.astype(np.uint8)
    palette = fitted(picture)
    begun = time.process_time()
    sixel.encode(picture, palette)
    assert time.process_time() - begun < 2
