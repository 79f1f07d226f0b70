"""A run's sample sheets: the pictures of one step, or beside those of the first, cut apart so that each stays square.

Sheets are read in a thread and kept; what is painted is the newest that was asked for and has come.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from textual import events
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.content import Content
from textual.widgets import Static

from core.errors import TarmacError
from core.interface.pictures import decode
from tui.graphics.canvas import GridCanvas
from tui.graphics.compose import Scene
from tui.graphics.layout import Geometry
from tui.graphics.pictures import Pictures
from tui.widgets.titled import Titled

Pixels = NDArray[np.uint8]

_KEPT_BYTES = 64 * 2**20
"""Of sheets that were looked at; older ones are read again."""

_GAP = 2
"""Columns of cells between two sheets."""

_KEYS = itertools.count(1 << 41)
"""The helper process knows tiles by number: two sheets never share one, nor one with an explorer or a film."""


@dataclass(frozen=True)
class Sheet:
    """A sheet on disk.

    Attributes:
        step: When it was drawn.
        path: The picture file.
        columns, rows: Pictures on it; 0 where nobody said.
    """

    step: int
    path: Path
    columns: int = 0
    rows: int = 0


def cut(pixels: Pixels, columns: int, rows: int) -> tuple[list[Pixels], int, int]:
    """The pictures on a sheet from left to right, from top to bottom; how many side by side; how many rows.

    A sheet of which nobody says how it is divided is one picture, on a dark ground where it is not square.
    """
    height, width = pixels.shape[:2]
    if columns > 0 and rows > 0 and width // columns > 0 and height // rows > 0:
        wide, tall = width // columns, height // rows
        side = max(wide, tall)
        return (
            [
                _square(pixels[row * tall : (row + 1) * tall, column * wide : (column + 1) * wide], side)
                for row in range(rows)
                for column in range(columns)
            ],
            columns,
            rows,
        )
    return [_square(pixels, max(height, width))], 1, 1


def _square(pixels: Pixels, side: int) -> Pixels:
    height, width = pixels.shape[:2]
    if height == width:
        return np.ascontiguousarray(pixels)
    ground = np.full((side, side, 3), 24, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    ground[top : top + height, left : left + width] = pixels
    return ground


def read(sheet: Sheet) -> tuple[list[Pixels], int, int]:
    """A sheet from disk, cut apart. Takes milliseconds: call it in a thread.

    Raises:
        InvalidInput: It is no picture.
        OSError: It cannot be read.
    """
    return cut(decode(sheet.path.name, sheet.path.read_bytes(), 3), sheet.columns, sheet.rows)


@dataclass(frozen=True)
class Place:
    """Where one or two sheets lie in a pane.

    Attributes:
        beside: Two lie side by side, else one above the other.
        sizes: Columns and rows of cells of each.
        side: Pixels along the edge of a picture of the first.
    """

    beside: bool
    sizes: tuple[tuple[int, int], ...]
    side: int


_WHOLE = 0.9
"""A whole multiple of a picture's pixels is taken where it fills so much of the side that would fit."""


