"""The wizard's left side: its questions with their answers, where one is, and the way to any of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from tui.widgets.titled import Titled

_MOVE = Binding.Group("choose", compact=True)
_WIDE = 13


class WizardSteps(Titled, Widget, can_focus=True):
    """Posts `Chosen` with the number of a question."""

    HELP = "All questions with their answers. Enter goes to the one under the mark; tab goes back to the page."
    HELP_TITLE = "Steps"
    DEFAULT_CSS = """
    WizardSteps { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", id="steps.up", group=_MOVE, tooltip="The question before"),
        Binding("down,j", "move(1)", "Down", id="steps.down", group=_MOVE, tooltip="The next question"),
        Binding("enter,right,l", "choose", "go there", id="steps.choose", tooltip="Go to this question"),
    ]

    marked: reactive[int] = reactive(0)

    @dataclass
    class Chosen(Message):
        """The user wants this question."""

        number: int

    def __init__(self) -> None:
        super().__init__(classes="pane")
        self.set_title("New experiment")
        self._steps: tuple[tuple[str, str], ...] = ()
        self._here, self._reached = 0, 0

    def show(self, steps: list[tuple[str, str]], here: int, reached: int) -> None:
        """Show the questions.

        Args:
            steps: (question, answer) in their order.
            here: The one that is asked.
            reached: How far one has been; the later ones have no answer yet.
        """
        state = tuple(steps), here, reached
        if state != (self._steps, self._here, self._reached):
            if here != self._here:
                self.marked = here
            self._steps, self._here, self._reached = state
            self.refresh()

    def render(self) -> Content:
        """A line each."""
        parts: list[tuple[str, str]] = []
        room = max(4, self.size.width - _WIDE - 3)
        for index, (name, answer) in enumerate(self._steps):
            here, marked = index == self._here, index == self.marked and self.has_focus
            under = " on $raised" if marked else ""
            glyph = "▸" if here else "●" if index < self._reached else " "
            text = answer if index <= self._reached and answer else "–"
            if cell_len(text) > room:
                text = set_cell_size(text, room - 1) + "…"
            parts.append((f"{glyph} ", ("$accent" if here or marked else "$success") + under))
            parts.append((f"{name:<{_WIDE}}", f"{'bold $text' if here else '$muted'}{under}"))
            parts.append((f"{text:<{room}}\n", f"{'$text' if index <= self._reached else '$faint'}{under}"))
        return Content.assemble(*parts)

    def on_focus(self) -> None:
        """The mark begins where one is."""
        self.marked = self._here
        self.refresh()

    def on_blur(self) -> None:
        """The mark goes."""
        self.refresh()

    def action_move(self, by: int) -> None:
        """The question before or after."""
        self.marked = max(0, min(len(self._steps) - 1, self.marked + by))

    def action_choose(self) -> None:
        """Go there."""
        self.post_message(self.Chosen(self.marked))
