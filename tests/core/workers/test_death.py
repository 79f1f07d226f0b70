"""A death is a sentence: how, probably why, the last lines, and what to try."""

from __future__ import annotations

import io
import signal

import pytest

from core.workers.death import death, last_lines


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-signal.SIGKILL, ["killed by SIGKILL", "out-of-memory killer", "smaller"]),
        (-signal.SIGSEGV, ["killed by SIGSEGV", "native code"]),
        (-signal.SIGABRT, ["killed by SIGABRT", "gave up"]),
        (-signal.SIGILL, ["killed by SIGILL", "processor"]),
        (-signal.SIGTERM, ["killed by SIGTERM", "asked it to end"]),
        (-signal.SIGUSR1, ["killed by SIGUSR1", "Start it again"]),
        (-63, ["killed by signal 63"]),
        (0, ["exit code 0", "Start it again"]),
        (3, ["exit code 3", "log"]),
    ],
)
def test_every_ending_is_a_sentence(code: int, words: list[str]) -> None:
    text = str(death("Faces", code, ["one", "two"]))
    assert text.startswith("the worker of Faces died: ")
    assert "its last lines: one | two" in text
    assert all(word in text for word in words)


def test_without_last_words() -> None:
    assert "lines" not in str(death("Faces", 1, []))


def test_the_last_lines_are_the_telling_ones() -> None:
    log = io.BytesIO(
        b"an older run\n"
        b"loading \x1b[1mloud\x1b[0m\n"
        b"Traceback (most recent call last):\n"
        b'  File "a.py", line 3, in run\n'
        b"    raise ValueError(1)\n"
        b"ValueError: 1\n\n"
        b"Fatal Python error: Segmentation fault\n\n"
        b"Current thread 0x00007f (most recent call first):\n"
        b'  File "a.py", line 9 in run\n'
        b"Extension modules: numpy (total: 1)\n"
    )
    assert last_lines(log, 13) == ["loading loud", "ValueError: 1", "Fatal Python error: Segmentation fault"]
    assert last_lines(log, len(log.getvalue())) == []


def test_a_log_of_any_bytes_is_read() -> None:
    assert last_lines(io.BytesIO(bytes(range(256)) * 1000 + b"\nlast"), 0)[-1] == "last"
    assert all(len(line) <= 160 for line in last_lines(io.BytesIO(b"x" * 100_000), 0))
