"""Asks for a file or a folder: one line, completed with tab, what it could become shown below."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from tui.widgets.titled import Titled

_SHOWN = 6
_MOST = 2000


class PathPrompt(Titled, Vertical):
    """Posts `Given` with the path, or `Left`. Says progress and errors on its own line."""

    HELP = "Type the path of a file or folder. Tab completes it; enter takes it."
    HELP_TITLE = "Path"
    DEFAULT_CSS = """
    PathPrompt {
        height: auto;
        padding: 0 1;
        & > Static { height: auto; max-height: 7; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete", "complete", id="path.complete", tooltip="As far as it is clear", priority=True),
        Binding("escape", "leave", "close", id="path.close", tooltip="Import nothing, or stop the import"),
    ]

    @dataclass
    class Given(Message):
        """The user wants this path."""

        path: Path

    @dataclass
    class Left(Message):
        """The user wants none."""

    def __init__(self, title: str, placeholder: str) -> None:
        super().__init__(classes="pane")
        self.set_title(title)
        self._placeholder = placeholder
        self._given_path = ""

    def compose(self) -> ComposeResult:
        yield Input(placeholder=self._placeholder, select_on_focus=False)
        yield Static(id="path-found", markup=False)
        yield Static(id="path-told", markup=False)

    @property
    def input(self) -> Input:
        """Where the path is typed."""
        return self.query_one(Input)

    def tell(self, text: str, tone: str = "$muted") -> None:
        """Say something below the path."""
        self.query_one("#path-told", Static).update(Content.styled(text, tone))

    @on(Input.Submitted)
    def _given(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.strip():
            self._given_path = event.value
            self.query_one("#path-found", Static).update("")
            self.post_message(self.Given(Path(event.value.strip()).expanduser()))

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self._given_path = ""
        self.run_worker(self._suggest(event.value), group="suggest", exclusive=True, exit_on_error=False)

    async def _suggest(self, text: str) -> None:
        found = await asyncio.to_thread(candidates, text)
        names = [Path(path).name + ("/" if path.endswith("/") else "") for path in found]
        more = f"\n… {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        # What was given meanwhile needs no suggestions any more.
        shown = "\n".join(names[:_SHOWN]) + more if text and text == self.input.value and not self._given_path else ""
        self.query_one("#path-found", Static).update(Content.styled(shown, "$muted"))

    async def action_complete(self) -> None:
        """Lengthen the path as far as all candidates agree."""
        found = await asyncio.to_thread(candidates, self.input.value)
        if found:
            self.input.value = common_start(found)
            self.input.cursor_position = len(self.input.value)

    def action_leave(self) -> None:
        """Give no path."""
        self.post_message(self.Left())


def common_start(texts: list[str]) -> str:
    """The longest text that all begin with."""
    first, last = min(texts), max(texts)
    same = (index for index, (a, b) in enumerate(zip(first, last)) if a != b)
    return first[: next(same, min(len(first), len(last)))]


def candidates(text: str) -> list[str]:
    """What `text` could become: paths in its folder that begin like it, folders with a slash. Reads the disk."""
    if not text:
        return []
    folder, begun = os.path.split(text)
    try:
        with os.scandir(Path(folder).expanduser() if folder else ".") as entries:
            found = []
            for entry in entries:
                shown = entry.name.isprintable() and (not entry.name.startswith(".") or begun.startswith("."))
                if shown and entry.name.startswith(begun):
                    found.append(os.path.join(folder, entry.name) + ("/" if entry.is_dir() else ""))
                if len(found) >= _MOST:
                    break
    except OSError:
        return []
    return sorted(found)
