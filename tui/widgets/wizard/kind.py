"""The wizard asks what the model shall make: images or text."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.widgets import Static

from tui.widgets.table import Column, Row, Table
from tui.widgets.wizard.page import Page
from tui.wizard.kinds import KINDS


class KindPage(Page):
    """Images or text."""

    key, title = "kind", "What shall it make?"

    def compose(self) -> ComposeResult:
        yield Table([Column("kind", 8), Column("", 30, grow=True)])
        yield Static(classes="told", markup=False)

    def enter(self) -> None:
        found = [KINDS[name] for name in self.app.services.training.kinds]
        table = self.query_one(Table)
        table.set_rows([Row(kind.name, ((kind.word, ""), (kind.about, "muted"))) for kind in found], self.answers.kind)

    @on(Table.Moved)
    def _moved(self, event: Table.Moved) -> None:
        event.stop()
        if event.key:
            self.answers.kind = event.key
            self.tell(KINDS[event.key].told)
            self.post_message(self.Answered())

    def answer(self) -> str:
        return KINDS[self.answers.kind].word
