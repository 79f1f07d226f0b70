"""The wizard's last page: all of it, what it will take, and its name."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from tui import words
from tui.widgets.wizard.page import Page


class NameInput(Input):
    """The run's name; enter starts the run."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "start", id="wizard.start", tooltip="Make the run and start it"),
    ]


class SummaryPage(Page):
    """All of it, what it will take, and its name."""

    key, title = "summary", "Start it like this?"

    def compose(self) -> ComposeResult:
        with Horizontal(id="summary-name-row"):
            yield Static("name", id="summary-name-label", markup=False)
            yield NameInput(id="summary-name", max_length=80)
        yield Static(id="summary-table", classes="about", markup=False)
        yield Static(classes="told", markup=False)

    @property
    def first(self) -> Widget:
        return self.query_one(Input)

    def enter(self) -> None:
        from tui.training.services import next_name

        name = self.query_one(Input)
        name.placeholder = next_name(self.materials.taken)
        name.value = self.answers.name

    def show(self, lines: list[tuple[str, str]], took: list[tuple[str, str]], tone: str) -> None:
        """The answers as a table, and what it will take below."""
        around = self.parent
        assert isinstance(around, Widget)
        width, wide = max(30, around.size.width - 4), 11
        parts = []
        for label, text in lines:
            parts.append((f"{label:<{wide}}  ", "$muted"))
            parts.append((f"{words.hanging(text, width, wide + 2)}\n", "$text"))
        parts.append(("\n", "$text"))
        for label, text in took:
            parts.append((f"{label:<{wide}}  ", "$muted"))
            parts.append((f"{words.hanging(text, width, wide + 2)}\n", tone))
        self.query_one("#summary-table", Static).update(Content.assemble(*parts))

    @property
    def name_given(self) -> str:
        """The run's name."""
        name = self.query_one(Input)
        return name.value.strip() or name.placeholder

    @on(Input.Changed)
    def _named(self, event: Input.Changed) -> None:
        event.stop()
        self.answers.name = event.value
        self.post_message(self.Answered())

    def answer(self) -> str:
        return self.answers.name.strip()
