"""The wizard asks how it is trained: the options that matter most, and all of them on a key."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Static

from tui.training.options import OPTIONS, Field
from tui.widgets.form import Form
from tui.widgets.wizard.page import Page
from tui.wizard import answers as facts
from tui.wizard.answers import KindAnswers
from tui.wizard.texts import misfit


class OptionsPage(Page):
    """How it is trained; subclasses have a kind."""

    key, title = "options", "How shall it be trained?"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "more", "more options", id="wizard.more", tooltip="All options, or the few that matter most"),
    ]

    def compose(self) -> ComposeResult:
        yield Form(self._fields(False), self.mine.values, self.mine.typed)
        yield Static(classes="told", markup=False)

    @property
    def mine(self) -> KindAnswers:
        """What was answered about this kind."""
        return self.answers.of(self.kind)

    def _fields(self, more: bool) -> list[Field]:
        return OPTIONS[self.kind].shown(more=more, new=self.mine.base == "")

    @property
    def first(self) -> Widget:
        return self.query_one(Form)

    def enter(self) -> None:
        self.query_one(Form).set_fields(self._fields(self.mine.more))
        self._about()

    def _about(self) -> None:
        further = len(self._fields(True)) - len(self._fields(False))
        self.tell("m  the few that matter most" if self.mine.more else f"m  {further} more options")

    def action_more(self) -> None:
        """All options, or the few that matter most."""
        self.mine.more = not self.mine.more
        self.enter()

    @on(Form.Changed)
    def _changed(self, event: Form.Changed) -> None:
        event.stop()
        self._about()
        self.post_message(self.Answered())

    def answer(self) -> str:
        return facts.options_line(self.kind, self.mine.values)

    def refusal(self) -> str:
        form = self.query_one(Form)
        for name in self.mine.typed:
            if name not in [each.name for each in form.fields]:
                self.action_more()  # what is wrong is among those that are put away
                break
        return form.problem


class ImageOptionsPage(OptionsPage):
    """How images are trained."""

    kind = "image"


class TextOptionsPage(OptionsPage):
    """How text is trained."""

    kind = "text"

    def _about(self) -> None:
        super()._about()
        text = self.answers.text
        if problem := misfit(self.answers, self.materials):
            self.tell(f"✕ {problem}", "$error")
        elif text.method == "lora" and "method" not in text.values:
            self.tell("! LoRA is taken: there is too little memory to train all weights of the base", "$warning")

    def refusal(self) -> str:
        return super().refusal() or misfit(self.answers, self.materials)
