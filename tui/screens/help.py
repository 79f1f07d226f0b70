"""What this screen is for and every key that works on it now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from tui import keymap
from tui.keymap import key_name


@dataclass(frozen=True)
class HelpLine:
    """One action: its keys, what it does, the id by which `keymap.toml` can give it other keys."""

    keys: str
    description: str
    tooltip: str
    id: str


def helped(screen: Screen[object]) -> list[tuple[str, list[HelpLine]]]:
    """What can be done on `screen` now, by owner (the focused widget first), keys of one action on one line."""
    groups: dict[str, dict[str, HelpLine]] = {}
    for key, node, binding, tooltip in keymap.live_bindings(screen):
        if not binding.description or binding.system or not binding.id:
            continue
        owner = "Everywhere" if node is screen.app else getattr(node, "HELP_TITLE", "") or "Here"
        lines = groups.setdefault(owner, {})
        keys = key_name(key)
        if binding.id in lines:
            keys = f"{lines[binding.id].keys}  {keys}"
        lines[binding.id] = HelpLine(keys, binding.description, tooltip, binding.id)
    return [(owner, list(lines.values())) for owner, lines in groups.items()]


def purpose(screen: Screen[object]) -> str:
    """What the screen is for, then what the focused widget is for, as their classes say."""
    texts = [getattr(type(screen), "HELP", None), getattr(type(screen.focused), "HELP", None)]
    return "\n\n".join(text.strip() for text in dict.fromkeys(texts) if text)


class HelpScreen(ModalScreen[None]):
    """Over the screen that it explains; any of its keys closes it."""

    CSS_PATH = "help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", "Close", id="help.close", tooltip="Back to the screen"),
        Binding("down,j", "scroll('down')", "Down", id="help.down", show=False),
        Binding("up,k", "scroll('up')", "Up", id="help.up", show=False),
        Binding("pagedown,space", "scroll('page_down')", "Page down", id="help.page-down", show=False),
        Binding("pageup", "scroll('page_up')", "Page up", id="help.page-up", show=False),
    ]

    def __init__(self, title: str, text: str, groups: Sequence[tuple[str, Sequence[HelpLine]]]) -> None:
        super().__init__()
        self._title, self._text, self._groups = title, text, groups

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help", can_focus=False) as pane:
            pane.border_title = f" Help · {self._title} "
            pane.border_subtitle = " ↑↓ read on  esc closes "
            yield Static(self._content(), markup=False)

    def _content(self) -> Content:
        keys_width = max((len(line.keys) for _, lines in self._groups for line in lines), default=0)
        name_width = max((len(line.description) for _, lines in self._groups for line in lines), default=0)
        parts: list[tuple[str, str] | str] = [(self._text + "\n", "$text")]
        for owner, lines in self._groups:
            parts.append((f"\n{owner}\n", "bold $muted"))
            for line in lines:
                described = line.description[:1].upper() + line.description[1:]
                parts.append((f"  {line.keys:<{keys_width}}  ", "bold $accent"))
                parts.append((f"{described:<{name_width}}", "$text"))
                parts.append((f"  {line.tooltip}\n" if line.tooltip else "\n", "$muted"))
        parts.append(("\nOther keys: give an action's id keys of your own in keymap.toml, e.g. ", "$muted"))
        example = next((line.id for _, lines in self._groups for line in lines), "app.help")
        parts.append((f'"{example}" = "f1"\n', "$text"))
        return Content.assemble(*parts)

    def action_scroll(self, where: str) -> None:
        """Scroll the page."""
        getattr(self.query_one("#help"), f"scroll_{where}")(animate=False)
