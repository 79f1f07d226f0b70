"""The options of a command, changed by keys: choose with up and down, change with left and right, or type one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from core.errors import InvalidInput
from core.interface.types import Array, DataType, Number, Text
from tui import stop_strings
from tui.widgets.titled import Titled

CHOOSE = Binding.Group("choose", compact=True)
CHANGE = Binding.Group("change", compact=True)
_LABELS = {
    "max_tokens": "length",
    "max_characters": "or characters",
    "top_p": "top-p",
    "top_k": "top-k",
    "repetition_penalty": "penalty",
    "stop": "stop at",
}
_NONE_AT_ZERO = frozenset({"max_characters", "top_k"})
"""Where nothing is limited by 0."""

_ALWAYS = 4
"""Options that the line on top tells in any case."""

SILENT = frozenset({"logprobs"})
"""Options that a person has another way to."""


def label(name: str) -> str:
    """An input's name as people say it."""
    return _LABELS.get(name, name.replace("_", " "))


def shown(kind: DataType, value: float) -> str:
    """A number as its type writes it: whole, or with two decimals."""
    whole = isinstance(kind, Number) and kind.step is not None and float(kind.step).is_integer()
    return f"{value:.0f}" if whole else f"{value:.2f}"


def stride(kind: Number) -> float:
    """How far one key press goes: a twentieth of the range in round numbers, one step where the range is vast."""
    step = float(kind.step or 0.01)
    if kind.min is None or kind.max is None or (kind.max - kind.min) / step > 1e6:
        return step
    rough = (kind.max - kind.min) / 20
    decade = 10 ** math.floor(math.log10(rough))
    nice: float = max(factor * decade for factor in (1, 2, 5) if factor * decade <= rough * 1.001)
    return max(step, nice)


