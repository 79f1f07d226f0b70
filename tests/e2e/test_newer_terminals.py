"""The explorer in terminals of Debian 13: kitty with placeholders, tmux 3.5 in between. By `make test-terminals`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests import terminals
from tests.newer_debian import NewerDebian
from tests.terminals import Terminal
from tests.watched_explorer import (
    LARGE,
    WatchedExplorer,
    command,
    environment,
    nothing_stale_after_a_switch,
    nothing_stale_whatever_happens,
)

pytestmark = [pytest.mark.newer]


@pytest.fixture(scope="module")
def debian() -> NewerDebian:
    return NewerDebian()


@pytest.fixture
def display() -> Iterator[str]:
    terminals.need("Xvfb", "xdotool")
    with terminals.screen() as name:
        yield name


@pytest.mark.parametrize(("kind", "protocol"), [("xterm", "sixel"), ("kitty", "kitty")])
def test_nothing_stale(debian: NewerDebian, display: str, tmp_path: Path, kind: str, protocol: str) -> None:
    terminal = Terminal(display, kind, LARGE, debian.back(command()), environment(tmp_path), debian.enter)
    try:
        nothing_stale_whatever_happens(WatchedExplorer(terminal, tmp_path), protocol)
    finally:
        terminal.close()


def test_another_way_to_draw_at_any_time(debian: NewerDebian, display: str, tmp_path: Path) -> None:
    line = debian.back(command())
    terminal = Terminal(display, "kitty", (100, 30), line, environment(tmp_path), debian.enter)
    try:
        nothing_stale_after_a_switch(WatchedExplorer(terminal, tmp_path), "kitty")
    finally:
        terminal.close()


def test_frames_do_not_pile_up_in_kitty(debian: NewerDebian, display: str, tmp_path: Path) -> None:
    """Two thousand frames: a picture that is sent again takes the place of the one before."""
    line = debian.back(command())
    terminal = Terminal(display, "kitty", (100, 30), line, environment(tmp_path), debian.enter)
    at = WatchedExplorer(terminal, tmp_path)
    try:
        at.wait("the first grid")

        def walk(frames: int) -> int:
            enough = at.told()["frames"] + frames
            while at.told()["frames"] < enough:
                terminal.hold("r", 60)
            at.wait("the last plane")
            return psutil.Process(terminal.process.pid).memory_info().rss

        first = walk(100)
        before = at.told()["frames"]
        last = walk(1900)
        sent = at.told()["frames"] - before
        print(f"kitty: {first / 2**20:.0f} MiB, and {last / 2**20:.0f} MiB after {sent} more frames")
        assert sent >= 1900
        # Kept, they would be more than a megabyte each.
        assert last - first < 24 * 2**20, f"{(last - first) / 2**20:.0f} MiB more after {sent} frames"
    finally:
        terminal.close()


@pytest.mark.parametrize(
    ("kind", "newer", "option", "protocol"),
    [
        ("xterm", True, "", "sixel"),
        ("kitty", True, "set -g allow-passthrough on", "kitty"),
        ("kitty", False, "set -g allow-passthrough on", "kitty"),
    ],
)
def test_nothing_stale_in_tmux(
    debian: NewerDebian, display: str, tmp_path: Path, kind: str, newer: bool, option: str, protocol: str
) -> None:
    """tmux 3.5 draws sixel itself, or hands kitty's pictures on where it may, as the system's older one does."""
    settings = tmp_path / "tmux.conf"
    settings.write_text(f"{option}\nset -g status off\n")
    tmux = ["tmux", "-L", f"tarmac-{os.getpid()}-{kind}-{newer}", "-f", str(settings), "new-session"]
    if newer:
        line = ["sh", "-c", '"$@"; read line', "sh", *tmux, *debian.back(command())]
    else:
        terminals.need("tmux")
        line = debian.back(command(inside=tmux))
    terminal = Terminal(display, kind, LARGE, line, environment(tmp_path), debian.enter)
    try:
        nothing_stale_whatever_happens(WatchedExplorer(terminal, tmp_path), protocol)
    finally:
        terminal.close()
        end = [*tmux[:3], "kill-server"]
        subprocess.run(debian.enter(end) if newer else end, capture_output=True, check=False)
