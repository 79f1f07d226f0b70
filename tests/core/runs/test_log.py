"""The line that begins an attempt in a run's log: whoever reads finds what was written."""

from __future__ import annotations

import time

from core.runs.log import attempt_line, attempt_of


def test_the_line_of_an_attempt_is_found_again() -> None:
    at = time.mktime((2026, 11, 25, 17, 20, 5, 0, 0, -1))
    assert attempt_line(3, at) == "── attempt 3, 2026-11-25 17:20:05 ──"
    assert attempt_of(attempt_line(3, at)) == (3, "17:20")


def test_what_a_trainer_prints_is_no_such_line() -> None:
    for line in ("", "attempt 3, 17:20", "── attempt three, 2026-11-25 17:20:05 ──", "x ── attempt 3 ──"):
        assert attempt_of(line) is None
