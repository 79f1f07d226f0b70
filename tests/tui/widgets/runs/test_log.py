"""The log of a run: followed by offset, begun near its end, harmless; shown from the newest attempt on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from textual.app import App, ComposeResult
from textual.pilot import Pilot

from core.runs.log import attempt_line
from tests.tui.stage import until
from tui import themes
from tui.widgets.runs.log import RunLog, Tail


def test_only_what_is_new_and_whole_is_read(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    tail = Tail(path)
    assert tail.read() == []
    path.write_text("one\ntw", encoding="utf-8")
    assert tail.read() == ["one"]
    assert tail.read() == []
    with path.open("a", encoding="utf-8") as file:
        file.write("o\nthree\n")
    assert tail.read() == ["two", "three"]


def test_a_file_that_became_shorter_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("a long first line\nand another\n", encoding="utf-8")
    tail = Tail(path)
    assert len(tail.read()) == 2
    path.write_text("new\n", encoding="utf-8")
    assert tail.read() == ["new"]


def test_a_large_log_is_begun_near_its_end_at_a_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("".join(f"line {number:06}\n" for number in range(100_000)), encoding="utf-8")
    lines = Tail(path).read()
    assert lines[-1] == "line 099999"
    assert len(lines) < 20_000
    assert all(len(line) == 11 for line in lines)


def test_escapes_and_progress_bars_are_made_harmless(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"\x1b[31mred\x1b[0m \x1b]0;title\x07x\n 10%\r 50%\r100%\n\xff\x00bad\nwin\r\n")
    assert Tail(path).read() == ["red x", "100%", "\N{REPLACEMENT CHARACTER}bad", "win"]


AT = time.mktime((2026, 11, 25, 17, 20, 5, 0, 0, -1))
LONG = "a line that is much longer than the pane is wide, so that it has to end somewhere"


class LogApp(App[None]):
    """A log alone."""

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(themes.VARIABLES)

    def compose(self) -> ComposeResult:
        yield RunLog()


@asynccontextmanager
async def shown(path: Path, text: str) -> AsyncIterator[tuple[RunLog, Pilot[None]]]:
    await asyncio.to_thread(path.write_text, text, encoding="utf-8")
    async with LogApp().run_test(size=(40, 12)) as pilot:
        log = pilot.app.query_one(RunLog)
        log.focus()
        log.follow(path)
        await until(pilot, lambda: log.line_count)
        await until(pilot, lambda: not log._reading)
        yield log, pilot


async def test_it_begins_at_the_newest_attempt(tmp_path: Path) -> None:
    text = f"{attempt_line(1, AT)}\nTraceback\n{attempt_line(2, AT)}\nimporting torch\n"
    async with shown(tmp_path / "log.txt", text) as (log, pilot):
        assert log.lines[0].startswith("── attempt 2, 17:20 ───")
        assert list(log.lines[1:]) == ["importing torch"]
        await pilot.press("a")
        assert [line.strip("─ ") for line in log.lines] == [
            "attempt 1, 17:20", "Traceback", "attempt 2, 17:20", "importing torch",
        ]  # fmt: skip
        await pilot.press("a")
        assert log.line_count == 2


async def test_an_attempt_that_begins_meanwhile_puts_the_one_before_away(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    async with shown(path, f"{attempt_line(1, AT)}\nTraceback\n") as (log, pilot):
        assert log.line_count == 2
        assert log.check_action("all", ()) is False
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{attempt_line(2, AT)}\n")
        log.follow(path)
        await until(pilot, lambda: log.line_count == 1)
        await until(pilot, lambda: log._told == "nothing of this attempt yet")
        assert log.check_action("all", ()) is True


async def test_a_log_without_attempts_is_shown_whole(tmp_path: Path) -> None:
    async with shown(tmp_path / "log.txt", "one\ntwo\n") as (log, _):
        assert list(log.lines) == ["one", "two"]


async def test_long_lines_are_clipped_and_broken_on_a_key(tmp_path: Path) -> None:
    async with shown(tmp_path / "log.txt", f"short\n{LONG}\n") as (log, pilot):
        assert list(log.lines) == ["short", LONG[: log._room - 1] + "…"]
        await pilot.press("v")
        assert "".join(log.lines[1:]) == LONG
        assert all(len(line) <= log._room for line in log.lines)
        await pilot.resize_terminal(30, 12)
        await until(pilot, lambda: all(len(line) <= log._room for line in log.lines))
        assert "".join(log.lines[1:]) == LONG
        await pilot.press("v")
        assert log.line_count == 2
