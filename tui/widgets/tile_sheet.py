"""A sheet of square pictures with a frame around one: what datasets are shown by. Pictures come when they come."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from tui.graphics.canvas import GridCanvas
from tui.graphics.compose import Place, Scene
from tui.graphics.layout import Geometry
from tui.graphics.pictures import Pictures
from tui.widgets.titled import Titled

Pixels = NDArray[np.uint8]

_KEYS = itertools.count(1 << 42)
"""The helper process knows tiles by number: none of an explorer, a film or a run has one of these."""
_GROUND = 24
_LEAST, _MOST = 24, 640


class TileSheet(Titled, Vertical):
    """Give it a layout with `lay`, then pictures with `put`; `say` shows words instead.

    Args:
        plain: Without a title and its rule.
    """

    DEFAULT_CSS = """
    TileSheet { height: 1fr; }
    TileSheet > .sheet-told { height: auto; padding: 1 1; color: $muted; display: none; }
    TileSheet.-told > .sheet-told { display: block; }
    TileSheet.-told > GridCanvas { display: none; }
    """

    def __init__(self, *, plain: bool = False, **options: Any) -> None:
        super().__init__(classes="" if plain else "pane", **options)
        self._tiles: dict[Place, int] = {}
        self._pixels: dict[int, Pixels] = {}
        self._layout_now: tuple[int, int, frozenset[Place]] = (1, 1, frozenset())
        self._cursor: Place | None = None
        self._pins: frozenset[Place] = frozenset()

    def compose(self) -> ComposeResult:
        yield GridCanvas()
        yield Static(classes="sheet-told", markup=False)

    @property
    def canvas(self) -> GridCanvas:
        """What draws."""
        return self.query_one(GridCanvas)

    @property
    def places(self) -> set[Place]:
        """Where there is a picture."""
        return set(self._tiles)

    @property
    def settled(self) -> bool:
        """All that was put is on the screen, as far as the link goes."""
        return not self.canvas.due(False) and not Pictures.of(self.app).busy

    def side(self, columns: int, rows: int) -> int:
        """Pixels along the edge of each of so many tiles, within what is worth drawing."""
        cell, size = self.canvas.surface.cell, self.canvas.size
        area = max(1, size.width * cell[0]), max(1, size.height * cell[1])
        return min(_MOST, max(_LEAST, Geometry(*area, columns, rows).side))

    def lay(self, columns: int, rows: int, awaited: Iterable[Place] = ()) -> None:
        """Begin anew: so many tiles, those awaited dim until their pictures come."""
        self._forget(list(self._tiles.values()))
        self._tiles = {}
        self._layout_now = max(1, columns), max(1, rows), frozenset(awaited)
        self.say("")
        self._show()

    def put(self, pictures: Mapping[Place, Pixels]) -> None:
        """Show these pictures at their places, any others stay."""
        old = [self._tiles[place] for place in pictures if place in self._tiles]
        for place, pixels in pictures.items():
            key = next(_KEYS)
            self._tiles[place] = key
            self._pixels[key] = pixels
        self._show()
        self._forget(old)

    def mark(self, cursor: Place | None, pins: Iterable[Place] = ()) -> None:
        """Put the frame around a picture, and a mark on some."""
        self._cursor, self._pins = cursor, frozenset(pins)
        self._show()

    def say(self, text: str, tone: str = "$muted") -> None:
        """Words instead of pictures; none shows the pictures."""
        self.set_class(bool(text), "-told")
        self.query_one(".sheet-told", Static).update(Content.styled(text, tone) if text else "")

    def _show(self) -> None:
        columns, rows, awaited = self._layout_now
        scene = Scene(columns, rows, dict(self._tiles), awaited, self._cursor, self._pins)
        self.canvas.set_scene(scene, self._pixels)

    def _forget(self, keys: list[int]) -> None:
        for key in keys:
            self._pixels.pop(key, None)
        self.canvas.forget(keys)


def squared(pixels: Pixels, side: int) -> Pixels:
    """A picture of any shape, uint8 [h, w, 3], in the middle of a dark square of `side` pixels. Takes milliseconds."""
    from tui.graphics.files import resized

    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    wide, tall = max(1, round(width * scale)), max(1, round(height * scale))
    small = resized(pixels, wide, tall)
    if wide == tall == side:
        return np.ascontiguousarray(small)
    ground = np.full((side, side, 3), _GROUND, np.uint8)
    top, left = (side - tall) // 2, (side - wide) // 2
    ground[top : top + tall, left : left + wide] = small
    return ground
