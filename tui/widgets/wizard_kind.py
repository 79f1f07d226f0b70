"""The wizard asks what the model shall make: images or text."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.widgets import Static

from tui.widgets.table import Column, Row, Table
from tui.widgets.wizard_page import Page


class KindPage(Page):
    """Images or text."""

    key, title = "kind", "What shall it make?"
    _WORDS: ClassVar = {
        "image": ("images", "a StyleGAN learns to draw pictures like those of a dataset"),
        "text": ("text", "a language model learns to write like a collection of texts"),
    }

    def compose(self) -> ComposeResult:
        yield Table([Column("kind", 8), Column("", 30, grow=True)])
        yield Static(classes="told", markup=False)

    def enter(self) -> None:
        rows = [
            Row(kind, ((self._WORDS[kind][0], ""), (self._WORDS[kind][1], "muted")))
            for kind in self.app.services.training.kinds
        ]
        self.query_one(Table).set_rows(rows, self.answers.kind)

    @on(Table.Moved)
    def _moved(self, event: Table.Moved) -> None:
        event.stop()
        if event.key:
            self.answers.kind = event.key
            self.post_message(self.Answered())

    def answer(self) -> str:
        return self._WORDS[self.answers.kind][0]
