"""Drives the real `tarmac` in a pseudo-terminal and reads the screen that a person would see.

The terminal is played by pyte (text, colours, cursor) with the answers that a real one gives to queries: device
attributes, cursor position, cell size, modes. What it says it can do decides which picture protocol the studio picks.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import queue
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil
import pyte

ROOT = Path(__file__).resolve().parent.parent

# The pseudo-terminal becomes the controlling one, so that closing it hangs up as a lost SSH connection does.
_START = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
"""
_TARMAC = """
from tui.cli import main
sys.exit(main())
"""

KEYS = {
    "enter": "\r",
    "escape": "\x1b",
    "tab": "\t",
    "backspace": "\x7f",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "space": " ",
}


class Studio:
    """One running `tarmac` and its terminal.

    Args:
        home: TARMAC_HOME of the studio.
        columns, rows: Size of the terminal in cells.
        arguments: Command line after `tarmac`.
        environment: Additions to a bare environment (`TERM=xterm-256color`, no COLORTERM: what SSH leaves).
        code: Python to run instead of `tarmac`.
        sixel: Say that the terminal shows sixel pictures (they are taken and not shown).
    """

    def __init__(
        self,
        home: Path,
        columns: int = 100,
        rows: int = 32,
        arguments: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
        code: str = _TARMAC,
        sixel: bool = False,
    ) -> None:
        self.home = home
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self._lock = threading.Lock()
        self._painted = threading.Condition(self._lock)
        self._taking = threading.Lock()
        self.output = bytearray()
        """Every byte that the studio wrote."""
        self._closing = False
        self._arrivals: list[tuple[int, float]] = []
        self.last_output = 0.0
        """When the newest byte came."""
        self.last_picture = 0.0
        """When the newest part of a sixel picture came."""
        self._attributes = b"\x1b[?62;4;22c" if sixel else b"\x1b[?62;22c"
        self.started = time.monotonic()
        self._terminal, inner = pty.openpty()
        self.resize(columns, rows)
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "OMP_NUM_THREADS") if name in os.environ}
        kept |= {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "TARMAC_HOME": str(home)} | dict(environment or {})
        self.process = subprocess.Popen(
            [sys.executable, "-c", _START + code, *arguments],
            cwd=ROOT,
            env=kept,
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
        )
        os.close(inner)
        self._come: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._understood = 0
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._read, self._understand)]
        for thread in self._threads:
            thread.start()

    # The terminal's side.

    def _read(self) -> None:
        """Take what comes as fast as it comes, as a terminal does; it is read more slowly, by another thread."""
        while True:
            try:
                ready, _, _ = select.select([self._terminal], [], [], 0.2)
                data = os.read(self._terminal, 1 << 16) if ready else None
            except (OSError, ValueError):
                data = b""
            if data is None:
                continue
            with self._taking:
                self.output += data
                self.last_output = time.monotonic()
                self._arrivals.append((len(self.output), self.last_output))
                if b"\x1bP" in data:
                    self.last_picture = time.monotonic()
            self._come.put(data)
            if data == b"":
                return

    def _understand(self) -> None:
        half = b""
        while data := self._come.get():
            if self._closing:
                continue
            with self._painted:
                # pyte reads neither pictures (APC, DCS) nor private modes it does not know; half a picture waits.
                text = re.sub(rb"\x1b[_P][^\x1b]*\x1b\\", b"", half + data)
                cut = re.search(rb"\x1b(?:[_P][^\x1b]*\x1b?)?$", text)
                half, text = (text[cut.start() :], text[: cut.start()]) if cut else (b"", text)
                with contextlib.suppress(Exception):
                    self._stream.feed(re.sub(rb"\x1b\[[<>=?][0-9;]*[a-zA-Z]|\x1b\[[0-9;?]*\$p", b"", text))
                self._understood += len(data)
                self._painted.notify_all()
            self._answer(data)
        with self._painted:
            self._painted.notify_all()

    def _answer(self, data: bytes) -> None:
        """What an xterm says to the queries in `data`."""
        answers = []
        for query in re.finditer(rb"(?:\x1b\[(\d+;\d+)H)?\x1b\[(>?0?c|6n|16t|14t|\?2026\$p|\?2048\$p)", data):
            place, asked = query.groups()
            if asked in (b"c", b"0c"):
                answers.append(self._attributes)
            elif asked == b"6n" and place:
                # The cursor may have moved on in what came with the question.
                answers.append(b"\x1b[" + place + b"R")
            elif asked == b"6n":
                answers.append(f"\x1b[{self.screen.cursor.y + 1};{self.screen.cursor.x + 1}R".encode())
            elif asked == b"16t":
                answers.append(b"\x1b[6;17;8t")
            elif asked == b"?2026$p":
                answers.append(b"\x1b[?2026;2$y")
        if answers:
            with contextlib.suppress(OSError):
                os.write(self._terminal, b"".join(answers))

    def arrived(self, text: str) -> float:
        """Seconds from the start of the studio until a text had come out of it: before this terminal read it, which
        takes longer in Python than in any real one."""
        with self._taking:
            end = self.output.index(text.encode()) + len(text.encode())
            return next(when for size, when in self._arrivals if size >= end) - self.started

    # A person's side.

    def press(self, *keys: str) -> None:
        """Type keys: a name of `KEYS` or the text itself."""
        for key in keys:
            os.write(self._terminal, KEYS.get(key, key).encode())

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size, as dragging its window does."""
        with self._lock:
            fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, columns * 8, rows * 17))
            if (self.screen.columns, self.screen.lines) != (columns, rows):
                self.screen.resize(rows, columns)

    def text(self) -> str:
        """The screen as text, one line a row."""
        with self._lock:
            return "\n".join(self.screen.display)

    def cell(self, row: int, column: int) -> pyte.screens.Char:
        """One cell of the screen: its character and colours."""
        with self._lock:
            return self.screen.buffer[row][column]

    def colours(self) -> set[tuple[str, str]]:
        """Foreground and background of every cell that holds a half-block."""
        with self._lock:
            return {
                (cell.fg, cell.bg) for row in self.screen.buffer.values() for cell in row.values() if cell.data in "▀▄"
            }

    def wait(self, until: Callable[[], bool], what: str, seconds: float = 30.0) -> float:
        """Wait until a condition on the screen holds; returns the seconds since the start of the studio.

        Raises:
            AssertionError: It did not hold in time; shows the screen.
        """
        deadline = time.monotonic() + seconds
        while not until():
            left = deadline - time.monotonic()
            assert left > 0, f"{what} did not come in {seconds:g} s; the screen:\n{self.text()}"
            with self._painted:
                self._painted.wait(min(left, 0.02))
        return time.monotonic() - self.started

    def wait_for(self, pattern: str, seconds: float = 30.0) -> float:
        """Wait until the screen shows a regular expression."""
        return self.wait(lambda: re.search(pattern, self.text()) is not None, f"/{pattern}/", seconds)

    def wait_for_rest(self, seconds: float = 0.6) -> None:
        """Wait until nothing was written for a while, and all of it is on the screen."""

        def rests() -> bool:
            return time.monotonic() - self.last_output > seconds and self._understood == len(self.output)

        self.wait(rests, "rest")

    def wait_for_the_last(self) -> None:
        """Wait until all that an ended studio wrote has been taken."""
        for thread in self._threads:
            thread.join(10)

    def family(self) -> list[psutil.Process]:
        """The studio and every process below it."""
        try:
            parent = psutil.Process(self.process.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def workers(self) -> list[psutil.Process]:
        """The model workers of the studio."""
        found = []
        for process in self.family()[1:]:
            with contextlib.suppress(psutil.Error):
                if "core.workers.child" in process.cmdline():
                    found.append(process)
        return found

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send the studio a signal."""
        self.process.send_signal(number)

    def hang_up(self) -> None:
        """Close the terminal, as a lost SSH connection does."""
        terminal, self._terminal = self._terminal, -1
        os.close(terminal)

    def close(self) -> None:
        """End the studio and everything below it."""
        for process in reversed(self.family()):
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.process.wait()
        self._closing = True
        # Before the terminal's number is free for another file: an answer would be written into that.
        self.wait_for_the_last()
        with contextlib.suppress(OSError):
            os.close(self._terminal)


@contextlib.contextmanager
def studio(home: Path, *positional: int, **named: object) -> Iterator[Studio]:
    """A running studio that is gone after the block."""
    running = Studio(home, *positional, **named)  # type: ignore[arg-type]
    try:
        yield running
    finally:
        running.close()
