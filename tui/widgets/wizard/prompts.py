"""The wizard asks what the model shall go on from, again and again while it learns: the user's own prompts."""

from __future__ import annotations

from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Static, TextArea

from tui.widgets.wizard.page import Page
from tui.wizard import texts as facts
from tui.wizard.answers import SEPARATOR, split_prompts

_ABOUT = (
    "Each is completed before the first step and all along, always with the same seeds: so it can be seen what it "
    f"learns. An empty line begins the next prompt; lines of {SEPARATOR} do, where prompts have empty lines."
)
_MOST = 32
"""Prompts; each is written at every sample, which takes time from training."""


class PromptsEditor(TextArea):
    """Many lines of text, in which enter belongs to the wizard."""

    HELP = (
        "Write what the model shall go on from while it trains. Enter goes on to the next question; alt+enter, ctrl+n "
        "or shift+enter (where the terminal tells it apart) break the line. An empty line begins the next prompt."
    )
    HELP_TITLE = "Prompts"
    DEFAULT_CSS = """
    PromptsEditor, PromptsEditor:focus {
        height: 1fr;
        border: none;
        padding: 0 1;
        background: $background;
        background-tint: transparent;
        color: $text;
        & .text-area--cursor-line { background: transparent; }
        & .text-area--placeholder { color: $muted; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "ctrl+n,alt+enter,shift+enter,ctrl+j",
            "break_line",
            "new line",
            id="wizard.new-line",
            tooltip="Break the line; twice begins the next prompt",
        ),
    ]

    def __init__(self, text: str) -> None:
        super().__init__(
            text,
            soft_wrap=True,
            tab_behavior="focus",
            placeholder="Write here, or leave it empty: then held-out texts are gone on with",
        )
        self.cursor_blink = False

    def action_break_line(self) -> None:
        """A new line, indented as the one before: prompts are often code. After an empty one, a prompt begins."""
        line = self.document.get_line(self.cursor_location[0])
        self.insert("\n" + (line[: len(line) - len(line.lstrip())] if line.strip() else ""))

    async def _on_key(self, event: events.Key) -> None:
        if event.key in ("escape", "enter"):  # the text area would take them; they are the wizard's
            event.prevent_default()
            return
        await super()._on_key(event)


class PromptsPage(Page):
    """What is completed all along."""

    key, title, kind = "prompts", "What shall it go on from while it learns?", "text"

    def compose(self) -> ComposeResult:
        yield Static(_ABOUT, classes="about", markup=False)
        yield PromptsEditor(self.answers.text.prompts)
        yield Static(classes="told", markup=False)

    @property
    def first(self) -> Widget:
        return self.query_one(PromptsEditor)

    def enter(self) -> None:
        self._count()

    def _count(self) -> None:
        prompts = split_prompts(self.answers.text.prompts)
        if refusal := self.refusal():
            self.tell(f"✕ {refusal}", "$error")
        elif prompts:
            first = " ".join(prompts[-1].split())
            self.tell(f"{len(prompts)} {'prompt' if len(prompts) == 1 else 'prompts'}, the last: {first}")
        else:
            self.tell(f"No prompt yet: {self.answer()} are taken.")

    @on(TextArea.Changed)
    def _changed(self, event: TextArea.Changed) -> None:
        event.stop()
        self.answers.text.prompts = event.text_area.text
        self._count()
        self.post_message(self.Answered())

    def answer(self) -> str:
        return facts.prompts_line(self.answers.text.prompts)

    def refusal(self) -> str:
        count = len(split_prompts(self.answers.text.prompts))
        return f"these are {count} prompts, and {_MOST} are the most" if count > _MOST else ""
