"""The editor for a prompt: enter completes, a line break has keys of its own and comes with a paste."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea

from tui.widgets.titled import Titled


class PromptEditor(Titled, TextArea):
    """Many lines of text. Posts `Completed` on enter and `Escaped` on escape."""

    HELP = (
        "Write what the model goes on from. Enter completes; alt+enter, ctrl+n or shift+enter (where the terminal "
        "tells it apart) break the line. Escape leaves the text, so that the letter keys act: o for the options, say."
    )
    HELP_TITLE = "Prompt"
    DEFAULT_CSS = """
    PromptEditor, PromptEditor:focus {
        border: none;
        border-top: solid $faint;
        padding: 0 1;
        background: $background;
        background-tint: transparent;
        color: $text;
        & .text-area--cursor-line { background: transparent; }
        & .text-area--placeholder { color: $muted; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "complete", "complete", id="prompt.complete", tooltip="Let the model go on", priority=True),
        Binding(
            "ctrl+n,alt+enter,shift+enter,ctrl+j",
            "break_line",
            "new line",
            id="prompt.new-line",
            tooltip="Break the line",
        ),
        Binding("escape", "escape", "stop / keys", id="prompt.escape", tooltip="Stop, or leave the text for its keys"),
        Binding("f2,ctrl+o", "options", "options", id="prompt.options", tooltip="Change length, temperature, seed"),
    ]

    @dataclass
    class Completed(Message):
        """The user wants the text completed."""

    @dataclass
    class Escaped(Message):
        """The user wants out of the text, or the model to stop."""

    @dataclass
    class OptionsWanted(Message):
        """The user wants to change the options."""

    def __init__(self, text: str) -> None:
        super().__init__(
            text, classes="pane", soft_wrap=True, tab_behavior="focus", placeholder="Write here, then press ⏎"
        )
        self.set_title("prompt")
        self.cursor_blink = False

    def fit(self, most: int) -> None:
        """Take the room that the text needs, from three lines to `most`."""
        width = max(10, self.size.width - 3)
        lines = sum(1 + max(0, cell_len(line) - 1) // width for line in self.text.split("\n")[:200])
        self.styles.height = max(4, min(max(4, most), lines + 2))

    def action_complete(self) -> None:
        """Ask for a completion."""
        self.post_message(self.Completed())

    def action_break_line(self) -> None:
        """A new line, indented as the one before: prompts are often code."""
        row, _ = self.cursor_location
        line = self.document.get_line(row)
        indent = line[: len(line) - len(line.lstrip())]
        self.insert("\n" + indent)

    def action_escape(self) -> None:
        """Stop, or leave."""
        self.post_message(self.Escaped())

    def action_options(self) -> None:
        """Open the options."""
        self.post_message(self.OptionsWanted())

    async def _on_key(self, event: events.Key) -> None:
        # The text area would put a tab or leave on escape by itself; both have another meaning here.
        if event.key in ("escape", "enter"):
            event.prevent_default()
            return
        await super()._on_key(event)
