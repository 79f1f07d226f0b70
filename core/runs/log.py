"""The line in a run's log.txt that begins what an attempt prints: written by the supervisor, found again by readers."""

from __future__ import annotations

import re
from datetime import datetime

_LINE = re.compile(r"── attempt (\d{1,9}), (\d{4}-\d\d-\d\d) (\d\d:\d\d):\d\d ──")


def attempt_line(number: int, at: float) -> str:
    """ "── attempt 3, 2026-11-25 17:20:05 ──", without a line end.

    Args:
        number: Of the attempt, from 1.
        at: Unix seconds of its beginning; told in this machine's time.
    """
    return f"── attempt {number}, {datetime.fromtimestamp(at):%Y-%m-%d %H:%M:%S} ──"


def attempt_of(line: str) -> tuple[int, str] | None:
    """(number, "17:20") of the attempt that begins with this line of a log; None for any other line."""
    found = _LINE.fullmatch(line)
    return (int(found[1]), found[3]) if found else None
