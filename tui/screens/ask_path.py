"""A question for a file: the path prompt in front of whatever is seen."""

from __future__ import annotations

from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from tui.widgets.path_prompt import PathPrompt


class AskPath(ModalScreen[Path | None]):
    """Answers the path, or None.

    Args:
        title: What the file is for.
        placeholder: What may be given.
    """

    DEFAULT_CSS = """
    AskPath { align: center middle; background: $background 70%; }
    AskPath > Vertical { width: 76; max-width: 100%; height: auto; background: $background; padding: 0 0 1 0; }
    """

    def __init__(self, title: str, placeholder: str) -> None:
        super().__init__()
        self._title, self._placeholder = title, placeholder

    def compose(self) -> ComposeResult:
        with Vertical():
            yield PathPrompt(self._title, self._placeholder)

    def on_mount(self) -> None:
        """Type at once."""
        prompt = self.query_one(PathPrompt)
        prompt.tell("⏎ open  ⇥ complete  esc close")
        self.set_focus(prompt.input)

    @on(PathPrompt.Given)
    def _given(self, event: PathPrompt.Given) -> None:
        self.dismiss(event.path)

    @on(PathPrompt.Left)
    def _left(self) -> None:
        self.dismiss(None)
