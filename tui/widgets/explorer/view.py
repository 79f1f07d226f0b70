"""The part of the plane that is seen: which tile lies where in the grid, and in which order they are wanted."""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.latent.plane import MAX_DISTANCE, MIN_DISTANCE

Coordinates = tuple[int, int]
"""x (to the right) and y (down) of a tile of the plane."""

_DISTANCES = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)

SMALLEST_ZOOM, LARGEST_ZOOM = -6, 8


@dataclass(frozen=True)
class Window:
    """A rectangle of the plane.

    Attributes:
        left, top: Coordinates of the tile at the upper left.
        columns, rows: Tiles seen, at least 1 each.
    """

    left: int
    top: int
    columns: int
    rows: int

    @staticmethod
    def around(middle: Coordinates, columns: int, rows: int) -> Window:
        """The window with a tile in its middle."""
        return Window(middle[0] - columns // 2, middle[1] - rows // 2, columns, rows)

    def share(self, tile: Coordinates) -> tuple[float, float]:
        """Where the middle of a tile lies, as shares of the window's width and height."""
        return (tile[0] - self.left + 0.5) / self.columns, (tile[1] - self.top + 0.5) / self.rows

    def resized(self, columns: int, rows: int, fixed: Coordinates, share: tuple[float, float] | None = None) -> Window:
        """With another number of tiles; the tile `fixed` stays where it was, as nearly as can be.

        Args:
            columns, rows: How many there will be.
            fixed: The tile.
            share: Where it should be, as `share` tells it; where it is now without this.
        """
        x, y = share or self.share(fixed)
        moved = Window(fixed[0] - int(x * columns), fixed[1] - int(y * rows), columns, rows)
        return moved.showing(fixed)

    def ring(self, heading: Coordinates) -> list[Coordinates]:
        """The tiles just outside, those that lie in the direction `heading` (each part −1, 0 or 1) first."""
        right, bottom = self.left + self.columns, self.top + self.rows
        middle = self.left + self.columns / 2 - 0.5, self.top + self.rows / 2 - 0.5

        def order(tile: Coordinates) -> tuple[int, float, Coordinates]:
            x, y = tile
            ahead = heading[0] * ((x >= right) - (x < self.left)) + heading[1] * ((y >= bottom) - (y < self.top))
            return -ahead, (x - middle[0]) ** 2 + (y - middle[1]) ** 2, tile

        around = [(x, y) for x in range(self.left - 1, right + 1) for y in (self.top - 1, bottom)]
        around += [(x, y) for y in range(self.top, bottom) for x in (self.left - 1, right)]
        return sorted(around, key=order)

    def showing(self, tile: Coordinates) -> Window:
        """Moved as little as possible so that a tile is seen."""
        left = min(max(self.left, tile[0] - self.columns + 1), tile[0])
        top = min(max(self.top, tile[1] - self.rows + 1), tile[1])
        return replace(self, left=left, top=top)

    def place(self, tile: Coordinates) -> Coordinates | None:
        """Column and row of a tile in the grid; None when it is not seen."""
        column, row = tile[0] - self.left, tile[1] - self.top
        return (column, row) if 0 <= column < self.columns and 0 <= row < self.rows else None

    def tile(self, place: Coordinates) -> Coordinates:
        """The tile at a column and row."""
        return self.left + place[0], self.top + place[1]

    def outward(self, middle: Coordinates) -> list[Coordinates]:
        """All tiles seen, the nearest to `middle` first."""
        tiles = [
            (x, y) for y in range(self.top, self.top + self.rows) for x in range(self.left, self.left + self.columns)
        ]
        return sorted(tiles, key=lambda tile: ((tile[0] - middle[0]) ** 2 + (tile[1] - middle[1]) ** 2, tile))


def tile_rows(height: int, zoom: int, coarse: bool) -> float:
    """Rows of text that a tile takes: about a sixth of the height, a fifth more or less with each step of zoom.

    Args:
        height: Rows of the whole grid.
        zoom: Steps from the usual size.
        coarse: A row has two pixels only (half-blocks): a face needs eight rows then.
    """
    usual = max(8.0, height / 4) if coarse else max(3.0, height / 6)
    return float(max(1.0, usual * 1.2**zoom))


def next_distance(distance: float, direction: int) -> float:
    """The next sampling distance up (+1) or down (-1) on a scale of round numbers."""
    if direction > 0:
        return next((step for step in _DISTANCES if step > distance + 1e-9), MAX_DISTANCE)
    return next((step for step in reversed(_DISTANCES) if step < distance - 1e-9), MIN_DISTANCE)
