"""Half-blocks: the colours that are read back are those of the picture, rounded, and none is said twice."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tui.graphics.decoders import read_blocks
from tui.graphics import blocks


def picture(rows: int = 6, columns: int = 20) -> np.ndarray:
    pixels = np.random.default_rng(3).integers(0, 256, (2 * rows, columns, 3), dtype=np.uint8)
    pixels[2:6, 4:15] = (250, 10, 130)
    return pixels


def test_truecolour() -> None:
    pixels = picture()
    shown = blocks.rounded(pixels)
    assert np.abs(shown.astype(int) - pixels).max() <= 4
    cells = read_blocks(blocks.encode(pixels, "truecolor"))
    for y, row in enumerate(cells):
        assert len(row) == pixels.shape[1]
        for x, (above, below) in enumerate(row):
            assert above == tuple(shown[2 * y, x])
            assert below == tuple(shown[2 * y + 1, x])


@pytest.mark.parametrize(("depth", "most"), [("256", 255), ("16", 15)])
def test_palettes(depth: blocks.Depth, most: int) -> None:
    for row in read_blocks(blocks.encode(picture(), depth)):
        for above, below in row:
            assert isinstance(above, int)
            assert isinstance(below, int)
            assert 0 <= above <= most
            assert 0 <= below <= most


def test_256_takes_cube_and_greys() -> None:
    pixels = np.array([[(255, 0, 0), (128, 128, 128)], [(0, 0, 0), (255, 255, 255)]], np.uint8)
    ((first, second),) = read_blocks(blocks.encode(pixels, "256"))
    assert first == (196, 16)
    assert second == (244, 231)


def test_without_colours_light_and_dark_are_told_apart() -> None:
    pixels = np.zeros((2, 3, 3), np.uint8)
    pixels[:, 1], pixels[:, 2] = 128, 255
    dark, middle, light = blocks.encode(pixels, "mono")[0]
    assert (dark, light) == (" ", "⣿")
    assert 0x2800 < ord(middle) < 0x28FF
    assert blocks.encode(pixels, "ascii") == [" +@"]


def test_flat_areas_are_spaces() -> None:
    line = blocks.encode(np.full((2, 50, 3), 96, np.uint8), "truecolor")[0]
    assert line == "\x1b[48;2;96;96;96m" + " " * 50 + "\x1b[0m"


@pytest.mark.parametrize("step", [16, 32, 64])
def test_coarser_colours_are_fewer_bytes(step: int) -> None:
    ramp = np.linspace(0, 255, 80).astype(np.uint8)
    pixels = np.stack([np.tile(ramp, (12, 1)), np.tile(ramp[::-1], (12, 1)), np.full((12, 80), 90, np.uint8)], -1)
    fine, coarse = blocks.encode(pixels, "truecolor"), blocks.encode(pixels, "truecolor", step)
    assert sum(map(len, coarse)) < 0.75 * sum(map(len, fine)) * 16 / step + 200
    shown = blocks.rounded(pixels, step)
    assert np.abs(shown.astype(int) - pixels).max() <= step // 2
    for y, row in enumerate(read_blocks(coarse)):
        assert [above for above, _ in row] == [tuple(colour) for colour in shown[2 * y].tolist()]
    assert len("".join(blocks.encode(pixels, "256", step))) <= len("".join(blocks.encode(pixels, "256")))
