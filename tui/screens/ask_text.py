"""One question for a line of text, with an answer filled in and checked as it is typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from core.errors import TarmacError


class AskText(ModalScreen[str | None]):
    """Answers the text, or None.

    Args:
        title: What is asked.
        about: What it means.
        default: The answer that is filled in.
        check: Raises a `TarmacError` that says what is allowed.
    """

    CSS_PATH = "confirm.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Close", id="ask-text.close", tooltip="Change nothing"),
    ]

    def __init__(self, title: str, about: str, default: str, check: Callable[[str], None]) -> None:
        super().__init__()
        self._title, self._about, self._default, self._check = title, about, default, check

    def compose(self) -> ComposeResult:
        with Vertical(id="ask-text") as pane:
            pane.border_title = f" {self._title} "
            pane.border_subtitle = " ⏎ take  esc close "
            yield Static(self._about, markup=False, id="ask-text-about")
            yield Input(self._default)
            yield Static(id="ask-text-told", markup=False)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._good(event.value)

    def _good(self, text: str) -> bool:
        told = self.query_one("#ask-text-told", Static)
        try:
            self._check(text)
        except TarmacError as error:
            told.update(Content.styled(f"✕ {error}", "$error"))
            return False
        told.update("")
        return True

    @on(Input.Submitted)
    def _taken(self, event: Input.Submitted) -> None:
        event.stop()
        if self._good(event.value):
            self.dismiss(event.value)

    def action_cancel(self) -> None:
        """Change nothing."""
        self.dismiss(None)
