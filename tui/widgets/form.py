"""A form by keys: up and down choose a line, left and right change it; a number is typed and checked as it grows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from core.errors import InvalidInput
from tui import words
from tui.training.options import Field, Value

_CHOOSE = Binding.Group("choose", compact=True)
_CHANGE = Binding.Group("change", compact=True)
_ABOUT_LINES = 5
_TYPED = "0123456789.-,e"
_LONGEST = 16


class Form(Widget, can_focus=True):
    """Fields with values; posts `Changed`. What was typed and is no value stays where it is, and is told.

    Args:
        fields: The lines.
        values: What differs from the defaults; changed in place.
        typed: What was typed into a field and is no value; changed in place.
    """

    HELP = "Up and down choose a line, left and right change it; a number can be typed. Backspace: the default again."
    HELP_TITLE = "Form"
    DEFAULT_CSS = """
    Form { height: auto; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "choose(-1)", "Up", id="form.up", group=_CHOOSE, tooltip="The line above"),
        Binding("down,j", "choose(1)", "Down", id="form.down", group=_CHOOSE, tooltip="The line below"),
        Binding("left,h", "change(-1)", "Less", id="form.less", group=_CHANGE, tooltip="Less, or the one before"),
        Binding("right,l,space", "change(1)", "More", id="form.more", group=_CHANGE, tooltip="More, or the next one"),
        Binding("backspace,delete", "rub", "Default", id="form.rub", show=False, tooltip="Rub out; then the default"),
    ]

    chosen: reactive[int] = reactive(0)

    @dataclass
    class Changed(Message):
        """A field has another value."""

        form: Form
        name: str

        @property
        def control(self) -> Form:
            return self.form

    def __init__(
        self, fields: Sequence[Field], values: dict[str, Value], typed: dict[str, str] | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self._fields = list(fields)
        self.values = values
        self.typed: dict[str, str] = typed if typed is not None else {}
        self._buffer = ""
        """What was typed into the chosen line, as it was typed."""

    @property
    def fields(self) -> list[Field]:
        """The lines."""
        return self._fields

    def set_fields(self, fields: Sequence[Field]) -> None:
        """Show other lines; the chosen one stays where it is among them."""
        name = self.field.name if self._fields else ""
        self._fields = list(fields)
        self.chosen = next((index for index, each in enumerate(self._fields) if each.name == name), 0)
        self.refresh(layout=True)

    @property
    def field(self) -> Field:
        """The line that the keys change."""
        return self._fields[min(self.chosen, len(self._fields) - 1)]

    def value(self, field: Field) -> Value:
        """What a field holds."""
        return self.values.get(field.name, field.default)

    @property
    def problem(self) -> str:
        """What is wrong with the first field that holds no value; empty when all is well."""
        for each in self._fields:
            if each.name in self.typed:
                return self._why(each)
        return ""

    def _why(self, field: Field) -> str:
        try:
            field.read(self.typed[field.name])
        except InvalidInput as error:
            return str(error)
        return ""

    # -- showing

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """A line a field, and what is told about the chosen one."""
        return len(self._fields) + _ABOUT_LINES

    def render(self) -> Content:
        """The lines that fit around the chosen one, then what it does and what it may be."""
        width, height = self.size.width, max(1, self.size.height - _ABOUT_LINES)
        first = max(0, min(self.chosen - height // 2, len(self._fields) - height))
        wide = max(len(each.label) for each in self._fields)
        parts: list[tuple[str, str] | str] = []
        for index, each in enumerate(self._fields[first : first + height], first):
            here = index == self.chosen
            under = " on $raised" if here and self.has_focus else ""
            value = self.value(each)
            wrong = each.name in self.typed
            text = _clipped(self.typed[each.name] if wrong else each.shown(value), max(8, width - wide - 6))
            if here and self.has_focus and (wrong or self._buffer):
                text = f"{text if wrong else self._buffer}▏"
            tone = "$error" if wrong else "$text" if here or value != each.default else "$muted"
            parts.append(("▸ " if here else "  ", ("$accent" if self.has_focus else "$muted") + under))
            parts.append((f"{each.label:<{wide}}  ", f"{'$text' if here else '$muted'}{under}"))
            parts.append((f"{text:<14}", f"{'bold ' if here else ''}{tone}{under}"))
            word = next((about for choice, about in each.choices if choice == value), "")
            room = max(0, width - wide - 4 - max(14, len(text)))
            parts.append(((word if len(word) <= room else "").ljust(room if here else 0), f"$muted{under}"))
            parts.append("\n")
        if len(self._fields) > height:
            parts.append((f"  {self.chosen + 1} of {len(self._fields)}", "$faint"))
        parts.append("\n")
        chosen = self.field
        about = words.hanging(chosen.about, width - 2, 0).split("\n")[: _ABOUT_LINES - 3]
        if chosen.name in self.typed:
            told = words.hanging(f"✕ {self._why(chosen)}", width - 2, 0)
            parts.append((told, "$error"))
        else:
            parts.append(("\n".join(about), "$text"))
            meaning = next((word for choice, word in chosen.choices if choice == self.value(chosen)), "")
            parts.append((f"\n{meaning or chosen.allowed}", "$muted"))
        return Content.assemble(*parts)

    def on_focus(self) -> None:
        """The chosen line stands out."""
        self.refresh()

    def on_blur(self) -> None:
        """It does so no longer."""
        self._buffer = ""
        self.refresh()

    # -- keys

    def action_choose(self, by: int) -> None:
        """The line above or below."""
        self._buffer = ""
        self.chosen = max(0, min(len(self._fields) - 1, self.chosen + by))

    def action_change(self, direction: int) -> None:
        """The next value, or the one before."""
        each, value = self.field, self.value(self.field)
        self.typed.pop(each.name, None)
        self._buffer = ""
        if isinstance(each.default, bool):
            self._set(not value)
        elif each.choices:
            names = [name for name, _ in each.choices]
            self._set(names[(names.index(str(value)) + direction) % len(names)])
        else:
            assert isinstance(value, int | float)
            self._set(_beside(each, value, direction))

    def on_key(self, event: events.Key) -> None:
        """A number is typed into the line; it counts as soon as it is one."""
        each = self.field
        if isinstance(each.default, bool) or each.choices or not event.character or event.character not in _TYPED:
            return
        event.stop()
        event.prevent_default()
        self._take(((self.typed.get(each.name) or self._buffer) + event.character)[:_LONGEST])

    def action_rub(self) -> None:
        """Rub out what was typed last; of what was not typed, back to the default."""
        each = self.field
        text = self.typed.get(each.name) or self._buffer
        if len(text) > 1:
            self._take(text[:-1])
            return
        self.typed.pop(each.name, None)
        self._buffer = ""
        self._set(each.default)

    def _take(self, text: str) -> None:
        each, self._buffer = self.field, text
        try:
            value = each.read(text)
        except InvalidInput:
            self.typed[each.name] = text
            self.refresh()
            return
        self.typed.pop(each.name, None)
        self._set(value)

    def _set(self, value: Value) -> None:
        each = self.field
        if value == each.default:
            self.values.pop(each.name, None)
        else:
            self.values[each.name] = value
        self.refresh()
        self.post_message(self.Changed(self, each.name))


def _clipped(text: str, most: int) -> str:
    """A value that leaves the line whole; all of it is told below where it is long."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _beside(field: Field, value: float, direction: int) -> int | float:
    """The next round number: 1, 2, 5 of each decade, or twentieths of a narrow range."""
    whole = isinstance(field.default, int)
    if field.high - field.low <= 2 and not whole:
        step = 0.05 if field.default or field.low < 0 else 0.0005
        moved = round(value + direction * step, 6)
    elif abs(value) < 20 and whole:
        moved = value + direction
    else:
        size = 10.0 ** math.floor(math.log10(max(abs(value), 1e-3)))
        size = size / 10 if direction < 0 and abs(value) <= size * 1.0001 else size
        step = size / (1 if value / size >= 5 else 2) if whole else size / 2
        moved = (math.floor(value / step + 1e-9) + 1 if direction > 0 else math.ceil(value / step - 1e-9) - 1) * step
    limited = min(field.high, max(field.low, round(moved, 9)))
    return int(limited) if whole else float(limited)
