"""Notice that tmux may have thrown pictures away, and have them sent again.

tmux answers for the terminal around it, so an answer does not mean that a picture has arrived. It throws away what it
only passes on while it has yet to draw its window anew (after a change of size, without a word), and any output while
the terminal is slower than what it is sent (it counts the bytes). Afterwards it draws the text, but not the pictures.
Source: tmux 3.5a, tty.c (`tty_client_ready`, `tty_add`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from tui.graphics import tmux

REST = 0.35
"""Seconds without a frame before tmux is asked: it counts every tenth of a second."""

AFTER_SIZE = (0.7, 2.0, 5.0)
"""Seconds after a change of size at which pictures are sent again; nobody tells when tmux is done."""

_LONGEST = 6.0
"""Seconds between two sendings for a terminal that does not keep up at all."""


async def resend_what_tmux_drops(
    frames: Callable[[], int],
    size: Callable[[], object],
    resend: Callable[[], None],
    discarded: Callable[[], tuple[str, int] | None] = tmux.discarded,
    rest: float = REST,
    after_size: Sequence[float] = AFTER_SIZE,
) -> None:
    """Runs until it is cancelled.

    Args:
        frames: How many frames were written so far.
        size: The terminal's size.
        resend: Have everything sent again.
        discarded: Asks tmux for the terminal's name and the bytes discarded; None where it does not say. Runs in a
            thread.
        rest: Seconds without a frame before tmux is asked.
        after_size: Seconds after a change of size at which everything is sent again.
    """
    before = await asyncio.to_thread(discarded)
    asked_at, known, patience, not_before = frames(), None, rest, 0.0
    due: list[float] = []
    while True:
        seen = frames()
        if size() != known:
            known, due = size(), [time.monotonic() + later for later in after_size]
        await asyncio.sleep(rest)
        now = time.monotonic()
        if frames() != seen or now < not_before:
            continue
        lost = False
        if seen != asked_at:
            asked_at = seen
            told = await asyncio.to_thread(discarded)
            lost, before = before is not None and told is not None and told != before, told or before
            patience = min(_LONGEST, patience * 2) if lost else rest
            not_before = now + patience
        if lost or (due and now >= due[0]):
            due = [moment for moment in due if moment > now]
            resend()
