"""Keep the terminal's reports out of what counts as typing.

Pacing asks the terminal where its cursor is, and its answer comes in between the keys. Textual understands a whole
answer, but turns one that arrives in two parts too far apart into key presses. So the answers are taken out of the
bytes before Textual sees them, and half an answer waits for its other half.
"""

from __future__ import annotations

import re

ROW = 2
"""The row (from 1) that every question is asked on. On row 1 an answer can look like F3 with a modifier."""

FIRST_COLUMN, COLUMNS = 2, 32
"""The column tells which question an answer belongs to: FIRST_COLUMN + number % COLUMNS."""

_ANSWER = re.compile(rb"\x1b\[%d;(\d{1,3})R" % ROW)
_BEGINNING = re.compile(rb"\x1b(?:\[(?:%d(?:;\d{0,3})?)?)?$" % ROW)
_LATE = re.compile(rb"\x1b_G[^\x1b]*\x1b\\|\x1bP>\|[^\x1b]*\x1b\\|\x1b\[6;\d{1,5};\d{1,5}t|\x1b\[[?>][\d;]{0,60}c")
_LATE_BEGINNING = re.compile(rb"\x1b(?:_[^\x1b]*\x1b?|P[^\x1b]*\x1b?|\[(?:6(?:;[\d;]*)?|[?>][\d;$]*)?)?$")

_ONLY_AN_ANSWER = re.compile(rb"\x1b(?:_|P>|\[[?>]|\[6;)")
"""How only answers begin: no key sends these, so half of one is dropped in the end, not typed."""

_PATIENCE = 1.0
"""Seconds that half an answer waits for the rest: as long as a slow link may take between two packets."""

_LATE_PATIENCE = 4.0
"""Seconds that half an answer of the probe waits; what is typed in between is taken for a part of it."""

_ESCAPE_PATIENCE = 0.05
"""Seconds for an escape alone, which is a key as well."""


class ReportFilter:
    """Takes reports out of a stream of input.

    Args:
        late: The probe was not answered in time: its answers may still come, in parts even, and are dropped.
        unfinished: The beginning of one that the probe has seen.
    """

    def __init__(self, late: bool = False, unfinished: bytes = b"") -> None:
        self.expecting = False
        """A question is open, so the beginning of an answer is held until the rest comes."""
        self._late = late
        self._held = unfinished
        self._held_since: float | None = None

    @property
    def holding(self) -> bool:
        """Half an answer waits here: call `release` from time to time."""
        return bool(self._held)

    def feed(self, data: bytes, now: float) -> tuple[bytes, list[int]]:
        """Split input into what was typed and the numbers (modulo COLUMNS) of the questions answered.

        Args:
            data: Bytes as they were read.
            now: A monotonic time in seconds.
        """
        data, since = self._held + data, self._held_since if self._held else None
        self._held = b""
        answered: list[int] = []

        def take(match: re.Match[bytes]) -> bytes:
            column = int(match[1])
            if not FIRST_COLUMN <= column < FIRST_COLUMN + COLUMNS:
                return match[0]
            answered.append(column - FIRST_COLUMN)
            return b""

        data = _ANSWER.sub(take, data)
        data = _LATE.sub(b"", data)  # no key sends these, whenever they come
        half = _BEGINNING.search(data) if self.expecting else None
        if half is None and self._late:
            half = _LATE_BEGINNING.search(data)
        if half is not None:
            self._held, data = half[0], data[: half.start()]
            self._held_since = now if since is None else since
        return data, answered

    def release(self, now: float) -> bytes:
        """What was held too long to be half an answer."""
        if not self._held:
            return b""
        if self._held_since is None:
            self._held_since = now
        only_an_answer = _ONLY_AN_ANSWER.match(self._held) is not None
        patience = _LATE_PATIENCE if only_an_answer else _PATIENCE
        if self._held == b"\x1b":
            patience = _ESCAPE_PATIENCE
        if now - self._held_since < patience:
            return b""
        held, self._held = self._held, b""
        return b"" if only_an_answer else held


def question(number: int) -> str:
    """Ask for an answer that `ReportFilter` recognises as belonging to `number`. Leaves the cursor where it asked."""
    return f"\x1b[{ROW};{FIRST_COLUMN + number % COLUMNS}H\x1b[6n"
