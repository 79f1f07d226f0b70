"""A pane is a title and a rule: the title at the left of the rule, what is told about it at the right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from textual import events
from textual.content import Content

if TYPE_CHECKING:
    from textual.widget import Widget

    _Base = Widget
else:
    _Base = object


class Titled(_Base):
    """For widgets of the class `pane`: draws both into the rule above."""

    _title = ""
    _told = ""

    def set_title(self, title: str, told: str = "") -> None:
        """Show `title` at the left and `told` at the right.

        When room is short the last of what is told (parts are divided by " · ") goes first; then it is clipped.
        """
        if (title, told) != (self._title, self._told):
            self._title, self._told = title, told
            self._draw_title()

    def on_resize(self, event: events.Resize) -> None:
        """The rule is as wide as the pane."""
        self._draw_title()

    def _draw_title(self) -> None:
        title = f" {self._title} " if self._title else ""
        room = self.outer_size.width - cell_len(title) - 2
        told = self._told
        while " · " in told and cell_len(told) + 4 > room:
            told = told.rpartition(" · ")[0]
        if cell_len(told) + 4 > room:
            told = set_cell_size(told, room - 5).rstrip() + "…" if room > 12 else ""
        if not told:
            self.border_title = Content(title)
            return
        rule = "─" * (room - cell_len(told) - 3)
        self.border_title = Content.assemble(title, (rule, "not bold $faint"), (f" {told} ", "not bold $muted"))
