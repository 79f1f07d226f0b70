"""Ask the terminal once what it can show, before the program owns it.

One batch of questions, closed by one that every terminal answers; at most two seconds. The terminal is put back as it
was, and no answer is left for the next reader.
"""

from __future__ import annotations

import array
import fcntl
import os
import select
import termios
import time
import tty
from collections.abc import Mapping

from tui.graphics.brands import TerminalInfo, decide
from tui.graphics.replies import CLOSING, KITTY_QUERY, QUERY, Replies, parse
from tui.graphics.tmux import ask as ask_tmux

LIMIT = 2.0
"""Seconds to wait for the answers: slow SSH links take half a second."""


_NOT_A_SIZE = (640, 480)
"""What OpenSSH on Windows says of every window."""


def probe(
    images: str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    terminal: str = "/dev/tty",
    limit: float = LIMIT,
) -> TerminalInfo:
    """Find out how pictures can be shown. Costs one round trip, at most `limit` seconds; never raises for a terminal
    that is missing, dumb, slow or lying.

    Args:
        images: The user's choice (auto, kitty, sixel, iterm2, blocks, off); None takes TARMAC_IMAGES, else auto.
        environ: The environment; the process's own by default.
        terminal: The terminal's device.
        limit: Seconds.
    """
    environ = os.environ if environ is None else environ
    choice = (images or environ.get("TARMAC_IMAGES") or "auto").strip().lower()
    replies, window_cell, round_trip = Replies(), None, None
    reasons: list[str] = []
    if environ.get("TERM", "") in ("", "dumb"):
        reasons.append("TERM says that this terminal can show nothing but plain text.")
    else:
        try:
            device = os.open(terminal, os.O_RDWR | os.O_NOCTTY)
        except OSError:
            reasons.append("There is no terminal to ask.")
        else:
            try:
                window_cell = cell_by_window(device)
                replies, round_trip = _ask(device, _questions(environ), limit, reasons)
            finally:
                os.close(device)
    return decide(
        replies,
        environ,
        choice=choice,
        tmux=ask_tmux(environ),
        window_cell=window_cell,
        round_trip=round_trip,
        reasons=reasons,
    )


def cell_by_window(device: int) -> tuple[int, int] | None:
    """A cell's width and height in pixels from the window's size as the kernel knows it; None where it does not."""
    size = array.array("H", [0, 0, 0, 0])
    try:
        fcntl.ioctl(device, termios.TIOCGWINSZ, size)
    except OSError:
        return None
    rows, columns, width, height = size
    if not (rows and columns and width >= columns and height >= rows):
        return None
    if (width, height) == _NOT_A_SIZE:
        return None
    return width // columns, height // rows


def _questions(environ: Mapping[str, str]) -> bytes:
    term = environ.get("TERM", "")
    if term == "linux":
        return CLOSING
    inherited = term in ("xterm-kitty", "xterm-ghostty")  # a terminal that was started from a shell in tmux
    inside = term.startswith(("tmux", "screen")) or ((environ.get("TMUX") or environ.get("STY")) and not inherited)
    return QUERY if inside else KITTY_QUERY + QUERY


def _ask(device: int, questions: bytes, limit: float, reasons: list[str]) -> tuple[Replies, float | None]:
    try:
        if os.tcgetpgrp(device) != os.getpgrp():
            reasons.append("The program runs in the background and must not talk to the terminal.")
            return Replies(), None
        before = termios.tcgetattr(device)
    except (OSError, termios.error):
        reasons.append("There is no terminal to ask.")
        return Replies(), None
    received = b""
    replies = Replies()
    asked = time.monotonic()
    try:
        tty.setraw(device, termios.TCSADRAIN)
        os.write(device, questions)
        while not replies.complete:
            left = asked + limit - time.monotonic()
            if left <= 0 or not select.select([device], [], [], left)[0]:
                reasons.append(
                    f"The terminal did not answer within {limit:g} s: choose with `--images` what it can show."
                )
                return replies, None
            more = os.read(device, 4096)
            if not more or len(received) > 65536:
                reasons.append("The terminal hung up or answered with garbage.")
                return replies, None
            received += more
            replies = parse(received)
        return replies, time.monotonic() - asked
    except OSError as error:
        reasons.append(f"The terminal could not be asked: {error.strerror}.")
        return Replies(), None
    finally:
        termios.tcsetattr(device, termios.TCSADRAIN, before)
