"""The rows of half-blocks that a canvas shows: finished text and the pixels behind it, taken a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style as RichStyle

from tui.graphics import blocks, dots
from tui.graphics.blocks import Depth
from tui.graphics.compose import Colour
from tui.graphics.strips import PictureStrip


class BlockRows:
    """A picture of text.

    Args:
        columns, rows: Cells.
        background: What stands until rows are put.
        colours: What the terminal can show.
    """

    def __init__(
        self, columns: int = 0, rows: int = 0, background: Colour = (0, 0, 0), colours: Depth = "truecolor"
    ) -> None:
        self._colours = colours
        self._pixels: NDArray[np.uint8] = np.empty((2 * rows, columns, 3), np.uint8)
        self._pixels[:] = background
        self._lines = blocks.encode(self._pixels[:2], colours) * rows if rows else []

    def put(self, spans: Iterable[tuple[int, int]], lines: list[str], pixels: NDArray[np.uint8]) -> None:
        """Put new rows among those that are there.

        Args:
            spans: First row and number of rows of each part.
            lines: The text of all parts, one after the other.
            pixels: uint8 [2 rows, columns, 3], likewise.
        """
        made = 0
        for top, height in spans:
            self._lines[top : top + height] = lines[made : made + height]
            self._pixels[2 * top : 2 * (top + height)] = pixels[2 * made : 2 * (made + height)]
            made += height

    def strip(self, y: int, width: int) -> PictureStrip:
        """Row `y` for Textual, `width` cells."""
        return PictureStrip(
            lambda start, stop: self._text(y, start, stop),
            lambda start, stop: self._segments(y, start, stop),
            0,
            width,
            whole=dots.painted(self._lines[y]) if self._without_colour else self._lines[y],
        )

    @property
    def _without_colour(self) -> bool:
        return self._colours in ("mono", "ascii")

    def _text(self, y: int, start: int, stop: int) -> str:
        if self._without_colour:
            return dots.painted(self._lines[y][start:stop])
        return blocks.encode(self._pixels[2 * y : 2 * y + 2, start:stop], self._colours)[0]

    def _segments(self, y: int, start: int, stop: int) -> list[Segment]:
        if self._without_colour:
            return [Segment(self._lines[y][start:stop], RichStyle(color="bright_white", bgcolor="black"))]
        top, bottom = self._pixels[2 * y : 2 * y + 2, start:stop].tolist()
        return [
            Segment(blocks.HALF, RichStyle(color=RichColor.from_rgb(*below), bgcolor=RichColor.from_rgb(*above)))
            for above, below in zip(top, bottom)
        ]
