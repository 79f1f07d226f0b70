"""Settings and diagnostics: what was found about terminal and machine, and every setting with where it is from."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tui import words
from tui.diagnostics import Section, as_text, examine, sections
from tui.keymap import keymap_path
from tui.screens.base import StudioScreen
from tui.widgets.titled import Titled

if TYPE_CHECKING:
    from tui.studio import TarmacApp

_TONES = {"": "$text", "bad": "$error", "muted": "$muted"}
_BESIDE = 110
"""Columns from which an explanation stands beside its setting."""


class ReportPane(Titled, VerticalScroll):
    """The report, scrolled by the screen's keys."""


class SettingsScreen(StudioScreen):
    """A report to read, and to copy into a bug report."""

    MODE = "settings"
    CSS_PATH = "settings.tcss"
    AUTO_FOCUS = ""
    HELP = "What Tarmac found about this terminal and this machine, what is amiss, and what to type to mend it."
    HELP_TITLE = "Settings"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "theme", "theme", id="settings.theme", tooltip="Choose the colours"),
        Binding("y", "copy", "copy report", id="settings.copy", tooltip="The report to your clipboard (OSC 52)"),
        Binding("r,f5", "reload", "look again", id="settings.reload", tooltip="Find everything out again"),
        Binding("down,j", "scroll('down')", "down", id="settings.down", show=False, tooltip="Further down"),
        Binding("up,k", "scroll('up')", "up", id="settings.up", show=False, tooltip="Further up"),
        Binding("pagedown,space", "scroll('page_down')", "page down", id="settings.page-down", show=False),
        Binding("pageup", "scroll('page_up')", "page up", id="settings.page-up", show=False),
    ]

    app: TarmacApp

    def __init__(self) -> None:
        super().__init__()
        self._sections: list[Section] = []

    def body(self) -> ComposeResult:
        with ReportPane(id="report", classes="pane", can_focus=False) as pane:
            pane.set_title("Settings and diagnostics")
            yield Static("◐ looking around", id="report-text", markup=False)

    def on_mount(self) -> None:
        super().on_mount()
        self.action_reload()

    def action_reload(self) -> None:
        """Find everything out again, in a thread."""
        self.run_worker(self._load(), group="report", exclusive=True, exit_on_error=False, description="looking around")

    async def _load(self) -> None:
        self._sections = sections(await asyncio.to_thread(examine, self.app.terminal))
        self._draw()

    def on_resize(self, event: events.Resize) -> None:
        """Long lines break where the screen ends."""
        self._draw()

    def _draw(self) -> None:
        if not self._sections:
            return
        width = max(40, self.size.width - 5)
        wide = max(len(line.label) for section in self._sections for line in section.lines)
        parts: list[tuple[str, str] | str] = []
        for section in self._sections:
            parts.append((f"{section.title[:1].upper()}{section.title[1:]}\n", "bold $accent"))
            beside = max((cell_len(line.text) for line in section.lines), default=0) + 2 if width >= _BESIDE else 0
            for line in section.lines:
                parts.append((f"  {line.label:<{wide}}  ", "$muted"))
                parts.append((words.hanging(line.text, width, wide + 4), _TONES[line.tone]))
                if line.about and beside:
                    parts.append((" " * (beside - cell_len(line.text)) + line.about, "$muted"))
                elif line.about:
                    parts.append((f"\n{' ' * (wide + 4)}{words.hanging(line.about, width, wide + 4)}", "$muted"))
                parts.append("\n")
            if section.title == "settings":
                told = (
                    f"Change them in that file, or for one start by TARMAC_NAME=value. Your own keys: {keymap_path()}"
                )
                parts.append((f"  {words.hanging(told, width, 2)}\n", "$muted"))
            parts.append("\n")
        self.query_one("#report-text", Static).update(Content.assemble(*parts))

    def action_theme(self) -> None:
        """Choose a theme; it is kept."""
        from tui.screens.chooser import Choice, Chooser

        def taken(name: str | None) -> None:
            if name is not None:
                self.app.set_theme(name)
                self.action_reload()

        choices = [Choice(name, name, about) for name, about in self.app.theme_names]
        self.app.push_screen(Chooser("Theme", choices, current=self.app.theme), taken)

    def action_copy(self) -> None:
        """Copy the report as plain text."""
        self.app.copy_to_clipboard(as_text(self._sections))
        self.notify("Copied the report", timeout=2)

    def action_scroll(self, where: str) -> None:
        """Scroll the report."""
        getattr(self.query_one("#report"), f"scroll_{where}")(animate=False)
