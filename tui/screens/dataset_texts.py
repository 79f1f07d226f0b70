"""The documents of a text dataset, one at a time, as they are trained on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from core.errors import TarmacError
from tui import words
from tui.datasets.services import Document
from tui.screens.base import StudioScreen
from tui.text_lines import Laid, flowed
from tui.widgets.text_view import TextView
from tui.widgets.titled import Titled

if TYPE_CHECKING:
    from core.datasets.library import Dataset
    from tui.studio import TarmacApp

MOST = 256 * 1024
"""Bytes of a document that are shown; what comes after is only told."""
_TURN = Binding.Group("document", compact=True)
_READ = Binding.Group("read", compact=True)


class TextPane(Titled, Vertical):
    """The document."""


class DatasetTexts(StudioScreen):
    """One document, with its number, its size, and whether it is held out."""

    MODE = "datasets"
    CSS_PATH = "dataset_texts.tcss"
    AUTO_FOCUS = ""
    HELP = (
        "The documents as they are trained on, in their order. Those that are held out are seen by no step of a "
        "training: perplexity is measured on them. v shows them alone."
    )
    HELP_TITLE = "Documents"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "turn(-1)", "Before", id="texts.previous", group=_TURN, tooltip="The document before"),
        Binding("right,l", "turn(1)", "Next", id="texts.next", group=_TURN, tooltip="The next document"),
        Binding("up,k", "scroll(-1)", "Up", id="texts.up", group=_READ, tooltip="Further up"),
        Binding("down,j", "scroll(1)", "Down", id="texts.down", group=_READ, tooltip="Further down"),
        Binding("pagedown,space", "page(1)", "page", id="texts.page-down", tooltip="A page down"),
        Binding("pageup", "page(-1)", "Page up", id="texts.page-up", show=False, tooltip="A page up"),
        Binding("v", "held", "held out", id="texts.held", tooltip="Only the documents that are held out, or all"),
        Binding("plus,equals_sign", "turn(100)", "100 on", id="texts.far", show=False, tooltip="A hundred further"),
        Binding("minus", "turn(-100)", "100 back", id="texts.back-far", show=False, tooltip="A hundred before"),
        Binding("home,g", "turn(-1000000000)", "First", id="texts.first", show=False, tooltip="The first document"),
        Binding("end,G", "turn(1000000000)", "Last", id="texts.last", show=False, tooltip="The last document"),
        Binding("escape,o", "leave", "back", id="texts.back", tooltip="Back to the list"),
    ]

    app: TarmacApp

    def __init__(self, dataset: Dataset) -> None:
        super().__init__()
        self.dataset = dataset
        self.at = 0
        """Place among `_numbers`."""
        self.held = False
        self._numbers: Sequence[int] = ()
        self._document: Document | None = None

    def body(self) -> ComposeResult:
        with TextPane(classes="pane", id="text-pane"):
            yield TextView()
        yield Static(id="texts-told", markup=False)

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(TextPane).set_title(self.dataset.name)
        self._tell("◐ reading", "$warning")
        self._read()

    @property
    def view(self) -> TextView:
        """What scrolls."""
        return self.query_one(TextView)

    def on_text_view_sized(self, event: TextView.Sized) -> None:
        """Lines end somewhere else."""
        event.stop()
        if self._document is not None:
            self.run_worker(partial(self._lay, self._document), group="text", exclusive=True, exit_on_error=False)  # type: ignore[arg-type]

    def _read(self) -> None:
        self.run_worker(self._load, group="text", exclusive=True, exit_on_error=False)  # type: ignore[arg-type]

    async def _load(self) -> None:
        services = self.app.services.datasets
        try:
            if not self._numbers:
                self._numbers = await asyncio.to_thread(services.documents, self.dataset, held=self.held)
            if not self._numbers:
                self.view.put(Laid())
                self._document = None
                self._tell("None is held out.", "$muted")
                return
            self.at = max(0, min(len(self._numbers) - 1, self.at))
            found = await asyncio.to_thread(services.document, self.dataset, self._numbers[self.at], MOST)
        except TarmacError as error:
            self._tell(f"✕ {error}", "$error")
            return
        self._document = found
        await self._lay(found)

    async def _lay(self, found: Document) -> None:
        if not self.view.room:
            return  # it will be told when it has a size
        lines = await asyncio.to_thread(flowed, ((found.text, "plain"),), self.view.room)
        if found.shown < found.bytes:
            lines += [(), ((f"… {words.size(found.bytes - found.shown)} more are not shown here", "muted"),)]
        self.view.put(Laid(lines))
        held = " · held out" if found.held else ""
        which = "held out" if self.held else "all"
        pane = self.query_one(TextPane)
        pane.set_title(f"{self.dataset.name}, document {found.number + 1:,}", f"{words.size(found.bytes)}{held}")
        self._tell(f"{self.at + 1:,} of {len(self._numbers):,}  {which}", "$muted")

    def _tell(self, text: str, tone: str) -> None:
        self.query_one("#texts-told", Static).update(Content.styled(f" {text}", tone))

    # -- keys

    def action_turn(self, by: int) -> None:
        """Another document."""
        if self._numbers:
            at = max(0, min(len(self._numbers) - 1, self.at + by))
            if at != self.at:
                self.at = at
                self._read()

    def action_scroll(self, lines: int) -> None:
        """Further up or down."""
        self.view.go(lines)

    def action_page(self, by: int) -> None:
        """A page up or down."""
        self.view.page(by)

    def action_held(self) -> None:
        """Those that are held out, or all, from the document that is seen on."""
        self.held = not self.held
        seen = self._document.number if self._document is not None else 0
        self._numbers = ()
        self.run_worker(partial(self._other, seen), group="text", exclusive=True, exit_on_error=False)  # type: ignore[arg-type]

    async def _other(self, seen: int) -> None:
        try:
            numbers = await asyncio.to_thread(self.app.services.datasets.documents, self.dataset, held=self.held)
        except TarmacError as error:
            self._tell(f"✕ {error}", "$error")
            return
        self._numbers = numbers
        self.at = next((place for place, number in enumerate(numbers) if number >= seen), len(numbers) - 1)
        await self._load()

    def action_leave(self) -> None:
        """Back to the list."""
        self.dismiss(None)
