"""The wizard asks what writing is learned from: the beginnings of some documents of the dataset under the cursor."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len, set_cell_size
from textual import events
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from tui import words
from tui.widgets.table import Column
from tui.widgets.wizard.dataset import DatasetPage
from tui.wizard.texts import size, told

if TYPE_CHECKING:
    from tui.training.services import DatasetFacts, TextPiece

_PIECES = 6
"""Documents that are shown of a dataset, where there is room."""

_LENGTH = 2000
"""Characters that are read of each."""

_LEAST = 5
"""Lines that a document gets at least, the one with its number included."""


class Pieces(Static):
    """The beginnings of documents, one below the other, as many as fit."""

    DEFAULT_CSS = """
    Pieces { height: 1fr; padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._pieces: list[TextPiece] = []

    def show(self, pieces: list[TextPiece]) -> None:
        """Show these."""
        self._pieces = pieces
        self._draw()

    def on_resize(self, event: events.Resize) -> None:
        """As many as fit now."""
        self._draw()

    def _draw(self) -> None:
        width, height = self.content_size
        fit = max(1, min(len(self._pieces), height // _LEAST))
        each = height // fit if fit else 0
        parts: list[tuple[str, str]] = []
        for piece in self._pieces[:fit] if height > 1 and width > 8 else ():
            parts.append((f"document {piece.number + 1:,} · {words.size(piece.bytes)}\n", "$muted"))
            lines = [line.expandtabs(4).rstrip() for line in piece.text.splitlines()]
            lines = [_cut(line, width) for line in lines if line][: each - 2]
            parts += [(f"{line}\n", "$text") for line in lines]
            parts.append(("\n" * (each - 1 - len(lines)), "$text"))
        self.update(Content.assemble(*parts))


def _cut(line: str, width: int) -> str:
    return line if cell_len(line) <= width else set_cell_size(line, width - 1) + "…"


class TextDatasetPage(DatasetPage):
    """What writing is learned from."""

    kind, noun = "text", "text"
    columns: ClassVar = (
        Column("dataset", 14, grow=True),
        Column("texts", 7, right=True),
        Column("size", 6, right=True),
        Column("", 14, grow=True),
    )
    adding = "+ add files …"
    undrawn = "Read from this machine when training begins."

    def compose(self) -> ComposeResult:
        yield from super().compose()
        yield Pieces()

    def cells(self, dataset: DatasetFacts) -> tuple[tuple[str, str], ...]:
        count = f"{dataset.count:,}" if dataset.count else "–"
        return (count, "muted"), (words.size(size(dataset)) if size(dataset) else "–", "muted")

    def told_of(self, dataset: DatasetFacts) -> str:
        return told(dataset)

    def clear(self) -> None:
        self.query_one(Pieces).show([])

    async def show(self, dataset: DatasetFacts) -> None:
        pieces = await asyncio.to_thread(self.app.services.training.texts, dataset, _PIECES, _LENGTH)
        self.query_one(Pieces).show(pieces)
