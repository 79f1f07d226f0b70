"""What goes to stdout and stderr: tables, sizes, progress, and text that a terminal must not follow."""

from __future__ import annotations

import io
import sys

import pytest

from tui import cli
from tui.commands import common


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_columns_line_up_for_wide_letters() -> None:
    rows = [["name", "size"], ["日本", "7"], ["a", "1234"]]
    assert common.table(rows, right=frozenset({1})) == "name  size\n日本     7\na     1234"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (7_340_000, "7.3 MB"), (143e6, "143 MB"), (999_600, "1.0 MB"), (3.2e12, "3.2 TB")],
)
def test_sizes(count: float, text: str) -> None:
    assert common.size(count) == text


def test_a_terminal_gets_no_escapes_and_a_pipe_gets_all(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a\x1b]0;owned\x07\n\tb\u202e"
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert common.harmless(text) == "a�]0;owned�\n\tb�"
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert common.harmless(text) == text


def test_progress_is_for_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, pipe = Terminal(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", terminal)
    progress = common.Progress()
    progress("reading a\x1bb", 0.5)
    progress.clear()
    assert terminal.getvalue() == "\r\x1b[Kreading a b 50 %\r\x1b[K"
    monkeypatch.setattr(sys, "stderr", pipe)
    common.Progress()("reading", 0.5)
    assert pipe.getvalue() == ""


def test_interrupts_clean_up_first() -> None:
    cleaned = []

    async def work() -> None:
        import asyncio
        import os
        import signal

        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    with pytest.raises(KeyboardInterrupt):
        common.run_async(work())
    assert cleaned


@pytest.mark.parametrize(
    ("raised", "code", "part"),
    [
        (KeyboardInterrupt(), 130, ""),
        (OSError(28, "No space left on device"), 1, "No space left"),
        (MemoryError(), 1, "memory"),
    ],
)
def test_every_end_has_its_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], raised: BaseException, code: int, part: str
) -> None:
    def fail() -> int:
        raise raised

    monkeypatch.setattr(cli, "_version", fail)
    assert cli.main(["--version"]) == code
    errors = capsys.readouterr().err
    assert part in errors
    assert errors.count("\n") == (1 if part else 0)