def placed(
    sheets: Sequence[tuple[int, int, int]], room: tuple[int, int], cell: tuple[int, int], *, whole: bool = True
) -> Place:
    """The largest way to put sheets into a pane.

    Args:
        sheets: One or two: pictures side by side, one above the other, and pixels along the edge of each.
        room: Columns and rows of cells; where there are two sheets, each has a line for its caption too.
        cell: Pixels of a cell: width, height.
        whole: Take whole multiples of a picture's pixels where they fill most of the pane.
    """
    enough = _WHOLE if whole else math.inf
    width, height = room
    if len(sheets) == 1:
        return _placed(sheets, [(width, height)], cell, enough, beside=True)
    half = (width - _GAP) // 2
    beside = _placed(sheets, [(half, height - 1)] * 2, cell, enough, beside=True)
    stacked = _placed(sheets, [(width, (height - 2) // 2)] * 2, cell, enough, beside=False)
    return beside if beside.side >= stacked.side else stacked


def _placed(
    sheets: Sequence[tuple[int, int, int]],
    rooms: Sequence[tuple[int, int]],
    cell: tuple[int, int],
    enough: float,
    *,
    beside: bool,
) -> Place:
    sizes, sides = [], []
    for (columns, rows, pixels), (wide, tall) in zip(sheets, rooms):
        side = Geometry(max(1, wide * cell[0]), max(1, tall * cell[1]), columns, rows).side
        whole = side // pixels * pixels
        side = whole if whole >= enough * side else side
        sides.append(side)
        sizes.append((max(1, min(wide, -(-side * columns // cell[0]))), max(1, min(tall, -(-side * rows // cell[1])))))
    return Place(beside, tuple(sizes), sides[0])


class SampleSheet(Titled, Vertical):
    """One sheet at a time, or two side by side.

    Args:
        titled: Whether there is a title and a rule above; without one a sheet takes the width that there is.
    """

    DEFAULT_CSS = """
    SampleSheet { height: 1fr; }
    SampleSheet > #sheets { height: 1fr; align: center top; layout: horizontal; }
    SampleSheet .sheet { width: auto; height: auto; }
    SampleSheet .sheet.-second { margin-left: 2; }
    SampleSheet .sheet-caption { width: auto; height: 1; color: $muted; display: none; }
    SampleSheet.-two-sheets .sheet-caption { display: block; }
    SampleSheet .sheet.-second { display: none; }
    SampleSheet.-two-sheets .sheet.-second { display: block; }
    SampleSheet.-stacked > #sheets { layout: vertical; }
    SampleSheet.-stacked .sheet.-second { margin-left: 0; }
    SampleSheet > #sheet-empty { height: auto; padding: 1 1; color: $muted; display: none; }
    SampleSheet.-empty > #sheet-empty { display: block; }
    SampleSheet.-empty > #sheets { display: none; }
    """

    def __init__(self, *, titled: bool = True, **options: Any) -> None:
        super().__init__(classes="pane -empty" if titled else "-empty", **options)
        self._kept: OrderedDict[Path, tuple[list[int], int, int]] = OrderedDict()
        self._pixels: dict[int, Pixels] = {}
        self._wanted: tuple[Sheet, ...] = ()
        self._drawn: tuple[Sheet, ...] = ()
        self._said: object = None
        self._place: Place | None = None
        self._whole = titled

    def compose(self) -> ComposeResult:
        with Container(id="sheets"):
            for which in ("-first", "-second"):
                with Vertical(classes=f"sheet {which}"):
                    yield Static(classes="sheet-caption", markup=False)
                    yield GridCanvas()
        yield Static(id="sheet-empty", markup=False)

    @property
    def canvases(self) -> list[GridCanvas]:
        """What draws the first sheet and what draws the second."""
        return list(self.query(GridCanvas))

    @property
    def canvas(self) -> GridCanvas:
        """What draws the first."""
        return self.canvases[0]

    @property
    def ready(self) -> bool:
        """The sheet that was asked for last is on the screen, as far as the link goes."""
        drawn = self._drawn == self._wanted and not any(canvas.due(False) for canvas in self.canvases)
        return drawn and not Pictures.of(self.app).busy

    def rows_for(self, sheet: Sheet, width: int) -> int:
        """Rows of text that a sheet takes at this width, as far as it says how it is divided."""
        cell_width, cell_height = self.canvas.surface.cell
        columns, rows = (sheet.columns, sheet.rows) if sheet.columns and sheet.rows else (1, 1)
        side = max(1, width * cell_width // columns)
        return max(1, -(-side * rows // cell_height))

    def show(self, sheets: Sequence[Sheet], empty: str = "") -> None:
        """Show one sheet, or two side by side; none says `empty`."""
        wanted = tuple(sheets)
        if wanted == self._wanted:
            if not wanted:
                self._tell(empty, "$muted")
            return
        self._wanted = wanted
        if not wanted:
            self._drawn = ()
            self._tell(empty, "$muted")
        elif all(sheet.path in self._kept for sheet in wanted):
            self._draw()
        else:
            self.run_worker(self._load(), group="sheet", exclusive=True, exit_on_error=False)

    async def _load(self) -> None:
        for sheet in self._wanted:
            if sheet.path in self._kept:
                continue
            try:
                tiles, columns, rows = await asyncio.to_thread(read, sheet)
            except (OSError, TarmacError) as error:
                why = error.strerror if isinstance(error, OSError) else str(error)
                self._tell(f"✕ the sheet of step {sheet.step:,} cannot be shown: {why}", "$error")
                return
            keys = [next(_KEYS) for _ in tiles]
            self._pixels |= dict(zip(keys, tiles))
            self._kept[sheet.path] = keys, columns, rows
        self._draw()
        self._forget()

    def _forget(self) -> None:
        shown = {sheet.path for sheet in self._wanted}
        size = sum(tile.nbytes for tile in self._pixels.values())
        for path in [path for path in self._kept if path not in shown]:
            if size <= _KEPT_BYTES:
                return
            keys, _, _ = self._kept.pop(path)
            size -= sum(self._pixels.pop(key).nbytes for key in keys)
            for canvas in self.canvases:
                canvas.forget(keys)

    def on_resize(self, event: events.Resize) -> None:
        """Sheets are as large as fits."""
        super().on_resize(event)
        self._arrange()

    def on_grid_canvas_sized(self, event: GridCanvas.Sized) -> None:
        """Cells may have other pixels now."""
        event.stop()
        self._arrange()

    def _draw(self) -> None:
        for sheet in self._wanted:
            self._kept.move_to_end(sheet.path)
        self._drawn = self._wanted
        self._tell("", "")
        self.set_class(len(self._drawn) > 1, "-two-sheets")
        captions = self.query(".sheet-caption").results(Static)
        for index, (canvas, caption) in enumerate(zip(self.canvases, captions)):
            if index < len(self._drawn):
                keys, columns, rows = self._kept[self._drawn[index].path]
                tiles = {(number % columns, number // columns): key for number, key in enumerate(keys)}
                canvas.set_scene(Scene(columns, rows, tiles, frozenset()), self._pixels)
                caption.update(f"step {self._drawn[index].step:,}")
            else:
                canvas.set_scene(Scene(1, 1, waiting=frozenset()), {})
        self._arrange()

    def _arrange(self) -> None:
        """Give each sheet the cells that it takes."""
        room, found = self.content_size, [self._kept[sheet.path] for sheet in self._drawn]
        if not found or not room:
            return
        sides = [(columns, rows, self._pixels[keys[0]].shape[0]) for keys, columns, rows in found]
        place = placed(sides, (room.width, room.height), self.canvas.surface.cell, whole=self._whole)
        if place == self._place:
            return
        self._place = place
        self.set_class(len(found) > 1 and not place.beside, "-stacked")
        for canvas, (width, height) in zip(self.canvases, place.sizes):
            canvas.styles.width, canvas.styles.height = width, height

    def _tell(self, text: str, tone: str) -> None:
        if (text, tone) != self._said:
            self._said = text, tone
            self.set_class(bool(text), "-empty")
            self.query_one("#sheet-empty", Static).update(Content.styled(text, tone) if text else "")
