"""The wizard asks how it is trained: the options that matter most, and all of them on a key."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Static

from tui import wizard_answers as facts
from tui.training_options import MORE, TOP, Field, image_fields
from tui.widgets.form import Form
from tui.widgets.wizard_page import Page


class OptionsPage(Page):
    """How it is trained."""

    key, title = "options", "How shall it be trained?"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "more", "more options", id="wizard.more", tooltip="All options, or the few that matter most"),
    ]

    def compose(self) -> ComposeResult:
        yield Form(self._fields(), self.answers.values, self.answers.typed)
        yield Static(classes="told", markup=False)

    def _fields(self) -> list[Field]:
        names = (*TOP, *MORE) if self.answers.more else TOP
        return [image_fields()[name] for name in names]

    @property
    def first(self) -> Widget:
        return self.query_one(Form)

    def enter(self) -> None:
        self._about()

    def _about(self) -> None:
        more = "m  the few that matter most" if self.answers.more else f"m  {len(MORE)} more options"
        self.tell(more)

    def action_more(self) -> None:
        """All options, or the few that matter most."""
        self.answers.more = not self.answers.more
        self.query_one(Form).set_fields(self._fields())
        self._about()

    @on(Form.Changed)
    def _changed(self, event: Form.Changed) -> None:
        event.stop()
        self.post_message(self.Answered())

    def answer(self) -> str:
        return facts.options_line(self.answers.values)

    def refusal(self) -> str:
        form = self.query_one(Form)
        for name in self.answers.typed:
            if name not in [each.name for each in form.fields]:
                self.action_more()  # what is wrong is among those that are put away
                break
        return form.problem
