"""One list to choose from by typing: the palette of all actions, the themes, the workspaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.fuzzy import FuzzySearch
from textual.screen import ModalScreen
from textual.widgets import Input, Static

_SHOWN = 14


@dataclass(frozen=True)
class Choice:
    """One line: its value, its title, a word about it and the key that does the same."""

    value: str
    title: str
    about: str = ""
    key: str = ""


class Chooser(ModalScreen[str | None]):
    """Answers the chosen value, or None. With `free` the typed text itself may be chosen."""

    CSS_PATH = "chooser.tcss"
    AUTO_FOCUS = "Input"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Close", id="chooser.close", tooltip="Change nothing"),
        Binding("up,ctrl+p", "move(-1)", "Up", id="chooser.up", show=False, priority=True),
        Binding("down,ctrl+n", "move(1)", "Down", id="chooser.down", show=False, priority=True),
        Binding("pageup", "move(-10)", "Page up", id="chooser.page-up", show=False, priority=True),
        Binding("pagedown", "move(10)", "Page down", id="chooser.page-down", show=False, priority=True),
    ]

    def __init__(self, title: str, choices: Sequence[Choice], *, free: str = "", current: str | None = None) -> None:
        super().__init__()
        self._title, self._all, self._free = title, list(choices), free
        self._search = FuzzySearch()
        self._found = list(self._all)
        self._at = next((i for i, choice in enumerate(self._found) if choice.value == current), 0)

    def compose(self) -> ComposeResult:
        with Vertical(id="chooser") as pane:
            pane.border_title = f" {self._title} "
            pane.border_subtitle = " ↑↓ choose  ⏎ take  esc close "
            yield Input(placeholder="type to search", id="chooser-input")
            yield Static(id="chooser-list", markup=False)

    def on_mount(self) -> None:
        """Show all."""
        self._draw()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        query = event.value.strip()
        scored = [(self._score(query, choice), choice) for choice in self._all]
        self._found = [choice for score, choice in sorted(scored, key=lambda pair: -pair[0]) if score > 0]
        if self._free and query and all(choice.title != query for choice in self._all):
            self._found.append(Choice(query, query, self._free))
        self._at = 0
        self._draw()

    def _score(self, query: str, choice: Choice) -> float:
        if not query:
            return 1.0
        return max(self._search.match(query, choice.title)[0] * 2, self._search.match(query, choice.about)[0])

    @on(Input.Submitted)
    def _taken(self, event: Input.Submitted) -> None:
        event.stop()
        if self._found:
            self.dismiss(self._found[self._at].value)

    def action_cancel(self) -> None:
        """Choose nothing."""
        self.dismiss(None)

    def action_move(self, by: int) -> None:
        """Move the cursor, stopping at the ends."""
        if self._found:
            self._at = max(0, min(len(self._found) - 1, self._at + by))
            self._draw()

    def _draw(self) -> None:
        pane = self.query_one("#chooser-list", Static)
        rows = max(3, min(_SHOWN, self.app.size.height - 8))
        width = max(20, min(76, self.app.size.width - 4) - 2)
        first = max(0, min(self._at - rows // 2, len(self._found) - rows))
        parts: list[tuple[str, str] | str] = []
        for index, choice in enumerate(self._found[first : first + rows], first):
            here = index == self._at
            under = " on $raised" if here else ""
            room = width - 2 - cell_len(choice.title) - cell_len(choice.key) - 3
            about = choice.about if cell_len(choice.about) <= room else choice.about[: max(0, room - 1)] + "…"
            gap = max(1, width - 4 - cell_len(choice.title) - cell_len(about) - cell_len(choice.key))
            parts.append(("▸ " if here else "  ", f"$accent{under}"))
            parts.append((choice.title, f"{'bold ' if here else ''}$text{under}"))
            parts.append((f"  {about if room > 3 else ''}{' ' * gap}", f"$muted{under}"))
            parts.append((choice.key, f"$accent{under}"))
            parts.append("\n")
        if not self._found:
            parts.append(("nothing of that name", "$muted"))
        elif len(self._found) > rows:
            parts.append((f"{self._at + 1} of {len(self._found)}", "$muted"))
        pane.update(Content.assemble(*parts))
