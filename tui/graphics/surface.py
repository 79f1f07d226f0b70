"""What the terminal shows of one canvas, and what has to be sent to bring it up to date. No terminal, no widget.

Three ways, by protocol: half-blocks and kitty placeholders are text that Textual paints by itself; sixel and iTerm2
pictures lie over cells and vanish where text is written; kitty placements lie over cells and stay until taken away.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from core.workers.wire import Message
from tui.graphics import dots, kitty
from tui.graphics.brands import TerminalInfo
from tui.graphics.compose import Look, Place, Scene
from tui.graphics.encoder import frame_job
from tui.graphics.layout import Geometry, Rect, cells_of, rectangles
from tui.graphics.tmux_sixel import whole_bands

Mask = NDArray[np.bool_]
"""bool [rows, columns] of the canvas's cells."""


@dataclass(frozen=True, eq=False)
class Request:
    """One frame to be made.

    Attributes:
        job: The message for the helper process.
        keys: The tiles it names.
        rects: Cells that it draws.
        columns, rows: Size of the canvas in cells.
        visible: The cells that could be drawn on when it was asked for.
    """

    job: Message
    keys: frozenset[int]
    rects: list[Rect]
    columns: int
    rows: int
    visible: Mask = field(repr=False)


class Surface:
    """Keeps account of one canvas.

    Args:
        info: The terminal.
        image: kitty's id; this one and the next belong to the canvas.
    """

    def __init__(self, info: TerminalInfo, image: int) -> None:
        self.info = info
        self.image = image
        """The id on the screen (placeholders) or the one to be sent next (placement)."""
        self._other = image + 1
        self._sent = False
        self._setup: object = None
        self._drawn: dict[Place, tuple[object, ...]] = {}
        self._stale: Mask = np.zeros((0, 0), bool)
        self._placed: Mask | None = None
        self._shown: Mask = np.zeros((0, 0), bool)
        self._origin = (0, 0)
        self.broken = False
        """Text was written over the picture since the last frame (what happens in tmux then: `draws_in_tmux`)."""

    @property
    def lies_over_text(self) -> bool:
        """The picture vanishes where text is written."""
        return self.info.protocol in ("sixel", "iterm2")

    @property
    def draws_in_tmux(self) -> bool:
        """tmux keeps the pictures and draws them: text over a part of one takes all of it away."""
        return self.info.tmux and self.info.protocol == "sixel"

    @property
    def is_text(self) -> bool:
        """Textual itself paints the picture's cells."""
        return self.info.protocol in ("blocks", "kitty")

    @property
    def cell(self) -> tuple[int, int]:
        """Pixels of a cell: width, height."""
        if self.info.protocol == "blocks" and self.info.colours == "mono":
            return dots.DOTS
        return (1, 2) if self.info.protocol in ("blocks", "off") else (self.info.cell_width, self.info.cell_height)

    def geometry(self, columns: int, rows: int, scene: Scene) -> Geometry:
        """How the scene lies in a canvas of `columns` x `rows` cells."""
        width, height = self.cell
        return Geometry(columns * width, rows * height, scene.columns, scene.rows)

    def request(self, scene: Scene, look: Look, columns: int, rows: int, visible: Mask) -> Request | None:
        """What to send so that the terminal shows the scene; None if it does. What is asked for counts as sent."""
        if not visible.any() or self.info.protocol == "off":
            return None
        geometry = self.geometry(columns, rows, scene)
        self._mark_changes(scene, look, columns, rows, geometry)
        protocol = self.info.protocol
        if protocol == "kitty-direct":
            if not self._stale.any() and self._placed is not None and np.array_equal(self._placed, visible):
                return None
            rects = rectangles(visible)
            self._stale[:] = False
        elif self.is_text:
            if not self._stale.any():
                return None
            rects = []
            self._stale[:] = False
        else:
            due = self._stale & visible
            if not due.any():
                return None
            rects = rectangles(due)
            if self.draws_in_tmux:
                rects = whole_bands(rects, visible, self.cell[1])
            self._stale &= ~visible
        job = frame_job(
            scene,
            look,
            protocol=protocol,
            width=geometry.width,
            height=geometry.height,
            cell=self.cell,
            rects=rects,
            depth=self.info.colours,
            image=self.image,
            replaces=self._other if self._sent else 0,
            tmux=self.info.tmux,
        )
        return Request(job, frozenset(scene.tiles.values()), rects, columns, rows, visible)

    def written(self, request: Request, origin: tuple[int, int] = (0, 0)) -> None:
        """The frame has been handed to the terminal, with the canvas at `origin` of the screen (x, y in cells)."""
        self._sent = True
        if self._shown.shape != request.visible.shape or origin != self._origin:
            self._shown, self._origin = np.zeros_like(request.visible), origin
        for x, y, width, height in request.rects:
            self._shown[y : y + height, x : x + width] = True
        if self.info.protocol == "kitty-direct":
            self.image, self._other = self._other, self.image
            self._placed = request.visible

    def give_back(self, request: Request) -> None:
        """The frame was not written: what it would have drawn is still to be drawn."""
        if request.visible.shape != self._stale.shape:
            self._setup = None
            return
        for x, y, width, height in request.rects or [(0, 0, request.columns, request.rows)]:
            self._stale[y : y + height, x : x + width] = True

    def holds(self, y: int, start: int, stop: int, origin: tuple[int, int], shape: tuple[int, int]) -> bool:
        """Whether the cells [start, stop) of a row show the picture now, so that no text need be written there.

        Args:
            origin: Where the canvas is on the screen.
            shape: Its rows and columns.
        """
        fits = self._shown.shape == self._stale.shape == shape and origin == self._origin
        return fits and bool(self._shown[y, start:stop].all())

    def moved(self) -> None:
        """The canvas has another place or size: what the terminal shows of it is not known."""
        self._shown = np.zeros((0, 0), bool)
        self._setup = None

    def wiped(self, y: int, start: int, stop: int) -> None:
        """Text was written into the cells [start, stop) of a row."""
        if y < len(self._shown):
            self.broken |= bool(self._shown[y, start:stop].any())
            self._shown[y, start:stop] = False
        if y < len(self._stale):
            self._stale[y, start:stop] = True

    def painted(self, cells: Mask) -> None:
        """Something else was written over these cells."""
        if cells.shape != self._stale.shape:
            # Another size than the account's, and it may be the old one again before anyone asks.
            self._setup = None
        elif self.lies_over_text:
            self._stale |= cells
            if self._shown.shape == cells.shape:
                self.broken |= bool((self._shown & cells).any())
                self._shown &= ~cells

    def lost(self) -> None:
        """The terminal holds nothing any more."""
        self._setup, self._sent, self._placed, self.broken = None, False, None, False
        self._shown = np.zeros((0, 0), bool)

    def hide(self) -> str:
        """What to write when the canvas is not to be seen; Textual's text takes care of the other protocols."""
        if self.info.protocol != "kitty-direct" or self._placed is None:
            return ""
        self._placed = None
        return kitty.hide(self._other)

    def delete(self) -> str:
        """What frees all that the terminal holds for this canvas."""
        if not self._sent or self.info.protocol not in ("kitty", "kitty-direct"):
            return ""
        self.lost()
        data = kitty.delete(self.image) + kitty.delete(self._other)
        return kitty.through_tmux(data) if self.info.tmux else data

    def _mark_changes(self, scene: Scene, look: Look, columns: int, rows: int, geometry: Geometry) -> None:
        setup = (columns, rows, geometry, look)
        if setup != self._setup:
            self._setup = setup
            self._drawn = {}
            self._stale = np.ones((rows, columns), bool)
            self._placed = None
        for row in range(scene.rows):
            for column in range(scene.columns):
                place = (column, row)
                now = scene.drawn(place)
                if self._drawn.get(place) != now:
                    self._drawn[place] = now
                    x, y, width, height = cells_of(geometry.tile(column, row), *self.cell)
                    self._stale[y : y + height, x : x + width] = True
