"""What the terminal shows of one canvas, and what has to be sent to bring it up to date. No terminal, no widget.

Three ways, by protocol: half-blocks and kitty placeholders are text that Textual paints by itself; sixel and iTerm2
pictures lie over cells and vanish where text is written; kitty placements lie over cells and stay until taken away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from core.workers.wire import Message
from tui.graphics import dots, kitty
from tui.graphics.brands import TerminalInfo
from tui.graphics.compose import Look, Place, Scene
from tui.graphics.encoder import frame_job
from tui.graphics.layout import Geometry, Rect, bands, cells_of, rectangles
from tui.graphics.quality import FULL, Quality
from tui.graphics.tmux_sixel import whole_bands

Mask = NDArray[np.bool_]
"""bool [rows, columns] of the canvas's cells."""


@dataclass(frozen=True, eq=False)
class Request:
    """One frame to be made.

    Attributes:
        scene: What it shows.
        job: The message for the helper process.
        keys: The tiles it names.
        rects: Cells that it draws.
        columns, rows: Size of the canvas in cells.
        visible: The cells that could be drawn on when it was asked for.
        pixels: How many pixels of the full picture it draws.
        sharp: It draws them as well as they can be drawn.
    """

    scene: Scene
    job: Message
    keys: frozenset[int]
    rects: list[Rect]
    columns: int
    rows: int
    visible: Mask = field(repr=False)
    pixels: int = 0
    sharp: bool = True


