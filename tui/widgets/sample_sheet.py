"""A run's sample sheets: the pictures of one step, or beside those of the first, cut apart so that each stays square.

Sheets are read in a thread and kept; what is painted is the newest that was asked for and has come.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from textual.app import ComposeResult
from textual.containers import Vertical
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


class SampleSheet(Titled, Vertical):
    """One sheet at a time, or two side by side.

    Args:
        titled: Whether there is a title and a rule above.
    """

    DEFAULT_CSS = """
    SampleSheet { height: 1fr; }
    SampleSheet > #sheet-empty { height: auto; padding: 1 1; color: $muted; display: none; }
    SampleSheet.-empty > #sheet-empty { display: block; }
    SampleSheet.-empty > GridCanvas { display: none; }
    """

    def __init__(self, *, titled: bool = True, **options: Any) -> None:
        super().__init__(classes="pane -empty" if titled else "-empty", **options)
        self._kept: OrderedDict[Path, tuple[list[int], int, int]] = OrderedDict()
        self._pixels: dict[int, Pixels] = {}
        self._wanted: tuple[Sheet, ...] = ()
        self._drawn: tuple[Sheet, ...] = ()
        self._said: object = None

    def compose(self) -> ComposeResult:
        yield GridCanvas()
        yield Static(id="sheet-empty", markup=False)

    @property
    def canvas(self) -> GridCanvas:
        """What draws."""
        return self.query_one(GridCanvas)

    @property
    def ready(self) -> bool:
        """The sheet that was asked for last is on the screen, as far as the link goes."""
        return self._drawn == self._wanted and not self.canvas.due(False) and not Pictures.of(self.app).busy

    def rows_for(self, sheet: Sheet, width: int) -> int:
        """Rows of text that a sheet takes at this width, as far as it says how it is divided."""
        cell_width, cell_height = self.canvas.surface.cell
        columns, rows = (sheet.columns, sheet.rows) if sheet.columns and sheet.rows else (1, 1)
        return max(1, -(-width * cell_width // columns * rows // cell_height))

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
            self.canvas.forget(keys)

    def on_grid_canvas_sized(self, event: GridCanvas.Sized) -> None:
        """Two sheets lie beside or above each other, whichever is larger."""
        event.stop()
        if len(self._drawn) > 1:
            self._draw()

    def _draw(self) -> None:
        found = [self._kept[sheet.path] for sheet in self._wanted]
        for sheet in self._wanted:
            self._kept.move_to_end(sheet.path)
        self._drawn = self._wanted
        self._tell("", "")
        self.canvas.set_scene(self._scene(found), self._pixels)

    def _scene(self, found: Sequence[tuple[list[int], int, int]]) -> Scene:
        keys, columns, rows = found[0]
        tiles = {(index % columns, index // columns): key for index, key in enumerate(keys)}
        if len(found) == 1:
            return Scene(columns, rows, tiles, frozenset())
        others, wide, tall = found[1]
        surface, size = self.canvas.surface, self.canvas.size
        area = max(1, size.width * surface.cell[0]), max(1, size.height * surface.cell[1])
        beside = columns + 1 + wide, max(rows, tall)
        below = max(columns, wide), rows + 1 + tall
        lies = beside if Geometry(*area, *beside).side >= Geometry(*area, *below).side else below
        right, down = (columns + 1, 0) if lies is beside else (0, rows + 1)
        tiles |= {(right + index % wide, down + index // wide): key for index, key in enumerate(others)}
        return Scene(*lies, tiles, frozenset())

    def _tell(self, text: str, tone: str) -> None:
        if (text, tone) != self._said:
            self._said = text, tone
            self.set_class(bool(text), "-empty")
            self.query_one("#sheet-empty", Static).update(Content.styled(text, tone) if text else "")
