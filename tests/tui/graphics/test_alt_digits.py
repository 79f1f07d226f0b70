"""Alt and a digit, as plain terminals send it."""

from __future__ import annotations

import pytest
from textual._xterm_parser import XTermParser
from textual.events import Key

from tui.graphics.driver import with_alt_digits


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        ("\x1b1", ["alt+1"]),
        ("\x1b9\x1b2x", ["alt+9", "alt+2", "x"]),
        ("12\x1b[A", ["1", "2", "up"]),
        ("\x1b[3~\x1b0", ["delete", "º"]),
    ],
)
def test_alt_digits_are_read_as_such(typed: str, keys: list[str]) -> None:
    read = [event.key for event in XTermParser().feed(with_alt_digits(typed)) if isinstance(event, Key)]
    assert read == keys
