"""The log of a run: followed by offset, begun near its end, harmless."""

from __future__ import annotations

from pathlib import Path

from tui.widgets.run_log import Tail


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
