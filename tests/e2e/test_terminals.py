"""The explorer in real terminals: every pixel of the grid is compared with what should be there."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests import terminals
from tests.terminals import Terminal
from tests.watched_explorer import (
    LARGE,
    NEAR,
    NEAR_IN_TMUX,
    WatchedExplorer,
    command,
    environment,
    nothing_stale_after_a_switch,
    nothing_stale_whatever_happens,
)
from tests.web_terminal import WebTerminal
from tui.graphics import blocks

pytestmark = [pytest.mark.terminal, pytest.mark.slow]


@pytest.fixture
def display() -> Iterator[str]:
    terminals.need("Xvfb", "xdotool")
    with terminals.screen() as name:
        yield name


@pytest.mark.parametrize(("kind", "protocol"), [("xterm", "sixel"), ("kitty", "kitty-direct")])
def test_nothing_stale_whatever_happens(display: str, tmp_path: Path, kind: str, protocol: str) -> None:
    terminals.need(kind)
    terminal = Terminal(display, kind, LARGE, command(), environment(tmp_path))
    try:
        nothing_stale_whatever_happens(WatchedExplorer(terminal, tmp_path), protocol)
    finally:
        terminal.close()


@pytest.mark.parametrize("protocol", ["sixel", "iterm2"])
def test_nothing_stale_in_a_browser(tmp_path: Path, protocol: str) -> None:
    """xterm.js with its image add-on in Chromium: found by itself for one protocol, asked for the other."""
    arguments = [] if protocol == "iterm2" else [protocol]
    terminal = WebTerminal(LARGE, command(arguments), environment(tmp_path))
    try:
        assert all(float(side).is_integer() for side in terminal.cell), "pixels can be compared one by one"
        nothing_stale_whatever_happens(WatchedExplorer(terminal, tmp_path), protocol)
    finally:
        terminal.close()


@pytest.mark.parametrize(("kind", "protocol"), [("xterm", "sixel"), ("kitty", "kitty-direct")])
def test_another_way_to_draw_at_any_time(display: str, tmp_path: Path, kind: str, protocol: str) -> None:
    terminals.need(kind)
    terminal = Terminal(display, kind, (100, 30), command(), environment(tmp_path))
    try:
        nothing_stale_after_a_switch(WatchedExplorer(terminal, tmp_path), protocol)
    finally:
        terminal.close()


@pytest.mark.parametrize("kind", ["xterm", "plain"])
def test_half_blocks_where_there_are_no_pictures(display: str, tmp_path: Path, kind: str) -> None:
    """A plain xterm, and tmux 3.3 in an xterm that could: pictures by text."""
    terminals.need("xterm", "tmux")
    inside = ["tmux", "-L", f"tarmac-{os.getpid()}", "-f", "/dev/null", "new-session"] if kind == "xterm" else []
    terminal = Terminal(display, kind, (80, 24), command(inside=inside), environment(tmp_path))
    at = WatchedExplorer(terminal, tmp_path, NEAR_IN_TMUX if inside else NEAR)
    try:
        at.wait("half-blocks")
        assert at.told()["protocol"] == "blocks"
        terminal.press("Right", "r")
        at.wait_until(lambda told: told["view"]["plane"]["seed"] != 7, "another plane")
        at.wait("half-blocks again")
    finally:
        terminal.close()
        if inside:
            subprocess.run([*inside[:3], "kill-server"], capture_output=True, check=False)


def test_the_rounded_colours_are_near_enough() -> None:
    """What the comparison above allows covers the rounding of half-blocks."""
    pixels = np.arange(256, dtype=np.uint8)[:, None].repeat(3, 1)[None]
    assert np.abs(blocks.rounded(pixels).astype(int) - pixels).max() < NEAR
