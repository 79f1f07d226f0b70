"""A dataset at a glance, beside the list: some of what it holds, what was left out, where it came from."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from core.errors import TarmacError
from tui import words
from tui.datasets import facts as dataset_facts
from tui.graphics.canvas import GridCanvas
from tui.text_lines import Laid, TextLine, flowed, rule
from tui.widgets.runs.card import TONES
from tui.widgets.text_view import TextView
from tui.widgets.tile_sheet import TileSheet
from tui.widgets.titled import Titled

if TYPE_CHECKING:
    from core.datasets.library import Dataset
    from core.runs.view import RunView
    from tui.datasets.jobs import Job
    from tui.studio import TarmacApp

_ROWS = 3.2
"""Rows of text that a picture of the sheet is about as tall as; of half-blocks it takes more to see anything."""
_ROWS_OF_TEXT = 6.0


class DatasetCard(Titled, Vertical):
    """Everything that matters about one dataset without leaving the list."""

    DEFAULT_CSS = """
    DatasetCard > TileSheet { height: 1fr; max-height: 22; margin: 0 1 1 1; }
    DatasetCard > TileSheet.-told { height: auto; }
    DatasetCard > TextView { height: 4; max-height: 45%; margin-bottom: 1; padding: 0 0 0 1; display: none; }
    DatasetCard.-text > TileSheet { display: none; }
    DatasetCard.-text > TextView { display: block; }
    DatasetCard > VerticalScroll { height: auto; max-height: 60%; }
    DatasetCard #dataset-facts { height: auto; padding: 0 1; }
    """

    app: TarmacApp

    def __init__(self) -> None:
        super().__init__(classes="pane")
        self._dataset: Dataset | None = None
        self._drawn: object = None
        self._texts_of: str | None = None
        self._around: tuple[Job | None, str, Sequence[RunView]] = (None, "", ())

    def compose(self) -> ComposeResult:
        yield TileSheet(plain=True)
        yield TextView()
        with VerticalScroll(can_focus=False):
            yield Static(id="dataset-facts", markup=False)

    @property
    def sheet(self) -> TileSheet:
        """The contact sheet."""
        return self.query_one(TileSheet)

    def show(self, dataset: Dataset | None, job: Job | None, failure: str, runs: Sequence[RunView]) -> None:
        """Show this dataset; None shows an empty card."""
        if dataset is not None and (self._dataset is None or self._dataset.id != dataset.id):
            self.query_one(VerticalScroll).scroll_home(animate=False)
        self._dataset, self._around = dataset, (job, failure, runs)
        self.set_title(dataset.name if dataset is not None else "")
        self.set_class(dataset is not None and dataset.kind == "text" and dataset.ready, "-text")
        self._fill()
        self._show_texts()
        self._show_pictures()

    def on_resize(self, event: events.Resize) -> None:
        """Long lines break where the card ends."""
        super().on_resize(event)
        self._fill()

    def on_text_view_sized(self, event: TextView.Sized) -> None:
        """Lines end somewhere else."""
        event.stop()
        self._texts_of = None
        self._show_texts()

    def on_grid_canvas_sized(self, event: GridCanvas.Sized) -> None:
        """Another number of pictures may fit."""
        event.stop()
        self._drawn = None
        self._show_pictures()

    def _fill(self) -> None:
        facts = self.query_one("#dataset-facts", Static)
        dataset = self._dataset
        if dataset is None:
            facts.update("")
            return
        parts: list[tuple[str, str]] = []
        if dataset.about.get("description"):
            described = words.hanging(str(dataset.about["description"]), max(24, self.size.width - 2), 0)
            parts.append((f"{described}\n\n", "$text"))
        lines = dataset_facts.card_lines(dataset, *self._around)
        width = max(24, self.size.width - 3)
        wide = max(len(label) for label, _, _ in lines)
        for label, text, tone in lines:
            parts.append((f"{label:<{wide}}  ", "$muted"))
            parts.append((f"{words.hanging(text, width, wide + 2)}\n", TONES[tone]))
        facts.update(Content.assemble(*parts))

    def _show_texts(self) -> None:
        """The beginnings of some documents, which the dataset's manifest holds."""
        dataset, view = self._dataset, self.query_one(TextView)
        if dataset is None or dataset.kind != "text" or not view.room or dataset.id == self._texts_of:
            return
        self._texts_of = dataset.id
        lines: list[TextLine] = []
        for text in dataset_facts.samples(dataset):
            lines += [*([rule("", view.room)] if lines else ()), *flowed(((text.strip("\n"), "plain"),), view.room)]
        view.styles.height = max(1, len(lines))
        view.put(Laid(lines))

    def _show_pictures(self) -> None:
        dataset, sheet = self._dataset, self.sheet
        if dataset is None or not self.display or (dataset.kind == "text" and dataset.ready):
            return
        key = dataset.id, dataset.size, dataset.about.get("preparation"), dataset.ready
        if key == self._drawn:
            return
        self._drawn = key
        if not dataset.ready:
            self.workers.cancel_group(self, "sheet")
            if dataset.problem:
                sheet.say("")
                sheet.lay(1, 1)
            elif dataset.kind == "text":
                sheet.say("Gathered when it is used. p gathers it now.")
            elif dataset.source == "starter":
                sheet.say("Drawn when it is used. p draws it now.")
            else:
                sheet.say("Not prepared yet. p prepares it.")
            return
        if sheet.canvas.size.width and sheet.canvas.size.height:
            self.run_worker(self._load(dataset), group="sheet", exclusive=True, exit_on_error=False)
        else:
            sheet.say("")  # the canvas gets its size, and then its pictures

    async def _load(self, dataset: Dataset) -> None:
        sheet = self.sheet
        text = sheet.canvas.surface.info.protocol in ("blocks", "off")
        columns, rows = sheet.canvas.fit(_ROWS_OF_TEXT if text else _ROWS)
        count = min(columns * rows, dataset.count)
        side = sheet.side(columns, rows)
        try:
            pictures, _ = await asyncio.to_thread(self.app.services.datasets.pictures, dataset, count, side)
        except TarmacError as error:
            sheet.say(f"✕ {error}", "$error")
            return
        sheet.lay(columns, min(rows, -(-len(pictures) // columns)))
        sheet.put({(index % columns, index // columns): pixels for index, pixels in enumerate(pictures)})

    def on_show(self, _event: Any) -> None:
        """What was chosen while it was hidden."""
        self._show_pictures()
