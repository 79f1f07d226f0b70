"""Notifications of the terminal: only where its documentation names the sequence, and never with foreign sequences."""

from __future__ import annotations

import pytest

from tui.graphics.brands import TerminalInfo
from tui.graphics.notices import notice_for


@pytest.mark.parametrize(
    ("brand", "data"),
    [
        ("kitty(0.41.1)", "\x1b]9;Tarmac: done\x1b\\"),
        ("ghostty 1.2.0", "\x1b]9;Tarmac: done\x1b\\"),
        ("iTerm2 3.5", "\x1b]9;Tarmac: done\x1b\\"),
        ("foot(1.20.2)", "\x1b]777;notify;Tarmac;done\x1b\\"),
        ("XTerm(398)", ""),
        ("Windows Terminal", ""),
        ("unknown", ""),
    ],
)
def test_each_brand_gets_its_own_or_none(brand: str, data: str) -> None:
    assert notice_for(TerminalInfo(brand=brand), "done") == data


def test_nothing_goes_through_tmux() -> None:
    assert notice_for(TerminalInfo(brand="kitty(0.41.1)", tmux=True), "done") == ""


def test_a_name_cannot_end_the_sequence() -> None:
    told = notice_for(TerminalInfo(brand="foot(1.20.2)"), "a\x1b\\b\x07;c" + "x" * 900)
    assert told.count("\x1b") == 2
    assert "\x07" not in told
    assert told.count(";") == 3
    assert len(told) < 300
