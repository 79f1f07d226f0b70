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
_WHOLE = re.compile(_LATE.pattern + rb"|\x1b\[\?2026;\d\$y")
_KITTY_BEGINNING = b"Gi=4211;"
_UNFINISHED = re.compile(
    rb"\x1b(?:_(?:%s|%s[ -~]{0,80}\x1b?)|P(?:>(?:\|[ -~]{0,80}\x1b?)?)?|\[(?:6;[\d;]{0,11}|[?>][\d;]{0,60}\$?))"
    % (b"|".join(_KITTY_BEGINNING[:length] for length in range(len(_KITTY_BEGINNING))), _KITTY_BEGINNING)
)
"""How answers of the probe begin and nothing else does."""

_UNFINISHED_AT_END = re.compile(b"(?:%s)$" % _UNFINISHED.pattern)
_EITHER_AT_END = re.compile(rb"\x1b(?:\[6?)?$")
"""What may be the beginning of a key as well."""

_PATIENCE = 1.0
"""Seconds that half an answer waits for the rest: as long as a slow link may take between two packets."""

_LATE_PATIENCE = 15.0
"""Seconds that half an answer of the probe waits. Nothing is held up by it: what does not continue it passes."""

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
        known = _UNFINISHED.fullmatch(unfinished) is not None
        self._unfinished, self._held = (unfinished, b"") if known else (b"", unfinished)
        self._unfinished_since: float | None = None
        self._held_since: float | None = None

    @property
    def holding(self) -> bool:
        """Half an answer waits here: call `release` from time to time."""
        return bool(self._held or self._unfinished)

    def feed(self, data: bytes, now: float) -> tuple[bytes, list[int]]:
        """Split input into what was typed and the numbers (modulo COLUMNS) of the questions answered.

        Args:
            data: Bytes as they were read.
            now: A monotonic time in seconds.
        """
        data = self._held + self._without_the_rest(data)
        since, self._held = self._held_since if self._held else None, b""
        answered: list[int] = []

        def take(match: re.Match[bytes]) -> bytes:
            column = int(match[1])
            if not FIRST_COLUMN <= column < FIRST_COLUMN + COLUMNS:
                return match[0]
            answered.append(column - FIRST_COLUMN)
            return b""

        data = _LATE.sub(b"", _ANSWER.sub(take, data))  # no key sends these, whenever they come
        if self._late and (beginning := _UNFINISHED_AT_END.search(data)):
            self._unfinished, data = beginning[0], data[: beginning.start()]
            self._unfinished_since = now
        half = _BEGINNING.search(data) if self.expecting else None
        if half is None and self._late:
            half = _EITHER_AT_END.search(data)
        if half is not None:
            self._held, data = half[0], data[: half.start()]
            self._held_since = now if since is None else since
        return data, answered

    def release(self, now: float) -> bytes:
        """What was held too long to be half an answer."""
        if self._unfinished:
            if self._unfinished_since is None:
                self._unfinished_since = now
            if now - self._unfinished_since >= _LATE_PATIENCE:
                self._unfinished = b""
        if not self._held:
            return b""
        if self._held_since is None:
            self._held_since = now
        patience = _ESCAPE_PATIENCE if self._held == b"\x1b" else _PATIENCE
        if now - self._held_since < patience:
            return b""
        held, self._held = self._held, b""
        return held

    def _without_the_rest(self, data: bytes) -> bytes:
        """Input without the bytes that continue the answer whose beginning is known."""
        passed = bytearray()
        for index in range(len(data)):
            if not self._unfinished:
                return bytes(passed) + data[index:]
            longer = self._unfinished + data[index : index + 1]
            if _WHOLE.fullmatch(longer):
                self._unfinished = b""
            elif _UNFINISHED.fullmatch(longer):
                self._unfinished = longer
            else:
                passed += data[index : index + 1]
        return bytes(passed)


def question(number: int) -> str:
    """Ask for an answer that `ReportFilter` recognises as belonging to `number`. Leaves the cursor where it asked."""
    return f"\x1b[{ROW};{FIRST_COLUMN + number % COLUMNS}H\x1b[6n"
