"""Writing at the terminal's pace: a pseudo-terminal that answers, splits its answers, or falls silent."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.app import App

from tests.tui.graphics.decoders import Kitty, read_sixel

START = """
import fcntl, runpy, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
runpy.run_module("tests.demo_explorer", run_name="__main__")
"""
STATE = {"journey": {"index": 0, "views": [{"plane": {"dim": 16, "seed": 7, "distance": 0.5}}]}}
SIXEL = b"\x1bP>|foot(1.20)\x1b\\\x1b[6;17;8t\x1b[?2026;2$y\x1b[?62;4c"
KITTY = b"\x1b_Gi=4211;OK\x1b\\\x1bP>|kitty(0.41.1)\x1b\\\x1b[6;17;8t\x1b[?2026;2$y\x1b[?62;c"


class Player:
    """Plays the terminal around the explorer demo.

    Attributes:
        answer: What to do with a question for the cursor: gets the answer's bytes, gives the pieces to write.
    """

    def __init__(self, folder: Path, greeting: bytes) -> None:
        self.report = folder / "report.json"
        self.output = bytearray()
        self.questions = 0
        self.answers = 0
        self.overtaken = 0
        """Questions that came while another one was open."""
        self.answer: Callable[[bytes], list[bytes]] = lambda answer: [answer]
        self._greeting = greeting
        self._outer, inner = pty.openpty()
        fcntl.ioctl(self._outer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 640, 408))
        environ = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "OMP_NUM_THREADS") if name in os.environ},
            **{"TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "TARMAC_HOME": str(folder)},
            **{"DEMO_REPORT": str(self.report), "DEMO_STATE": json.dumps(STATE), "DEMO_OPTIONS": '{"batch": 1}'},
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", START], stdin=inner, stdout=inner, stderr=inner, env=environ, start_new_session=True
        )
        os.close(inner)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        greeted = False
        looked = 0
        with contextlib.suppress(OSError):
            while True:
                if not select.select([self._outer], [], [], 0.2)[0]:
                    continue
                data = os.read(self._outer, 1 << 16)
                if not data:
                    return
                self.output += data
                if not greeted and b"\x1b[c" in self.output:
                    greeted = True
                    os.write(self._outer, self._greeting)
                for match in re.finditer(rb"\x1b\[(\d+);(\d+)H\x1b\[6n", self.output[looked:]):
                    self.overtaken += self.questions > self.answers
                    self.questions += 1
                    self._give(b"\x1b[%s;%sR" % match.groups())
                looked = max(looked, len(self.output) - 16) if self.questions == 0 else self._after_last_question()

    def _after_last_question(self) -> int:
        return self.output.rfind(b"\x1b[6n") + 4

    def _give(self, answer: bytes) -> None:
        pieces = self.answer(answer)
        for index, piece in enumerate(pieces):
            if index:
                threading.Event().wait(0.15)
            os.write(self._outer, piece)
        self.answers += bool(pieces)

    def told(self) -> dict[str, Any]:
        """What the program says that is to be seen."""
        try:
            told: dict[str, Any] = json.loads(self.report.read_text())
        except FileNotFoundError:
            return {}
        return told

    def press(self, keys: str) -> None:
        os.write(self._outer, keys.encode())

    def until(self, holds: Callable[[], object], what: str, seconds: float = 40) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"{what} did not come"
            assert self.process.poll() is None or what == "the end", bytes(self.output[-2000:])
            time.sleep(0.02)

    def shown(self, since: int = 0) -> bool:
        """All tiles are there, more questions than `since` were asked, and the last one is answered."""
        return self.full() and self.questions > since and self.questions == self.answers

    def full(self) -> bool:
        told = self.told()
        return bool(told) and len(told["tiles"]) == told["grid"][0] * told["grid"][1]

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._thread.join(3)
        os.close(self._outer)


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Callable[[bytes], Player]]:
    players: list[Player] = []

    def make(greeting: bytes) -> Player:
        players.append(Player(tmp_path, greeting))
        return players[-1]

    yield make
    for player in players:
        player.close()


def test_what_we_lean_on_is_still_there() -> None:
    for name in ("_display", "_begin_update", "_end_update"):
        assert callable(getattr(App, name))


def test_one_frame_at_a_time_whole_and_in_marks(play: Callable[[bytes], Player]) -> None:
    at = play(SIXEL)
    at.until(at.shown, "the grid")
    before = at.questions
    at.press("l" * 30)
    at.until(lambda: at.told()["view"]["cursor"] == [30, 0] and at.shown(before), "thirty steps")
    assert at.overtaken == 0
    whole = bytes(at.output)
    whole = whole[: whole.rfind(b"\x1b[?2026l") + 8]  # what is being written at this moment is not yet a frame
    frames = re.findall(rb"\x1b\[\?2026h\x1b7((?:(?!\x1b7).)*?)\x1b8\x1b\[\?2026l", whole, re.DOTALL)
    pictures = [re.findall(rb"\x1b\[(\d+);(\d+)H(\x1bP0;1;0q.*?\x1b\\)", frame, re.DOTALL) for frame in frames]
    assert sum(map(len, pictures)) == whole.count(b"\x1bP0;1;0q"), "every picture is in a frame"
    for row, column, sixels in [piece for frame in pictures for piece in frame][:8]:
        height, width = read_sixel(sixels).shape[:2]
        assert height % 17 == width % 8 == 0
        assert int(row) + height // 17 - 1 < 24, "never on the last row"
        assert int(column) + width // 8 - 1 <= 80


def test_half_an_answer_is_no_key_press(play: Callable[[bytes], Player]) -> None:
    at = play(SIXEL)
    at.answer = lambda answer: [answer[:3], answer[3:]]
    at.until(at.shown, "the grid")
    before = at.questions
    at.press("l")
    at.until(lambda: at.told()["view"]["cursor"] == [1, 0] and at.shown(before), "the step")
    # "[" would change the distance, and digits jump to bookmarks or places.
    assert at.told()["view"]["plane"]["distance"] == 0.5


def test_silence_holds_nothing_up_for_ever(play: Callable[[bytes], Player]) -> None:
    at = play(SIXEL)
    at.answer = lambda _answer: []
    at.until(lambda: at.full() and at.questions, "the grid")
    begun = time.monotonic()
    at.press("lj")
    at.until(lambda: at.told()["view"]["cursor"] == [1, 1], "keys", seconds=5)
    at.until(lambda: at.questions >= 2, "another frame", seconds=15)
    assert time.monotonic() - begun < 20
    at.press("q")
    at.until(lambda: at.process.poll() is not None, "the end", seconds=10)


def test_kitty_is_left_as_it_was(play: Callable[[bytes], Player]) -> None:
    at = play(KITTY)
    at.until(at.shown, "the grid")
    before = at.questions
    at.press("r")
    at.until(lambda: at.told()["view"]["plane"]["seed"] != 7 and at.shown(before), "another plane")
    at.press("q")
    at.until(lambda: at.process.poll() is not None, "the end")
    store = Kitty()
    most = 0
    for message in re.findall(rb"\x1b_G(?!i=4211)[^\x1b]*\x1b\\", bytes(at.output)):
        store.feed(message.decode())
        most = max(most, len(store.pictures))
    assert 1 <= most <= 8, "one for each band of the picture"
    assert store.pictures == {}
    text = bytes(at.output).decode("utf-8", "replace")
    assert text.count("\U0010eeee") >= 80 * 20, "the placeholders are on the screen"
