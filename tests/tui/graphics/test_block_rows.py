"""Rows of half-blocks that are kept: text, parts of it and segments all show the same pixels."""

from __future__ import annotations

import numpy as np
import pytest

from tui.graphics import blocks
from tui.graphics.block_rows import BlockRows


def picture(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 32, (2 * rows, columns, 3)).astype(np.uint8) * 8


def test_rows_that_were_put_replace_the_background() -> None:
    kept = BlockRows(6, 5, (10, 20, 30))
    ground = kept.strip(0, 6)._render_cache
    assert ground == blocks.encode(np.full((2, 6, 3), (10, 20, 30), np.uint8), "truecolor")[0]
    pixels = picture(3, 6)
    lines = blocks.encode(pixels, "truecolor")
    kept.put([(1, 1), (3, 2)], lines, pixels)
    assert [kept.strip(y, 6)._render_cache for y in range(5)] == [ground, lines[0], ground, lines[1], lines[2]]


def test_a_part_of_a_row_has_its_own_colours() -> None:
    kept, pixels = BlockRows(6, 1), picture(1, 6)
    kept.put([(0, 1)], blocks.encode(pixels, "truecolor"), pixels)
    part = kept.strip(0, 6).crop(2, 5)
    assert part._render_cache == blocks.encode(pixels[:, 2:5], "truecolor")[0]
    below = [segment.style.color.triplet for segment in part._segments]  # type: ignore[union-attr]
    above = [segment.style.bgcolor.triplet for segment in part._segments]  # type: ignore[union-attr]
    assert np.array_equal(np.array([above, below]), pixels[:, 2:5])


@pytest.mark.parametrize("colours", ["mono", "ascii"])
def test_without_colour_the_characters_are_the_picture(colours: blocks.Depth) -> None:
    kept, pixels = BlockRows(6, 1, colours=colours), picture(1, 6)
    lines = blocks.encode(pixels, colours)
    kept.put([(0, 1)], lines, pixels)
    strip = kept.strip(0, 6)
    assert lines[0] in strip._render_cache
    assert "".join(segment.text for segment in strip.crop(1, 4)._segments) == lines[0][1:4]
