"""What a run's processes wrote: the end of its log.txt, followed by offset, harmless whatever is in it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Log

from tui.widgets.titled import Titled

_FIRST_BYTES = 128 * 1024
"""Of a log that is there already; the rest is left to an editor."""
_MOST_BYTES = 1024 * 1024
"""At once."""
_KEPT_LINES = 5000
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Tail:
    """Reads what was added to a file since the last time; a file that became shorter is read from its start."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset: int | None = None
        self._half = b""

    def read(self) -> list[str]:
        """The new whole lines, without terminal escapes. Reads the disk; a file that is not there has none."""
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, 2)
                first = self._offset is None
                if self._offset is None or size < self._offset:
                    self._offset, self._half = max(0, size - _FIRST_BYTES), b""
                    first = self._offset > 0
                else:
                    first = False
                file.seek(self._offset)
                data = file.read(_MOST_BYTES)
                self._offset += len(data)
        except OSError:
            return []
        *lines, self._half = (self._half + data).split(b"\n")
        if first and lines:
            lines = lines[1:]  # begun somewhere in the middle
        return [_harmless(line) for line in lines]


def _harmless(line: bytes) -> str:
    # A progress bar writes over itself: what stands at the end is what it says.
    text = line.decode("utf-8", "replace").rstrip("\r").rpartition("\r")[2]
    return _ESCAPES.sub("", text.expandtabs(4))[:2000]


class RunLog(Titled, Log):
    """The log of one run; stays at its end until one scrolls."""

    HELP = "What the run's processes wrote. Arrows and the page keys scroll; end follows it again."
    HELP_TITLE = "Log"
    DEFAULT_CSS = """
    RunLog { height: 1fr; background: $background; color: $muted; padding: 0 1; overflow-x: hidden; }
    RunLog:focus { color: $text; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", "Up", id="log.up", show=False, tooltip="Further up"),
        Binding("down,j", "scroll_down", "Down", id="log.down", show=False, tooltip="Further down"),
    ]

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, max_lines=_KEPT_LINES, auto_scroll=True, classes="pane", **options)
        self.set_title("log")
        self._tail: Tail | None = None
        self._reading = False

    def follow(self, path: Path) -> None:
        """Read what is new in the file, in a thread; another file starts anew."""
        if self._tail is None or self._tail.path != path:
            self._tail = Tail(path)
            self.clear()
        if not self._reading:
            self._reading = True
            self.run_worker(self._read(self._tail), group="log", exit_on_error=False)

    async def _read(self, tail: Tail) -> None:
        try:
            while lines := await asyncio.to_thread(tail.read):
                if tail is not self._tail:
                    return
                self.write_lines(lines, scroll_end=None if self.is_vertical_scroll_end else False)
            self.set_title("log", "" if self.line_count else "nothing was written yet")
        finally:
            self._reading = False
