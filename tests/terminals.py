"""Real terminal programs under a virtual screen: start one, press keys, look at its pixels."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from PIL import ImageGrab

ROOT = Path(__file__).resolve().parent.parent
CELL = 8, 17
"""Pixels of a character: both terminals are started with a font of this size."""

_XTERM = (
    *("xterm", "-u8", "-fa", "DejaVu Sans Mono:pixelsize=13", "-b", "0", "-bw", "0", "+sb"),
    *("-xrm", "XTerm*maxGraphicSize: 2000x2000", "-xrm", "XTerm*numColorRegisters: 256"),
)
_KITTY_OPTIONS = (
    *("linux_display_server=x11", "font_size=10", "remember_window_size=no", "window_padding_width=0"),
    *("placement_strategy=top-left", "update_check_interval=0", "confirm_os_window_close=0"),
    *("cursor_blink_interval=0", "shell_integration=disabled", "enable_audio_bell=no"),
)


def cache() -> Path:
    """Where tests keep what they fetched once; outside of the tree."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tarmac-tests"


def need(*programs: str) -> None:
    """Skip the test where a program is missing; fail instead where TARMAC_REQUIRE_TERMINALS is 1."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        lack(f"not installed: {', '.join(missing)}")


def lack(reason: str) -> NoReturn:
    """Skip the test; fail where TARMAC_REQUIRE_TERMINALS is 1."""
    if os.environ.get("TARMAC_REQUIRE_TERMINALS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@contextlib.contextmanager
def screen(width: int = 1664, height: int = 1100) -> Iterator[str]:
    """A virtual screen; gives the name of the display."""
    reading, writing = os.pipe()
    size = f"{width}x{height}x24"
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", size, "-nolisten", "tcp"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as told:
            number = told.readline().strip()
        assert number, "the virtual screen did not start"
        yield f":{number}"
    finally:
        server.terminate()
        server.wait()


class Terminal:
    """A terminal program with a command in it.

    Args:
        display: The virtual screen.
        kind: "xterm" (with sixel), "plain" (xterm without) or "kitty".
        size: Columns and rows.
        command: What runs in it.
        environ: Additions to a bare environment (no COLORTERM: what SSH leaves).
        enter: Makes a command line of the terminal's that runs it somewhere else.

    Attributes:
        cell: Pixels of a character.
    """

    cell: tuple[float, float] = CELL

    def __init__(
        self,
        display: str,
        kind: str,
        size: tuple[int, int],
        command: Sequence[str],
        environ: Mapping[str, str],
        enter: Callable[[Sequence[str]], list[str]] = list,
    ) -> None:
        self.display = display
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "OMP_NUM_THREADS") if name in os.environ}
        self._environ = {**kept, "LC_ALL": "C.UTF-8", "DISPLAY": display, "LIBGL_ALWAYS_SOFTWARE": "1", **environ}
        columns, rows = size
        if kind == "kitty":
            options = [*_KITTY_OPTIONS, f"initial_window_width={columns}c", f"initial_window_height={rows}c"]
            pairs = [part for option in options for part in ("-o", option)]
            line = ["kitty", "--config", "NONE", *pairs, "--", *command]
        else:
            sixel = ["-ti", "vt340"] if kind == "xterm" else []
            line = [*_XTERM, *sixel, "-geometry", f"{columns}x{rows}+0+0", "-e", *command]
        self.process = subprocess.Popen(
            enter(line),
            env=self._environ,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def pixels(self) -> np.ndarray:
        """The whole screen, uint8 [H, W, 3]."""
        return np.asarray(ImageGrab.grab(xdisplay=self.display).convert("RGB"))

    def press(self, *keys: str) -> None:
        """Type keys by their names in xdotool."""
        window = self._window()
        # There is no window manager that would give the focus.
        self._xdotool("windowfocus", "--sync", window)
        for key in keys:
            self._xdotool("key", "--clearmodifiers", key)

    def hold(self, key: str, times: int) -> None:
        """Press a key many times, as holding it down does: thirty times a second."""
        self._xdotool("windowfocus", "--sync", self._window())
        self._xdotool("key", "--delay", "33", *[key] * times)

    def resize(self, columns: int, rows: int) -> None:
        """Give the window another size in characters."""
        self._xdotool("windowsize", self._window(), str(columns * CELL[0]), str(rows * CELL[1]))

    def close(self) -> None:
        """End the terminal and what runs in it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGHUP)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def _window(self) -> str:
        found = ""

        def there() -> bool:
            nonlocal found
            done = subprocess.run(
                ["xdotool", "search", "--onlyvisible", "--class", "."],
                env=self._environ,
                capture_output=True,
                text=True,
            )
            found = next(iter(done.stdout.split()), "")
            return bool(found)

        wait(there, "a window")
        return found

    def _xdotool(self, *arguments: str) -> None:
        subprocess.run(["xdotool", *arguments], env=self._environ, check=True, capture_output=True, timeout=60)


def wait(holds: Callable[[], bool], what: str, seconds: float = 40) -> None:
    """Wait until something is so.

    Raises:
        AssertionError: It did not come about.
    """
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not come in {seconds:g} s"
        time.sleep(0.05)


def python(*arguments: str) -> list[str]:
    """A command line for this Python."""
    return [sys.executable, *arguments]