class OptionsPanel(Titled, Widget, can_focus=True):
    """The numbers among a command's inputs and its lists of texts; posts `Changed` with all numbers."""

    HELP = (
        "Options of the model. Up and down choose one, left and right change it; or type a number and press enter. "
        "Backspace brings the default back. Enter on the stop strings asks for them."
    )
    HELP_TITLE = "Options"
    DEFAULT_CSS = """
    OptionsPanel { height: auto; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "choose(-1)", "Up", id="options.up", group=CHOOSE, tooltip="The option above"),
        Binding("down,j", "choose(1)", "Down", id="options.down", group=CHOOSE, tooltip="The option below"),
        Binding("left,h,minus", "change(-1)", "Less", id="options.less", group=CHANGE, tooltip="Less of it"),
        Binding("right,l,plus", "change(1)", "More", id="options.more", group=CHANGE, tooltip="More of it"),
        Binding("enter", "take", "take", id="options.take", tooltip="Take the number that was typed"),
        Binding("backspace", "rub", "Rub out", id="options.rub", show=False, tooltip="Rub out a digit; then: default"),
        Binding("escape,o", "leave", "close", id="options.close", tooltip="Back to the completion"),
    ]

    chosen: reactive[int] = reactive(0)

    @dataclass
    class Changed(Message):
        """Some option has another value."""

        values: dict[str, float]

    @dataclass
    class Left(Message):
        """The user is done with the options."""

    def __init__(self, inputs: Mapping[str, DataType], values: Mapping[str, object]) -> None:
        super().__init__(classes="pane")
        self.set_title("options")
        self.kinds = {name: kind for name, kind in inputs.items() if isinstance(kind, Number) and name not in SILENT}
        self.list_kinds = {name: kind for name, kind in inputs.items() if _is_list_of_texts(kind)}
        self.lists: dict[str, list[str]] = {name: [] for name in self.list_kinds}
        self.values: dict[str, float] = {name: kind.default_value() for name, kind in self.kinds.items()}
        for name, value in values.items():
            # What does not fit comes from an edited file, or a model whose limits changed: the default is good.
            with suppress(InvalidInput):
                if name in self.kinds:
                    self.values[name] = self.kinds[name].validate(name, value)
                elif name in self.list_kinds:
                    self.lists[name] = _texts(self.list_kinds[name].validate(name, value))
        self._typed = ""
        self._problem = ""

    @property
    def name_chosen(self) -> str:
        """Which option the keys change."""
        return self.names[self.chosen] if self.names else ""

    @property
    def names(self) -> list[str]:
        """All options from top to bottom."""
        return [*self.kinds, *self.list_kinds]

    def state(self) -> dict[str, object]:
        """All values by name."""
        return {**self.values, **{name: list(texts) for name, texts in self.lists.items()}}

    def set_value(self, name: str, value: float) -> None:
        """Give one option a value that is allowed."""
        self.values[name] = self.kinds[name].validate(name, value)
        self._typed = self._problem = ""
        self.refresh(layout=True)
        self.post_message(self.Changed(dict(self.values)))

    def set_list(self, name: str, texts: list[str]) -> None:
        """Give a list of texts a value that is allowed.

        Raises:
            InvalidInput: It is not.
        """
        self.lists[name] = _texts(self.list_kinds[name].validate(label(name), texts))
        self.refresh(layout=True)
        self.post_message(self.Changed(dict(self.values)))

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """One line an option, and its range or a problem below."""
        return len(self.names) + 4

    def render(self) -> Content:
        """The options, the chosen one marked, then what is allowed."""
        wide = max((len(label(name)) for name in self.names), default=0)
        room = max(10, self.size.width - wide - 5)
        # Numbers and texts end below each other.
        broad = min(room, max((len(self._value(name)) for name in self.names), default=0))
        parts: list[tuple[str, str] | str] = []
        for index, name in enumerate(self.names):
            here = index == self.chosen and self.has_focus
            value = self._value(name)
            if here and self._typed:
                value = f"{self._typed}▏"
            usual = (
                not self.lists[name] if name in self.lists else self.values[name] == self.kinds[name].default_value()
            )
            # A length in characters takes the place of the one in tokens.
            idle = usual or (name == "max_tokens" and bool(self.values.get("max_characters")))
            value = value if len(value) <= room else value[: room - 1] + "…"
            parts.append(("▸ " if here else "  ", "$accent"))
            parts.append((f"{label(name):<{wide}}  ", "$text" if here else "$muted"))
            parts.append((f"{value:>{max(10, broad)}}\n", "bold $accent" if here else "$muted" if idle else "$text"))
        chosen = self.kinds.get(self.name_chosen) or self.list_kinds.get(self.name_chosen)
        if self._problem:
            parts.append((f"✕ {self._problem}", "$error"))
        elif chosen is not None and self.has_focus:
            about = chosen.description or chosen.allowed()
            parts.append((f"\n{about}", "$muted"))
        return Content.assemble(*parts)

    def _value(self, name: str) -> str:
        if name in self.lists:
            return stop_strings.shown(self.lists[name]) or "–"
        value = self.values[name]
        return "–" if name in _NONE_AT_ZERO and not value else shown(self.kinds[name], value)

    def settings_line(self) -> str:
        """The options in a line, the first four always and the others where they are not as usual."""
        characters = self.values.get("max_characters")
        parts = []
        for place, (name, kind) in enumerate(self.kinds.items()):
            usual = self.values[name] == kind.default_value()
            if name == "max_tokens" and characters:
                parts.append(f"length {characters:.0f} characters")
            elif name != "max_characters" and (place < _ALWAYS or not usual):
                parts.append(f"{label(name)} {shown(kind, self.values[name])}")
        parts += [f"{label(name)} {stop_strings.shown(texts)}" for name, texts in self.lists.items() if texts]
        return " · ".join(parts)

    def action_choose(self, by: int) -> None:
        """The option above or below."""
        if self.names:
            self._typed = self._problem = ""
            self.chosen = (self.chosen + by) % len(self.names)
            self.refresh()

    def action_change(self, direction: int) -> None:
        """More or less by one stride, within what is allowed."""
        name = self.name_chosen
        kind = self.kinds.get(name)
        if kind is None:
            return
        far, value = stride(kind), self.values[name]
        steps = value / far
        target = (math.floor(steps + 1e-9) + 1 if direction > 0 else math.ceil(steps - 1e-9) - 1) * far
        low = kind.min if kind.min is not None else -math.inf
        high = kind.max if kind.max is not None else math.inf
        limited = min(high, max(low, round(target, 6)))
        self.set_value(name, int(limited) if float(limited).is_integer() else limited)

    def on_key(self, event: events.Key) -> None:
        """A number is typed."""
        if event.character and event.character in "0123456789." and self.name_chosen in self.kinds:
            event.stop()
            self._typed, self._problem = (self._typed + event.character)[:12], ""
            self.refresh()

    def action_take(self) -> None:
        """Take what was typed, or say why not; on a list of texts, ask for it."""
        if self.name_chosen in self.lists:
            self._ask_for_texts(self.name_chosen)
            return
        if not self._typed:
            self.action_leave()
            return
        name = self.name_chosen
        kind = self.kinds[name]
        try:
            self.set_value(name, kind.validate(name, float(self._typed) if "." in self._typed else int(self._typed)))
        except (InvalidInput, ValueError):
            self._problem, self._typed = f"{label(name)} is {kind.allowed()}", ""
            self.refresh()

    def action_rub(self) -> None:
        """Rub out a digit; with none typed, go back to the default."""
        if self._typed:
            self._typed = self._typed[:-1]
            self.refresh()
        elif self.name_chosen in self.lists:
            self.set_list(self.name_chosen, [])
        elif self.kinds:
            self.set_value(self.name_chosen, self.kinds[self.name_chosen].default_value())

    def _ask_for_texts(self, name: str) -> None:
        from tui.screens.ask_text import AskText

        def check(line: str) -> None:
            self.list_kinds[name].validate(label(name), stop_strings.parse(line))

        def take(line: str | None) -> None:
            if line is not None:
                self.set_list(name, stop_strings.parse(line))

        about = "The text ends before the first of these. Commas between them; \\n is a line break, \\, a comma."
        default = stop_strings.shown(self.lists[name])
        self.app.push_screen(AskText("Stop strings", about, default, check), take)

    def action_leave(self) -> None:
        """Done."""
        self._typed = self._problem = ""
        self.post_message(self.Left())


def _is_list_of_texts(kind: DataType) -> bool:
    return isinstance(kind, Array) and isinstance(kind.item, Text)


def _texts(value: object) -> list[str]:
    return [str(text) for text in value] if isinstance(value, list | tuple) else []
