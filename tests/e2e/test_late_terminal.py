"""The studio in a terminal that answers the probe too late, in pieces, or never: nothing of it is ever typed."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.studio import Studio

ANSWERS = b"\x1b_Gi=4211;OK\x1b\\\x1bP>|kitty(0.41.1)\x1b\\\x1b[6;17;8t\x1b[?2026;2$y\x1b[>1;4000;41c\x1b[?62;4;52;c"


class SilentTerminal(Studio):
    """A terminal that says nothing by itself.

    Attributes:
        first: What it answers to the probe in time.
    """

    first = b""
    _asked = False

    def _answer(self, data: bytes) -> None:
        if not self._asked and b"\x1b[c" in self.output:
            self._asked = True
            self.write(self.first)

    def write(self, data: bytes) -> None:
        """Bytes into the program's input."""
        if data:
            os.write(self._terminal, data)


@pytest.mark.parametrize("cut", [0, 9, 41])
def test_late_answers_are_not_typed(home: Path, cut: int) -> None:
    SilentTerminal.first = ANSWERS[:cut]
    running = SilentTerminal(home)
    try:
        running.wait_for("Directory")
        running.press("\x10")  # ctrl+p: a line to type into
        running.wait_for("type to search")
        for start in range(cut, len(ANSWERS), 11):
            running.write(ANSWERS[start : min(start + 11, len(ANSWERS))])
            running.wait_for_rest(0.05)
        running.press("zq")
        running.wait(lambda: "type to search" not in running.text(), "what was typed")
        running.wait_for_rest(0.3)
        (line,) = re.findall(r"\S*zq\S*", running.text())
        assert line == "zq"
    finally:
        running.close()
