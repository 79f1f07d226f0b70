"""The prepared pictures of a dataset, a sheet at a time; the one under the cursor alone with space."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from core.errors import TarmacError
from core.library.manifest import clean_line
from tui.graphics.canvas import GridCanvas
from tui.screens.base import StudioScreen
from tui.widgets.tile_sheet import TileSheet

if TYPE_CHECKING:
    from core.datasets.library import Dataset
    from tui.studio import TarmacApp

_MOVE = Binding.Group("choose", compact=True)
_ZOOM = Binding.Group("zoom", compact=True)
_SIZES = (2.0, 3.0, 4.5, 7.0, 11.0, 18.0)
"""Rows of text that a picture is about as tall as."""


class DatasetSheet(StudioScreen):
    """As many pictures as fit, with the name of the one under the cursor."""

    MODE = "datasets"
    CSS_PATH = "dataset_sheet.tcss"
    AUTO_FOCUS = ""
    HELP = "The pictures as they are trained on. Space shows the one under the cursor alone; + and - change their size."
    HELP_TITLE = "Pictures"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "move(-1, 0)", "Left", id="sheet.left", group=_MOVE, tooltip="The picture at the left"),
        Binding("down,j", "move(0, 1)", "Down", id="sheet.down", group=_MOVE, tooltip="The picture below"),
        Binding("up,k", "move(0, -1)", "Up", id="sheet.up", group=_MOVE, tooltip="The picture above"),
        Binding("right,l", "move(1, 0)", "Right", id="sheet.right", group=_MOVE, tooltip="The picture at the right"),
        Binding("space,enter", "alone", "big", id="sheet.big", tooltip="This picture alone, or the sheet again"),
        Binding("plus,equals_sign", "zoom(1)", "Larger", id="sheet.larger", group=_ZOOM, tooltip="Larger pictures"),
        Binding("minus", "zoom(-1)", "Smaller", id="sheet.smaller", group=_ZOOM, tooltip="Smaller pictures"),
        Binding("pageup", "page(-1)", "before", id="sheet.previous", tooltip="The sheet before"),
        Binding("pagedown", "page(1)", "next sheet", id="sheet.next", tooltip="The next sheet"),
        Binding("home,g", "page(-1000000)", "First", id="sheet.first", show=False, tooltip="The first picture"),
        Binding("end,G", "page(1000000)", "Last", id="sheet.last", show=False, tooltip="The last picture"),
        Binding("escape,o", "leave", "back", id="sheet.back", tooltip="Back to the list"),
    ]

    app: TarmacApp

    def __init__(self, dataset: Dataset) -> None:
        super().__init__()
        self.dataset = dataset
        self.at = 0
        self.alone = False
        self._zoom: int | None = None
        self._grid = 1, 1
        self._shown: object = None
        self._names: dict[int, str] = {}

    def body(self) -> ComposeResult:
        yield TileSheet()
        yield Static(id="sheet-told", markup=False)

    @property
    def sheet(self) -> TileSheet:
        """The pictures."""
        return self.query_one(TileSheet)

    @on(GridCanvas.Sized)
    def _sized(self, event: GridCanvas.Sized) -> None:
        event.stop()
        self._show()

    def _show(self) -> None:
        canvas = self.sheet.canvas
        if not canvas.size.width or not canvas.size.height:
            return
        if self._zoom is None:
            text = canvas.surface.info.protocol in ("blocks", "off")
            self._zoom = (3 if text else 2) + (1 if self.size.height >= 32 else 0)
        self._grid = (1, 1) if self.alone else canvas.fit(_SIZES[self._zoom])
        columns, rows = self._grid
        first = self._first
        count = min(self._per_page, self.dataset.count - first)
        key = first, count, self._grid, self.sheet.side(columns, rows)
        if key != self._shown:
            self._shown = key
            self.sheet.lay(columns, rows, [(index % columns, index // columns) for index in range(count)])
            self.run_worker(self._load(first, count, key[3]), group="sheet", exclusive=True, exit_on_error=False)
        place = (self.at - first) % columns, (self.at - first) // columns
        self.sheet.mark(None if self.alone else place)
        self._tell()

    @property
    def _per_page(self) -> int:
        return self._grid[0] * self._grid[1]

    @property
    def _first(self) -> int:
        return self.at // self._per_page * self._per_page

    async def _load(self, first: int, count: int, side: int) -> None:
        rows = list(range(first, first + count))
        try:
            pictures, names = await asyncio.to_thread(self.app.services.datasets.pictures, self.dataset, rows, side)
        except TarmacError as error:
            self.sheet.say(f"✕ {error}", "$error")
            return
        columns = self._grid[0]
        self._names = dict(zip(rows, names))
        self.sheet.put({(index % columns, index // columns): pixels for index, pixels in enumerate(pictures)})
        self._tell()

    def _tell(self) -> None:
        pages = -(-self.dataset.count // self._per_page)
        page = "" if self.alone else f"sheet {self._first // self._per_page + 1:,} of {pages:,}"
        self.sheet.set_title(f"{self.dataset.name}, {self.dataset.size}×{self.dataset.size}", page)
        name = clean_line(self._names.get(self.at, ""))
        parts = [(f" {self.at + 1:,} of {self.dataset.count:,}  ", "$muted"), (name, "$text")]
        self.query_one("#sheet-told", Static).update(Content.assemble(*parts))

    # -- keys

    def _go(self, at: int) -> None:
        self.at = max(0, min(self.dataset.count - 1, at))
        self._show()

    def action_move(self, across: int, down: int) -> None:
        """To a neighbour; over the edge of the sheet to the next one."""
        self._go(self.at + across + down * self._grid[0])

    def action_page(self, direction: int) -> None:
        """The next sheet or the one before."""
        self._go(self.at + direction * self._per_page)

    def action_zoom(self, direction: int) -> None:
        """Larger or smaller pictures."""
        self.alone = False
        self._zoom = max(0, min(len(_SIZES) - 1, (self._zoom or 0) + direction))
        self._show()

    def action_alone(self) -> None:
        """One picture, or the sheet again."""
        self.alone = not self.alone
        self._show()

    @on(GridCanvas.Picked)
    def _picked(self, event: GridCanvas.Picked) -> None:
        event.stop()
        self._go(self._first + event.place[0] + event.place[1] * self._grid[0])

    def action_leave(self) -> None:
        """From one picture to the sheet; from the sheet back to the list."""
        if self.alone:
            self.action_alone()
        else:
            self.dismiss(None)
