"""One picture out of many tiles: the grid as it is seen, with the cursor's frame, pins and tiles still to come."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tui.graphics.files import resized
from tui.graphics.layout import Geometry, Rect

Place = tuple[int, int]
"""Column and row of a tile in the grid."""

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Look:
    """The colours of what is not a tile, red, green, blue in 0..255."""

    background: Colour = (18, 18, 22)
    waiting: Colour = (36, 36, 42)
    accent: Colour = (255, 166, 43)
    outline: Colour = (0, 0, 0)


@dataclass(frozen=True)
class Scene:
    """What a grid shows.

    Attributes:
        columns: Tiles side by side.
        rows: Tiles one above the other.
        tiles: The key of the picture in each place; a place without one shows as a dim square.
        waiting: Places that will have a picture; None means all of them.
        cursor: The place with the frame.
        pins: Places with a mark.
    """

    columns: int
    rows: int
    tiles: Mapping[Place, int] = field(default_factory=dict)
    waiting: frozenset[Place] | None = None
    cursor: Place | None = None
    pins: frozenset[Place] = frozenset()

    def drawn(self, place: Place) -> tuple[object, ...]:
        """All that decides the pixels of one place: two scenes with equal answers look equal there."""
        awaited = self.waiting is None or place in self.waiting
        return self.tiles.get(place), awaited, place == self.cursor, place in self.pins


class TileStore:
    """Tiles by key, and beside them the versions that were drawn last, in the sizes that they were drawn in.

    Args:
        most_bytes: Of the versions; more are drawn anew from the tiles.
    """

    def __init__(self, most_bytes: int = 24 * 2**20) -> None:
        self._pixels: dict[int, NDArray[np.uint8]] = {}
        self._sized: OrderedDict[tuple[int, int, int], NDArray[np.uint8]] = OrderedDict()
        self._bytes = 0
        self._most_bytes = most_bytes

    def put(self, key: int, pixels: NDArray[np.uint8]) -> None:
        """Keep a picture, uint8 [H, W, C] with C of 1, 3 or 4; grey becomes RGB, transparency is dropped."""
        # A copy: what came over the wire may be a part of a larger block, which would stay for its sake.
        self._pixels[key] = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels[:, :, :3].copy()
        self._drop([sized for sized in self._sized if sized[0] == key])

    def forget(self, keys: list[int]) -> None:
        """Drop pictures; unknown keys are no error."""
        gone = set(keys)
        for key in keys:
            self._pixels.pop(key, None)
        self._drop([sized for sized in self._sized if sized[0] in gone])

    def sized(self, key: int, width: int, height: int) -> NDArray[np.uint8] | None:
        """The picture in one size, or None when it is not here."""
        if key not in self._pixels:
            return None
        wanted = key, width, height
        if (found := self._sized.get(wanted)) is not None:
            self._sized.move_to_end(wanted)
            return found
        made = resized(self._pixels[key], width, height)
        if made is not self._pixels[key]:
            self._sized[wanted] = made
            self._bytes += made.nbytes
            while self._bytes > self._most_bytes and len(self._sized) > 1:
                self._drop([next(iter(self._sized))])
        return made

    def _drop(self, sized: list[tuple[int, int, int]]) -> None:
        for each in sized:
            self._bytes -= self._sized.pop(each).nbytes


def compose(
    scene: Scene, geometry: Geometry, tiles: TileStore, look: Look, part: Rect | None = None, scale: int = 1
) -> NDArray[np.uint8]:
    """Draw the scene, or a part of it, or that in less detail.

    Args:
        scene: What is to be seen.
        geometry: How it lies.
        tiles: The pictures.
        look: The colours.
        part: Pixels to be drawn; all by default.
        scale: Draw one pixel for a square of so many.

    Returns:
        uint8 [H, W, 3] with H and W those of the part divided by the scale, rounded up.
    """
    left, top, width, height = part or (0, 0, geometry.width, geometry.height)
    picture = np.empty((-(-height // scale), -(-width // scale), 3), np.uint8)
    picture[:] = look.background
    for row in range(scene.rows):
        for column in range(scene.columns):
            x, y, side, _ = geometry.tile(column, row)
            x0, x1 = _scaled(x - left, scale), _scaled(x + side - left, scale)
            y0, y1 = _scaled(y - top, scale), _scaled(y + side - top, scale)
            seen = x1 > max(x0, 0) and y1 > max(y0, 0) and x0 < picture.shape[1] and y0 < picture.shape[0]
            if not seen or (drawn := _tile(scene, (column, row), x1 - x0, y1 - y0, tiles, look)) is None:
                continue
            target = picture[max(0, y0) : y1, max(0, x0) : x1]
            above, before = max(0, -y0), max(0, -x0)
            target[:] = drawn[above : above + target.shape[0], before : before + target.shape[1]]
    return picture


def _scaled(length: int, scale: int) -> int:
    """Divided and rounded to the nearest, halves up."""
    return (2 * length + scale) // (2 * scale)


def _tile(
    scene: Scene, place: Place, width: int, height: int, tiles: TileStore, look: Look
) -> NDArray[np.uint8] | None:
    """One tile with all that is drawn on it, uint8 [height, width, 3], not to be changed; None for nothing."""
    key = scene.tiles.get(place)
    drawn = None if key is None else tiles.sized(key, width, height)
    if drawn is None:
        if scene.waiting is not None and place not in scene.waiting and place != scene.cursor:
            return None
        drawn = np.empty((height, width, 3), np.uint8)
        drawn[:] = look.background
        if scene.waiting is None or place in scene.waiting:
            gap = max(1, width // 24) if width > 4 else 0
            drawn[gap : height - gap, gap : width - gap] = look.waiting
    if place == scene.cursor or place in scene.pins:
        drawn = drawn.copy()
    if place == scene.cursor:
        _frame(drawn, look)
    if place in scene.pins:
        inset = _thickness(width) if place == scene.cursor else 0
        _mark(drawn[inset : height - inset, inset : width - inset], look)
    return drawn


def _mark(target: NDArray[np.uint8], look: Look) -> None:
    """A small corner at the upper right, outlined so that it is seen on any picture."""
    side = target.shape[0]
    size = max(2, side // 5)
    # Row by row the corner gets shorter; the outline is the same corner, one pixel (or a bit more) larger.
    rim = max(1, side // 48) if side > 16 else 0
    for extent, colour in ((size + 2 * rim, look.outline), (size, look.accent)):
        for row in range(min(extent, side)):
            target[row, max(0, target.shape[1] - (extent - row)) :] = colour


def _thickness(side: int) -> int:
    """Pixels of the cursor's frame."""
    return max(1, round(side / 24))


def _frame(target: NDArray[np.uint8], look: Look) -> None:
    height, width = target.shape[:2]
    thick = _thickness(width)
    rim = max(1, thick // 2) if width > 24 else 0
    for inset, depth, colour in ((0, thick, look.accent), (thick, rim, look.outline)):
        target[inset : inset + depth, inset : width - inset] = colour
        target[height - inset - depth : height - inset, inset : width - inset] = colour
        target[inset : height - inset, inset : inset + depth] = colour
        target[inset : height - inset, width - inset - depth : width - inset] = colour
