"""What a run's processes wrote: the end of its log.txt, followed by offset, harmless whatever is in it."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from rich.cells import cell_len, chop_cells, set_cell_size
from textual import events
from textual.binding import Binding, BindingType
from textual.widgets import Log

from core.runs.log import attempt_of
from tui.widgets.titled import Titled

_FIRST_BYTES = 128 * 1024
"""Of a log that is there already; the rest is left to an editor."""
_MOST_BYTES = 1024 * 1024
"""At once."""
_KEPT_LINES = 2000
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
    """The log of one run from its newest attempt on; stays at its end until one scrolls."""

    HELP = (
        "What the run's processes wrote, from the newest attempt on. Arrows and the page keys scroll, end follows it "
        "again; a shows the earlier attempts too, v breaks long lines where the pane ends."
    )
    HELP_TITLE = "Log"
    DEFAULT_CSS = """
    RunLog { height: 1fr; background: $background; color: $muted; padding: 0 0 0 1; overflow-x: hidden; }
    RunLog { scrollbar-gutter: stable; scrollbar-size-vertical: 1; }
    RunLog:focus { color: $text; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", "Up", id="log.up", show=False, tooltip="Further up"),
        Binding("down,j", "scroll_down", "Down", id="log.down", show=False, tooltip="Further down"),
        Binding(
            "v", "wrap", "whole lines", id="log.wrap", tooltip="Break long lines where the pane ends, or clip them"
        ),
        Binding("a", "all", "earlier attempts", id="log.all", tooltip="All that was written, or the newest attempt"),
    ]

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, max_lines=None, auto_scroll=True, classes="pane", **options)
        self.set_title("log")
        self._tail: Tail | None = None
        self._reading = False
        self._kept: deque[str] = deque(maxlen=_KEPT_LINES)
        self._newest = 0
        """How many of the kept lines are of the newest attempt."""
        self._earlier = False
        self._wrap = False
        self._written_width = 0

    def follow(self, path: Path) -> None:
        """Read what is new in the file, in a thread; another file starts anew."""
        if self._tail is None or self._tail.path != path:
            self._tail = Tail(path)
            self._kept.clear()
            self._newest = 0
            self.clear()
        if not self._reading:
            self._reading = True
            self.run_worker(self._read(self._tail), group="log", exit_on_error=False)

    async def _read(self, tail: Tail) -> None:
        try:
            while lines := await asyncio.to_thread(tail.read):
                if tail is not self._tail:
                    return
                self._take(lines)
            self._tell()
        finally:
            self._reading = False

    def _take(self, lines: list[str]) -> None:
        begins = [index for index, line in enumerate(lines) if attempt_of(line)]
        self._kept.extend(lines)
        self._newest = min(len(self._kept), len(lines) - begins[-1] if begins else self._newest + len(lines))
        if (begins and not self._earlier) or self.line_count > 2 * _KEPT_LINES:
            self._write_anew()
        else:
            self._write(lines)

    def _write(self, lines: Iterable[str]) -> None:
        width = self._written_width = self._room
        shown = [part for line in lines for part in _fitted(line, width, self._wrap)]
        self.write_lines(shown, scroll_end=None if self.is_vertical_scroll_end else False)

    @property
    def _room(self) -> int:
        """Columns of cells beside the scroll bar, which has its place whether it is there or not."""
        return max(8, self.scrollable_content_region.width)

    def _write_anew(self) -> None:
        count = len(self._kept) if self._earlier else self._newest
        self.clear()
        self._write(list(self._kept)[len(self._kept) - count :])
        self.call_after_refresh(self.scroll_end, animate=False)

    def _tell(self) -> None:
        earlier = len(self._kept) - self._newest
        if not self.line_count:
            told = "nothing was written yet"
        elif self._earlier or not earlier:
            told = ""
        elif self._newest == 1:
            told = "nothing of this attempt yet"
        else:
            told = "the newest attempt"
        self.set_title("log", told)
        self.refresh_bindings()

    def on_resize(self, event: events.Resize) -> None:
        """Lines that are broken end somewhere else."""
        super().on_resize(event)
        if self._kept and self._room != self._written_width:
            self._write_anew()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Earlier attempts are offered where there are any."""
        return len(self._kept) > self._newest if action == "all" else True

    def action_wrap(self) -> None:
        """Break long lines where the pane ends, or clip them."""
        self._wrap = not self._wrap
        self._write_anew()

    def action_all(self) -> None:
        """All that was written, or what the newest attempt wrote."""
        self._earlier = not self._earlier
        self._write_anew()
        self._tell()


def _fitted(line: str, width: int, wrap: bool) -> list[str]:
    """The rows that show a line: one, clipped, or as many as it takes; an attempt begins with a rule."""
    if attempt := attempt_of(line):
        return [f"── attempt {attempt[0]}, {attempt[1]} ".ljust(width, "─")]
    if cell_len(line) <= width:
        return [line]
    if not wrap:
        return [set_cell_size(line, width - 1) + "…"]
    return chop_cells(line, width)
