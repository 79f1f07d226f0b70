"""A command's inputs to fill in: an editor for its first text, lines for what is typed, a form for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from core.errors import InvalidInput
from core.interface import Array, Command, DataType, Image, Segmentation, Text, Vector
from tui import stop_strings
from tui.interface_fields import option_field
from tui.training.options import Field, Value
from tui.widgets.form import Form
from tui.widgets.prompt import PromptEditor

_SEEDS = 2**31 - 1


@dataclass(frozen=True)
class Filled:
    """What was filled in, before it is read: files are read, and all is checked, in `values`."""

    command: Command
    typed: Mapping[str, str]
    chosen: Mapping[str, Value]

    def values(self) -> dict[str, object]:
        """The checked inputs. Reads files: call it in a thread.

        Raises:
            InvalidInput: A value that is not allowed, or a file that cannot be read.
        """
        from tui.commands.values import read_value

        found: dict[str, object] = {}
        for name, text in self.typed.items():
            kind = self.command.inputs[name]
            if isinstance(kind, Image | Segmentation):
                if not text.strip():
                    raise InvalidInput(f"{name} is missing", "", "Type the path of a picture")
                found[name] = read_value(name, kind, f"@{text.strip()}")
            elif _texts(kind) and text.strip():
                found[name] = kind.validate(name, stop_strings.parse(text))
            elif isinstance(kind, Text):
                found[name] = kind.validate(name, text)
            elif text.strip():
                found[name] = read_value(name, kind, text.strip())
        for name, value in self.chosen.items():
            kind = self.command.inputs[name]
            found[name] = kind.sample(int(value)) if isinstance(kind, Vector) else kind.validate(name, value)
        return self.command.check_inputs(found)


class QueryForm(Vertical):
    """Posts `Asked` when enter was pressed in any of its parts, `Left` on escape in its editor."""

    DEFAULT_CSS = """
    QueryForm { height: 1fr; }
    QueryForm > PromptEditor { height: 1fr; min-height: 4; }
    QueryForm > .query-line { height: 1; padding: 0 1; margin-bottom: 1; }
    QueryForm > .query-line > Static { width: 16; color: $muted; }
    QueryForm > .query-line > Input { width: 1fr; }
    QueryForm > Form { margin-top: 1; height: auto; max-height: 100%; }
    QueryForm.-editor > Form { max-height: 60%; }
    """

    @dataclass
    class Asked(Message):
        """The user wants the answer."""

    @dataclass
    class Left(Message):
        """The user wants to leave."""

    def __init__(self, command: Command, **options: Any) -> None:
        super().__init__(**options)
        self.command = command
        self._editor = next((name for name, kind in command.inputs.items() if isinstance(kind, Text)), None)
        self._fields = [field for name, kind in command.inputs.items() if (field := _field(name, kind)) is not None]
        held = {field.name for field in self._fields}
        self._lines = [name for name in command.inputs if name not in held and name != self._editor]
        self._values: dict[str, Value] = {}
        self.set_class(self._editor is not None, "-editor")

    def compose(self) -> ComposeResult:
        if self._editor is not None:
            default = self.command.inputs[self._editor].default_value()
            editor = PromptEditor(default if isinstance(default, str) else "")
            editor.set_title(self._editor)
            yield editor
        for name in self._lines:
            kind = self.command.inputs[name]
            with Horizontal(classes="query-line"):
                yield Static(Content(name.replace("_", " ")))
                yield Input(placeholder=_wanted(kind), name=name)
        if self._fields:
            yield Form(self._fields, self._values)

    @property
    def has_editor(self) -> bool:
        """Whether there is an editor for a text."""
        return self._editor is not None

    def focus_first(self) -> None:
        """Into the first part."""
        for kind in (PromptEditor, Input, Form):
            for widget in self.query(kind):
                widget.focus()
                return

    @property
    def problem(self) -> str:
        """What is wrong with what was typed into the form; empty when all is well."""
        return next((form.problem for form in self.query(Form)), "")

    def filled(self) -> Filled:
        """What is filled in now."""
        typed = {line.name or "": line.value for line in self.query(Input)}
        if self._editor is not None:
            typed[self._editor] = self.query_one(PromptEditor).text
        form = next(iter(self.query(Form)), None)
        chosen = {field.name: form.value(field) for field in self._fields} if form is not None else {}
        return Filled(self.command, typed, chosen)

    @on(PromptEditor.Completed)
    @on(Input.Submitted)
    def _asked(self, event: Message) -> None:
        event.stop()
        self.post_message(self.Asked())

    @on(PromptEditor.OptionsWanted)
    def _to_the_form(self, event: Message) -> None:
        event.stop()
        for form in self.query(Form):
            form.focus()

    @on(PromptEditor.Escaped)
    def _left(self, event: Message) -> None:
        event.stop()
        self.post_message(self.Left())


def _field(name: str, kind: DataType) -> Field | None:
    if isinstance(kind, Vector):
        about = kind.description or "Latent vector"
        return Field(name, f"{name} seed", 0, f"{about}, drawn at random: another seed is another place.", 0, _SEEDS)
    return option_field(name, name.replace("_", " "), kind)


def _texts(kind: DataType) -> bool:
    """Whether it is a list of texts: typed with commas between them."""
    return isinstance(kind, Array) and isinstance(kind.item, Text)


def _wanted(kind: DataType) -> str:
    if _texts(kind):
        return "END, \\n\\n (commas between them)"
    if isinstance(kind, Image | Segmentation):
        return "path of a picture"
    return f"{kind.allowed()}, as JSON" if not isinstance(kind, Text) else kind.allowed()
