"""What tmux says, by a program of that name that says what the test wants; and a tmux that says nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tui.graphics import tmux
from tui.graphics.tmux import Tmux

Says = Callable[[str], None]


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Says:
    program = tmp_path / "tmux"

    def make(script: str) -> None:
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return make


INSIDE = {"TMUX": "/tmp/tmux-0/default,1,0"}


def test_outside_nobody_is_asked(says: Says) -> None:
    says("echo 3.5a; exit 1")
    assert tmux.ask({}) is None


def test_what_it_knows_of_the_terminal_around_it(says: Says) -> None:
    says(
        'case "$1" in\n'
        "display-message) printf '3.5a\\txterm-256color\\tXTerm(398)\\t256,clipboard,sixel,title\\n';;\n"
        "show-options) echo all;;\nesac"
    )
    assert tmux.ask(INSIDE) == Tmux("3.5a", "xterm-256color", "XTerm(398)", True, True)
    says(
        "if [ \"$1\" = show-options ]; then echo off\nelse printf '3.3a\\txterm-kitty\\tkitty(0.41.1)\\t256,RGB\\n'; fi"
    )
    assert tmux.ask(INSIDE) == Tmux("3.3a", "xterm-kitty", "kitty(0.41.1)", False, False)


@pytest.mark.parametrize("script", ["exit 1", "printf '\\377\\376'", "echo", "sleep 30"])
def test_one_that_does_not_answer(says: Says, script: str) -> None:
    says(script)
    found = tmux.ask(INSIDE)
    assert found is not None
    assert (found.sixel, found.passthrough) == (False, False)
    assert tmux.discarded() is None


def test_bytes_thrown_away(says: Says) -> None:
    says("printf '/dev/pts/3\\t4096\\n'")
    assert tmux.discarded() == ("/dev/pts/3", 4096)
