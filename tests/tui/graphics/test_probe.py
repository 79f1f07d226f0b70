"""The probe against terminals that answer, stall, split, lie and talk nonsense; nothing may be left in the input."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tui.graphics.brands import CHOICES, TerminalInfo, choose, decide
from tui.graphics.probe import cell_by_window, probe
from tui.graphics.replies import Replies, parse
from tui.graphics.tmux import Tmux

KITTY = b"\x1b_Gi=4211;OK\x1b\\\x1bP>|kitty(0.41.1)\x1b\\\x1b[6;17;8t\x1b[?2026;2$y\x1b[?62;c"
XTERM = b"\x1bP>|XTerm(379)\x1b\\\x1b[6;17;8t\x1b[?2026;0$y\x1b[?62;1;2;4;6;9;15;22c"

Answers = list[tuple[float, bytes]]


class Terminal:
    """A pseudo-terminal whose other side answers the first query it gets."""

    def __init__(self, answers: Answers) -> None:
        self.outer, self.inner = pty.openpty()
        tty.setcbreak(self.inner)
        self.name = os.ttyname(self.inner)
        self.asked = b""
        self._answers = answers
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while b"\x1b[c" not in self.asked:
                self.asked += os.read(self.outer, 4096)
            for delay, data in self._answers:
                threading.Event().wait(delay)
                os.write(self.outer, data)

    def left(self) -> bytes:
        """What the next reader of the input would find."""
        found = b""
        while select.select([self.inner], [], [], 0)[0]:
            found += os.read(self.inner, 4096)
        return found


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Answers], Terminal]]:
    # Which process group a pseudo-terminal talks to is the session's business, not the probe's.
    monkeypatch.setattr(os, "tcgetpgrp", lambda _device: os.getpgrp())
    made: list[Terminal] = []

    def make(answers: Answers) -> Terminal:
        made.append(Terminal(answers))
        return made[-1]

    yield make
    for each in made:
        os.close(each.inner)
        each._thread.join(3)
        os.close(each.outer)


def ask(at: Terminal, images: str | None = None, limit: float = 2.0, **environ: str) -> TerminalInfo:
    return probe(images, environ={"TERM": "xterm-256color", **environ}, terminal=at.name, limit=limit)


def test_kitty(terminal: Callable[[Answers], Terminal]) -> None:
    at = terminal([(0.05, KITTY)])
    info = ask(at)
    assert (info.brand, info.protocol) == ("kitty(0.41.1)", "kitty")
    assert (info.cell_width, info.cell_height) == (8, 17)
    assert info.synchronized
    assert info.colours == "truecolor"
    assert info.round_trip is not None
    assert 0.04 < info.round_trip < 2
    assert at.left() == b""


def test_xterm_with_sixel(terminal: Callable[[Answers], Terminal]) -> None:
    info = ask(terminal([(0, XTERM)]))
    assert (info.protocol, info.synchronized) == ("sixel", False)


def test_answers_in_pieces_with_typing_between(terminal: Callable[[Answers], Terminal]) -> None:
    pieces = [(0.01, KITTY[index : index + 5]) for index in range(0, len(KITTY), 5)]
    at = terminal([(0, b"jj"), *pieces])
    info = ask(at)
    assert info.protocol == "kitty"
    assert info.typed == "jj"
    assert at.left() == b""


def test_silence_is_waited_for_only_so_long(terminal: Callable[[Answers], Terminal]) -> None:
    begun = time.monotonic()
    info = ask(terminal([]), limit=0.2)
    assert 0.2 <= time.monotonic() - begun < 1
    assert (info.protocol, info.round_trip) == ("blocks", None)
    assert any("did not answer" in reason for reason in info.reasons)


def test_an_answer_that_stops_in_the_middle(terminal: Callable[[Answers], Terminal]) -> None:
    at = terminal([(0, b"jk" + KITTY[:9])])
    info = ask(at, limit=0.2)
    assert (info.round_trip, info.unfinished, info.typed) == (None, KITTY[:9], "jk")
    assert at.left() == b""


def test_a_console_is_asked_one_thing_only(terminal: Callable[[Answers], Terminal]) -> None:
    at = terminal([(0, b"\x1b[?6c")])
    info = ask(at, TERM="linux")
    assert at.asked == b"\x1b[c"
    assert (info.protocol, info.colours) == ("blocks", "16")


def test_garbage(terminal: Callable[[Answers], Terminal]) -> None:
    info = ask(terminal([(0, bytes(range(256)) * 400)]), limit=0.3)
    assert info.protocol == "blocks"


def test_the_terminal_is_put_back(terminal: Callable[[Answers], Terminal]) -> None:
    at = terminal([(0, XTERM)])
    before = termios.tcgetattr(at.inner)
    ask(at)
    assert termios.tcgetattr(at.inner) == before


def test_no_kitty_query_inside_a_multiplexer(terminal: Callable[[Answers], Terminal]) -> None:
    at = terminal([(0, b"\x1b[?1;2c")])
    ask(at, STY="1234.pts-0")
    assert b"\x1b_G" not in at.asked


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_dumb_terminal_is_not_asked(terminal: Callable[[Answers], Terminal], term: str) -> None:
    at = terminal([])
    info = probe(environ={"TERM": term}, terminal=at.name)
    assert at.asked == b""
    assert (info.protocol, info.colours) == ("blocks", "mono" if term else "16")


def test_no_terminal(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        assert probe(environ={"TERM": "xterm"}, terminal=str(path)).protocol == "blocks"


def test_in_a_process_without_terminal() -> None:
    code = "from tui.graphics import probe; print(probe().protocol)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, start_new_session=True, stdin=subprocess.DEVNULL
    )
    assert (done.stdout, done.stderr) == ("blocks\n", "")


@pytest.mark.parametrize(
    ("choice", "protocol"),
    [("blocks", "blocks"), ("off", "off"), ("kitty", "kitty"), ("iterm2", "iterm2"), ("nonsense", "sixel")],
)
def test_the_users_choice(terminal: Callable[[Answers], Terminal], choice: str, protocol: str) -> None:
    assert ask(terminal([(0, XTERM)]), choice).protocol == protocol
    info = ask(terminal([(0, XTERM)]), TARMAC_IMAGES=choice)
    assert info.protocol == protocol
    assert any(choice in reason for reason in info.reasons)


def test_parsing_never_raises_and_needs_no_order() -> None:
    assert parse(b"") == Replies()
    parts = [b"\x1b[6;17;8t", b"\x1bP>|foot(1.20)\x1b\\", b"\x1b[?62;4c"]
    assert parse(b"".join(parts)) == parse(b"".join(reversed(parts)))
    assert parse(b"\x1b[6;0;0t\x1b[?c").cell is None
    assert parse(b"\x1b_Gi=4211;ENOTSUP\x1b\\\x1b[?62c").kitty is False
    assert parse(b"\x1b_Gi=42").complete is False
    assert "\x1b" not in parse(b"\x1bP>|evil\x07\x1b[31m\x1b\\\x1b[?62c").version


def decided(version: str = "", *, kitty: bool = False, sixel: bool = False, **environ: str) -> TerminalInfo:
    replies = Replies(attributes=(62, 4) if sixel else (62,), kitty=kitty, version=version, cell=(8, 17))
    return decide(replies, {"TERM": "xterm-256color", **environ})


@pytest.mark.parametrize(
    ("version", "kitty", "sixel", "protocol"),
    [
        ("kitty(0.26.5)", True, False, "kitty-direct"),
        ("kitty(0.28.0)", True, False, "kitty"),
        ("kitty(0.41.1)", True, False, "kitty"),
        ("ghostty 1.1.0", True, False, "kitty"),
        ("Rio 0.2.1", True, True, "kitty"),
        ("Rio 0.0.1", False, True, "sixel"),
        ("WezTerm 20240203", True, True, "iterm2"),
        ("iTerm2 3.5.0", True, True, "iterm2"),
        ("iTerm2 3.4", False, False, "iterm2"),
        ("Warp(v0.2025)", True, False, "iterm2"),
        ("Konsole 24.12", True, True, "sixel"),
        ("Konsole 21.04", True, False, "kitty-direct"),
        ("foot(1.20)", False, True, "sixel"),
        ("XTerm(379)", False, True, "sixel"),
        ("mlterm(3.9.3)", False, True, "sixel"),
        ("contour 0.5", False, True, "sixel"),
        ("mintty 3.7", False, True, "sixel"),
        ("VTE(7600)", False, True, "sixel"),
        ("never heard of 1", False, True, "sixel"),
        ("XTerm(379)", False, False, "blocks"),
        ("VTE(7600)", False, False, "blocks"),
        ("alacritty 0.15", False, False, "blocks"),
        ("never heard of 1", False, False, "blocks"),
    ],
)
def test_brands_by_what_they_say(version: str, kitty: bool, sixel: bool, protocol: str) -> None:
    info = decided(version, kitty=kitty, sixel=sixel)
    assert info.protocol == protocol
    if protocol in ("blocks", "kitty-direct"):
        assert info.reasons, "says what to change"


@pytest.mark.parametrize(
    ("environ", "sixel", "protocol", "brand"),
    [
        ({"TERM_PROGRAM": "iTerm.app", "TERM_PROGRAM_VERSION": "3.5"}, True, "iterm2", "iTerm2 3.5"),
        ({"LC_TERMINAL": "iTerm2", "LC_TERMINAL_VERSION": "3.5"}, True, "iterm2", "iTerm2 3.5"),
        ({"TERM_PROGRAM": "WezTerm"}, True, "iterm2", "WezTerm"),
        ({"TERM_PROGRAM": "WarpTerminal"}, False, "iterm2", "Warp"),
        ({"TERM_PROGRAM": "vscode"}, True, "iterm2", "VS Code"),
        ({"TERM_PROGRAM": "vscode"}, False, "blocks", "VS Code"),
        ({"TERM_PROGRAM": "Tabby"}, True, "iterm2", "Tabby"),
        ({"TERM_PROGRAM": "Hyper"}, False, "blocks", "Hyper"),
        ({"WT_SESSION": "1"}, True, "sixel", "Windows Terminal"),
        ({"WT_SESSION": "1"}, False, "blocks", "Windows Terminal"),
        ({"TERM_PROGRAM": "Apple_Terminal"}, False, "blocks", "Apple Terminal"),
        ({"TERM": "alacritty"}, False, "blocks", "alacritty"),
        ({"VTE_VERSION": "7600"}, False, "blocks", "VTE 7600"),
        ({"ZELLIJ": "0", "TERM_PROGRAM": "WezTerm"}, False, "blocks", "zellij"),
        ({"ZELLIJ": "0"}, True, "sixel", "zellij"),
        ({"TERM": "unheard"}, False, "blocks", "unheard"),
    ],
)
def test_brands_that_say_nothing(environ: dict[str, str], sixel: bool, protocol: str, brand: str) -> None:
    info = decided(sixel=sixel, **environ)
    assert (info.protocol, info.brand) == (protocol, brand)
    if protocol == "blocks":
        assert any(brand.split()[0].lower() in reason.lower() for reason in info.reasons), "says what to change"


def test_what_the_terminal_says_counts_more_than_what_it_inherited() -> None:
    inherited = {"TERM_PROGRAM": "WezTerm", "ZELLIJ": "0", "STY": "1.x", "LC_TERMINAL": "iTerm2"}
    assert decided("XTerm(379)", sixel=True, **inherited).protocol == "sixel"
    from_tmux = Tmux("3.5a", "xterm-kitty", "kitty(0.41.1)", False, False)
    replies = Replies(attributes=(62, 4), version="XTerm(379)", cell=(8, 17))
    info = decide(replies, {"TERM": "xterm-256color", "TMUX": "/tmp/x,1,0"}, tmux=from_tmux)
    assert (info.protocol, info.tmux) == ("sixel", False)


def test_xterm_js_is_known_by_its_numbers() -> None:
    replies = Replies(attributes=(62, 4, 9, 22), secondary=(0, 276, 0), cell=(8, 15))
    assert decide(replies, {"TERM": "xterm-256color"}).protocol == "iterm2"
    assert decide(replies, {"TERM": "xterm-256color", "TERM_PROGRAM": "vscode"}).brand == "VS Code"
    replies = Replies(attributes=(1, 2), secondary=(0, 276, 0))
    info = decide(replies, {"TERM": "xterm-256color"})
    assert info.protocol == "blocks"
    assert any("enableImages" in reason for reason in info.reasons)


def test_a_tmux_that_is_elsewhere_is_not_believed() -> None:
    replies = Replies(attributes=(1, 2, 4), version="tmux 3.5a", cell=(16, 32))
    info = decide(replies, {"TERM": "screen-256color"})
    assert (info.protocol, info.tmux) == ("blocks", True)
    assert any("--images" in reason for reason in info.reasons)
    assert decide(replies, {"TERM": "screen-256color"}, choice="sixel").protocol == "sixel"


def test_the_choice_can_change_later() -> None:
    info = decided("kitty(0.26.5)", kitty=True)
    assert [choose(info, choice).protocol for choice in CHOICES] == [
        *("kitty-direct", "kitty-direct", "sixel", "iterm2", "blocks", "off")
    ]
    there_and_back = choose(choose(info, "blocks"), "auto")
    assert (there_and_back.protocol, there_and_back.reasons) == (info.protocol, info.reasons)
    assert any("set to blocks" in reason for reason in choose(info, "blocks").reasons)
    assert choose(decided("XTerm(379)", sixel=True), "kitty").protocol == "kitty"


def test_a_terminal_that_lies_about_its_cell() -> None:
    for cell in ((0, 0), (1, 1), (640, 480), (3, 100), (40, 10), (65535, 65535)):
        info = decide(Replies(attributes=(62, 4), cell=cell), {"TERM": "xterm"})
        assert (info.cell_width, info.cell_height, info.cell_from) == (10, 20, "assumed"), cell
        assert any("10x20" in reason for reason in info.reasons)
        info = decide(Replies(attributes=(62, 4), cell=cell), {"TERM": "xterm"}, window_cell=(9, 18))
        assert (info.cell_width, info.cell_height, info.cell_from) == (9, 18, "the window's size")
    info = decide(Replies(attributes=(62, 4), cell=(7, 14)), {"TERM": "xterm"}, window_cell=(9, 18))
    assert (info.cell_width, info.cell_height) == (7, 14)


@pytest.mark.parametrize(
    ("size", "cell"),
    [
        ((24, 80, 640, 408), (8, 17)),
        ((24, 80, 0, 0), None),
        ((24, 80, 640, 480), None),  # OpenSSH on Windows, whatever the window
        ((30, 120, 640, 480), None),
        ((0, 0, 640, 408), None),
        ((50, 200, 100, 40), None),
    ],
)
def test_the_windows_size(size: tuple[int, int, int, int], cell: tuple[int, int] | None) -> None:
    outer, inner = pty.openpty()
    try:
        fcntl.ioctl(outer, termios.TIOCSWINSZ, struct.pack("HHHH", *size))
        assert cell_by_window(inner) == cell
    finally:
        os.close(outer)
        os.close(inner)


@pytest.mark.parametrize(
    ("tmux", "protocol", "advice"),
    [
        (Tmux("3.3a", "xterm-kitty", "kitty(0.41.1)", False, True), "kitty", ""),
        (Tmux("3.3a", "xterm-kitty", "kitty(0.41.1)", False, False), "blocks", "allow-passthrough on"),
        (Tmux("3.3a", "xterm-kitty", "kitty(0.26.5)", False, True), "blocks", "terminal-features"),
        (Tmux("3.5a", "xterm-256color", "XTerm(398)", True, False), "sixel", ""),
        (Tmux("3.5a", "xterm-kitty", "kitty(0.26.5)", False, False), "blocks", "terminal-features"),
        (Tmux(), "blocks", "tmux"),
    ],
)
def test_tmux(tmux: Tmux, protocol: str, advice: str) -> None:
    # tmux 3.5 claims sixel whatever the terminal around it can do.
    info = decide(Replies(attributes=(1, 2, 4), version="tmux 3.5a"), {"TERM": "tmux-256color"}, tmux=tmux)
    assert info.protocol == protocol
    assert info.tmux
    assert advice in " ".join(info.reasons)


def test_screen_and_colours() -> None:
    assert decided("", sixel=True, STY="1.x").protocol == "blocks"
    assert decided("kitty(0.41.1)", kitty=True, TERM="xterm-kitty").colours == "truecolor"
    assert decided("").colours == "256"
    assert decided("", TERM="linux").colours == "16"
    assert decided("", COLORTERM="truecolor").colours == "truecolor"
    assert decided("", NO_COLOR="1").colours == "mono"
    assert decided("", LC_ALL="de_DE.ISO-8859-1").colours == "ascii"
    assert decided("", LC_ALL="C", LANG="ru_RU.KOI8-R").colours == "256"
    assert decided("", LANG="ru_RU.KOI8-R", COLORTERM="truecolor").colours == "ascii"
    for good in ("de_DE.UTF-8", "C.utf8", "POSIX", "C", ""):
        assert decided("", LANG=good).colours == "256"