class Surface:
    """Keeps account of one canvas.

    Args:
        info: The terminal.
        images: kitty's ids that belong to the canvas, two at least; the first is its number in all protocols.
    """

    def __init__(self, info: TerminalInfo, images: Sequence[int]) -> None:
        self.info = info
        self._images = tuple(images)
        self._placed_image = 0
        """Which of the two ids of a placed picture is sent next."""
        self._sent: set[int] = set()
        self._setup: object = None
        self._drawn: dict[Place, tuple[object, ...]] = {}
        self._marked: Scene | None = None
        """The scene that `_drawn` is of."""
        self._stale: Mask = np.zeros((0, 0), bool)
        self._soft: Mask = np.zeros((0, 0), bool)
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

    def due(self, scene: Scene, look: Look, columns: int, rows: int, visible: Mask, sharp: bool = True) -> int:
        """How many pixels of the full picture have to be sent so that the terminal shows the scene; 0 if it does.

        Args:
            sharp: What was sent in less than full quality has to be sent again.
        """
        if not visible.any() or self.info.protocol == "off":
            return 0
        self._mark_changes(scene, look, columns, rows, self.geometry(columns, rows, scene))
        width, height = self.cell
        return int(self._due(visible, sharp).sum()) * width * height

    def request(
        self,
        scene: Scene,
        look: Look,
        columns: int,
        rows: int,
        visible: Mask,
        quality: Quality = FULL,
        sharp: bool = True,
        most: int | None = None,
    ) -> Request | None:
        """What to send next for the terminal to show the scene; None if it does. What is asked for counts as sent.

        Args:
            quality: How well.
            sharp: What was sent in less than full quality is sent again.
            most: Pixels of the full picture that one frame should hold: of more, the part nearest to the cursor.
        """
        if not self.due(scene, look, columns, rows, visible, sharp):
            return None
        geometry = self.geometry(columns, rows, scene)
        due = self._due(visible, sharp)
        rects, images = self._pieces(due, visible, geometry, scene, most)
        drop: list[int] = []
        cells = np.zeros_like(due)
        for x, y, width, height in rects:
            cells[y : y + height, x : x + width] = True
        self._stale &= ~cells
        self._soft[cells] = quality != FULL
        if self.info.protocol == "kitty-direct":
            drop = [image for image in self._sent if image not in images]
            # One picture for all: what is hidden now is sent again when it comes to light.
            self._stale[:] = False
        elif self.info.protocol == "kitty":
            drop = sorted(self._sent - set(self._images[: len(self._bands())]))
        job = frame_job(
            scene,
            look,
            protocol=self.info.protocol,
            width=geometry.width,
            height=geometry.height,
            cell=self.cell,
            rects=rects,
            quality=quality,
            depth=self.info.colours,
            canvas=self._images[0],
            images=images,
            drop=drop,
            tmux=self.info.tmux,
        )
        pixels = int(cells.sum()) * self.cell[0] * self.cell[1]
        return Request(
            scene, job, frozenset(scene.tiles.values()), rects, columns, rows, visible, pixels, quality == FULL
        )

    def written(self, request: Request, origin: tuple[int, int] = (0, 0)) -> None:
        """The frame has been handed to the terminal, with the canvas at `origin` of the screen (x, y in cells)."""
        self._sent -= set(_ids(request.job, "drop"))
        self._sent |= set(_ids(request.job, "images"))
        if self._shown.shape != request.visible.shape or origin != self._origin:
            self._shown, self._origin = np.zeros_like(request.visible), origin
        for x, y, width, height in request.rects:
            self._shown[y : y + height, x : x + width] = True
        if self.info.protocol == "kitty-direct":
            self._placed_image = 1 - self._placed_image
            self._placed = request.visible

    def placeholder(self, y: int, rows: int) -> tuple[int, int]:
        """The id of the picture that a row of cells shows by placeholders, and which of the picture's rows it is.

        Args:
            y: The row.
            rows: How many there are; the account may still be, or be already, of another size.
        """
        for image, (top, height) in zip(self._images, bands(rows, len(self._images))):
            if y < top + height:
                return image, y - top
        raise IndexError(y)

    def give_back(self, request: Request) -> None:
        """The frame was not written: what it would have drawn is still to be drawn."""
        if request.visible.shape != self._stale.shape:
            self._setup = None
            return
        for x, y, width, height in request.rects:
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

    def lies_at(self, origin: tuple[int, int]) -> None:
        """The canvas is at this place of the screen; a picture that lies elsewhere has to be sent again."""
        if not self.is_text and origin != self._origin and self._shown.any():
            self.moved()

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
        self._setup, self._sent, self._placed, self.broken = None, set(), None, False
        self._shown = np.zeros((0, 0), bool)

    def hide(self) -> str:
        """What to write when the canvas is not to be seen; Textual's text takes care of the other protocols."""
        if self.info.protocol != "kitty-direct" or self._placed is None:
            return ""
        self._placed = None
        return kitty.hide(self._images[1 - self._placed_image])

    def delete(self) -> str:
        """What frees all that the terminal holds for this canvas."""
        data = "".join(kitty.delete(image) for image in sorted(self._sent))
        self.lost()
        return kitty.through_tmux(data) if self.info.tmux else data

    def _bands(self) -> list[tuple[int, int]]:
        """The rows of cells, cut so that each part is a picture with an id of its own."""
        return bands(len(self._stale), len(self._images))

    def _due(self, visible: Mask, sharp: bool) -> Mask:
        due: Mask = self._stale | self._soft if sharp else self._stale
        if self.info.protocol == "kitty-direct":
            moved = self._placed is None or not np.array_equal(self._placed, visible)
            return visible if moved or due.any() else np.zeros_like(visible)
        return due if self.is_text else due & visible

    def _pieces(
        self, due: Mask, visible: Mask, geometry: Geometry, scene: Scene, most: int | None
    ) -> tuple[list[Rect], list[int]]:
        """The rectangles to be drawn and kitty's ids for them."""
        rows, columns = due.shape
        if self.info.protocol == "kitty-direct":
            return rectangles(visible), [self._images[self._placed_image]]
        middle = rows / 2
        if scene.cursor is not None:
            _, y, _, height = cells_of(geometry.tile(*scene.cursor), *self.cell)
            middle = y + height / 2
        limit = None if most is None else max(1, most // (self.cell[0] * self.cell[1]))
        if self.info.protocol == "kitty":
            touched = [
                (image, (0, top, columns, height))
                for image, (top, height) in zip(self._images, self._bands())
                if np.any(due[top : top + height])
            ]
            chosen = _nearest([rect for _, rect in touched], middle, limit)
            return chosen, [image for image, rect in touched if rect in chosen]
        if self.info.protocol == "blocks":
            due = np.repeat(np.any(due, axis=1, keepdims=True), columns, axis=1)
        chosen = _nearest(_sliced(rectangles(due), limit), middle, limit)
        return (whole_bands(chosen, visible, self.cell[1]) if self.draws_in_tmux else chosen), []

    def _mark_changes(self, scene: Scene, look: Look, columns: int, rows: int, geometry: Geometry) -> None:
        setup = (columns, rows, geometry, look)
        if setup != self._setup:
            self._setup = setup
            self._drawn, self._marked = {}, None
            self._stale = np.ones((rows, columns), bool)
            self._soft = np.zeros((rows, columns), bool)
            self._placed = None
        if scene is self._marked:
            return
        self._marked = scene
        for row in range(scene.rows):
            for column in range(scene.columns):
                place = (column, row)
                now = scene.drawn(place)
                if self._drawn.get(place) != now:
                    self._drawn[place] = now
                    x, y, width, height = cells_of(geometry.tile(column, row), *self.cell)
                    self._stale[y : y + height, x : x + width] = True


def _ids(job: Message, name: str) -> list[int]:
    ids = job[name]
    assert isinstance(ids, list)
    return ids


def _sliced(rects: list[Rect], limit: int | None) -> list[Rect]:
    """The same cells in rectangles that hold no more than `limit` cells, or one row."""
    if limit is None:
        return rects
    found = []
    for x, y, width, height in rects:
        step = max(1, limit // width)
        found += [(x, top, width, min(step, y + height - top)) for top in range(y, y + height, step)]
    return found


def _nearest(rects: list[Rect], middle: float, limit: int | None) -> list[Rect]:
    """As many rectangles as make up `limit` cells, at least one, the nearest to a row first; from top to bottom."""
    if limit is None:
        return rects
    chosen: list[Rect] = []
    cells = 0
    for rect in sorted(rects, key=lambda rect: abs(rect[1] + rect[3] / 2 - middle)):
        cells += rect[2] * rect[3]
        if chosen and cells > limit:
            break
        chosen.append(rect)
    return sorted(chosen, key=lambda rect: (rect[1], rect[0]))
