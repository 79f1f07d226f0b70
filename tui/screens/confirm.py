"""Asks before something is lost, and says what."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static


class Confirm(ModalScreen[bool]):
    """A question with what would be lost; `y` does it, anything that leads back does not."""

    CSS_PATH = "confirm.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes", id="confirm.yes", tooltip="Do it"),
        Binding("escape,n,q,enter", "answer(False)", "No", id="confirm.no", tooltip="Change nothing"),
    ]

    def __init__(self, question: str, lost: str, yes: str) -> None:
        super().__init__()
        self._question, self._lost, self._yes = question, lost, yes

    def compose(self) -> ComposeResult:
        with Vertical(id="confirm") as pane:
            pane.border_title = f" {self._question} "
            yield Static(
                Content.assemble(
                    (self._lost, "$text"),
                    "\n\n",
                    ("y", "bold $error"),
                    (f" {self._yes}    ", "$text"),
                    ("esc", "bold $accent"),
                    (" keep everything as it is", "$muted"),
                ),
                markup=False,
            )

    def action_answer(self, answer: bool) -> None:
        """Close with the answer."""
        self.dismiss(answer)
