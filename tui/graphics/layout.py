"""Where things lie: cells, pixels and tiles, in plain numbers that both sides of the helper process share.

A *cell* is one character of the terminal; a picture area is a whole number of cells. Tiles are squares of whole
pixels and need not begin on a cell's edge; what is sent to the terminal always does.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rect = tuple[int, int, int, int]
"""x, y, width, height."""


@dataclass(frozen=True)
class Geometry:
    """A grid of square tiles, centred in an area of `width` x `height` pixels.

    Args:
        width: Pixels, at least 1.
        height: Pixels, at least 1.
        columns: Tiles side by side, at least 1.
        rows: Tiles one above the other, at least 1.
    """

    width: int
    height: int
    columns: int
    rows: int

    @property
    def side(self) -> int:
        """Pixels along a tile's edge (at least 1, so that a tiny area still has a picture)."""
        return max(1, min(self.width // self.columns, self.height // self.rows))

    def tile(self, column: int, row: int) -> Rect:
        """The tile's pixels as x, y, width, height."""
        side = self.side
        left = (self.width - side * self.columns) // 2
        top = (self.height - side * self.rows) // 2
        return left + column * side, top + row * side, side, side

    def at(self, x: int, y: int) -> tuple[int, int] | None:
        """The tile that holds the pixel (x, y), or None in the margin."""
        left, top, side, _ = self.tile(0, 0)
        column, row = (x - left) // side, (y - top) // side
        return (column, row) if 0 <= column < self.columns and 0 <= row < self.rows else None


def fit(width: int, height: int, side: int) -> tuple[int, int]:
    """How many columns and rows of tiles of about `side` pixels fill an area best: (columns, rows), each at least 1.

    The count that leaves the least margin among the two nearest is taken for each direction, so that a tile may come
    out a little smaller or larger than asked.
    """
    return max(1, round(width / side)), max(1, round(height / side))


def cells_of(rect: Rect, cell_width: int, cell_height: int) -> Rect:
    """The smallest rectangle of cells that holds a rectangle of pixels."""
    x, y, width, height = rect
    left, top = x // cell_width, y // cell_height
    right, bottom = -(-(x + width) // cell_width), -(-(y + height) // cell_height)
    return left, top, right - left, bottom - top


def bands(rows: int, most: int, least: int = 5) -> list[tuple[int, int]]:
    """Cut rows of cells into at most `most` bands of at least `least` rows (or one), as equal as can be.

    Returns:
        First row and number of rows of each.
    """
    count = max(1, min(most, rows // least))
    edges = [index * rows // count for index in range(count + 1)]
    return [(top, bottom - top) for top, bottom in itertools.pairwise(edges)]


def rectangles(mask: NDArray[np.bool_]) -> list[Rect]:
    """Cover the true cells of `mask` [rows, columns] with disjoint rectangles, top to bottom.

    Runs of equal extent in consecutive rows join, so a full mask is one rectangle.
    """
    found: list[Rect] = []
    growing: dict[tuple[int, int], int] = {}
    for y in range(mask.shape[0] + 1):
        runs = _runs(mask[y]) if y < mask.shape[0] else []
        for run in [run for run in growing if run not in runs]:
            top = growing.pop(run)
            found.append((run[0], top, run[1] - run[0], y - top))
        for run in runs:
            growing.setdefault(run, y)
    return sorted(found, key=lambda rect: (rect[1], rect[0]))


def _runs(row: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], row, [False]))))
    return [(int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2])]
