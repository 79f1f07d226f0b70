"""The whole studio in a terminal as a person meets it: from the directory to pictures and text, and what goes wrong."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.e2e.tiny import write_gan, write_text_model
from tests.studio import ROOT, Studio, studio

TO_COME = r"◐ \d+ to come"


@pytest.fixture
def library(home: Path, tmp_path: Path) -> Path:
    """A home whose library holds a small image model "faces" and a small text model "words"."""
    gan = write_gan(tmp_path / "network-snapshot.pkl", resolution=32)
    words = write_text_model(tmp_path / "words")
    for path, name in ((gan, "faces"), (words, "words")):
        subprocess.run(
            [sys.executable, "-m", "tui.cli", "models", "import", str(path), "--name", name, "--json"],
            cwd=ROOT,
            check=True,
            stdout=subprocess.PIPE,
        )
    return home


def open_model(running: Studio, name: str) -> None:
    """From the directory to a model in the workspace."""
    running.wait_for(rf"\b{name}\b")
    running.press("/")
    running.press(name)
    running.wait_for(rf"▸ {name}")
    running.press("enter", "enter")
    running.wait_for(r"Workspace \d .*▸")


def full(running: Studio) -> bool:
    """Whether the grid holds every picture: a time is told and nothing is to come."""
    text = running.text()
    return re.search(r"\d+ ms", text) is not None and re.search(TO_COME, text) is None


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run (a zombie does not)."""
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def gone_within(processes: list[psutil.Process], seconds: float) -> bool:
    """Whether all of them end in time."""
    return not psutil.wait_procs(processes, timeout=seconds)[1] or not alive(processes)


def test_walk_pictures_and_come_back(library: Path) -> None:
    """Enter on an image model fills the explorer; the next start is at the same place."""
    with studio(library, columns=100, rows=32) as running:
        open_model(running, "faces")
        running.wait(lambda: full(running), "a full grid")
        running.press("right", "right", "down")
        running.wait_for(r"\(2, 1\)")
        running.press("]")
        running.press(",")
        line = r"distance 0\.60 · truncation 0\.65 · seed \d+"
        running.wait_for(line)
        settings = re.search(line, running.text())
        assert settings is not None
        running.press("q")
        assert running.process.wait(10) == 0
    with studio(library, columns=100, rows=32) as running:
        running.wait_for(re.escape(settings.group()))
        running.wait_for(r"\(2, 1\)")
        running.wait(lambda: full(running), "a full grid")


def test_complete_text(library: Path) -> None:
    """Enter on a text model, a prompt, and a completion streams in."""
    with studio(library, columns=100, rows=32) as running:
        open_model(running, "words")
        running.wait_for("prompt")
        running.press("def f")
        running.wait_for("def f")
        running.press("enter")
        running.wait_for(r"\d+ of \d+|tok/s")


def test_killed_worker_is_told_and_comes_back_with_one_key(library: Path) -> None:
    """kill -9 of the worker: a sentence, nothing typed is lost, R starts it again."""
    with studio(library, columns=100, rows=32) as running:
        open_model(running, "words")
        running.wait_for("prompt")
        running.press("precious words")
        running.wait_for("precious words")
        running.wait(lambda: bool(running.workers()), "a worker")
        (worker,) = running.workers()
        worker.kill()
        running.wait_for(r"SIGKILL")
        assert "precious words" in running.text()
        # An escape with a letter on its heels is alt and that letter, in every terminal.
        running.press("escape")
        running.wait_for(r"n another")
        running.press("R")
        running.wait(lambda: any(one.pid != worker.pid for one in running.workers()), "another worker")
        running.wait(lambda: "SIGKILL" not in running.text(), "the end of the banner")
        assert "precious words" in running.text()


@pytest.mark.parametrize("how", ["kill -9", "SIGHUP", "closed terminal"])
def test_no_process_outlives_the_studio(library: Path, how: str) -> None:
    """However the studio ends, two seconds later nothing of it runs."""
    with studio(library, columns=100, rows=32) as running:
        open_model(running, "faces")
        running.wait(lambda: full(running), "a full grid")
        family = running.family()
        assert len(family) >= 2
        if how == "kill -9":
            running.kill(signal.SIGKILL)
        elif how == "SIGHUP":
            running.kill(signal.SIGHUP)
        else:
            running.hang_up()
        assert gone_within(family, 2.0), [" ".join(one.cmdline()) for one in alive(family)]


def test_resize_leaves_no_stale_pixels(library: Path) -> None:
    """From 200×60 to 60×18 and back: what is seen is what a screen painted anew shows."""
    with studio(library, columns=200, rows=60) as running:
        open_model(running, "faces")
        running.wait(lambda: full(running), "a full grid")
        running.resize(60, 18)
        running.wait(lambda: _settled(running) and "move" in running.text().splitlines()[17], "the small screen")
        running.resize(200, 60)
        running.wait(lambda: full(running) and "move" in running.text().splitlines()[59], "the large screen")
        running.wait_for_rest()
        kept = _cells(running)
        running.press("1")
        running.wait_for(r"\[1 Directory\]")
        running.press("2")
        running.wait(lambda: full(running) and _cells(running) == kept, "the same picture painted anew")


def _settled(running: Studio) -> bool:
    """Whether no picture is to come; narrow screens do not tell a time."""
    return "distance" in running.text() and re.search(TO_COME, running.text()) is None


def _cells(running: Studio) -> list[tuple[str, str, str]]:
    """Every cell of the picture area with its colours; the header and the side pane tell times."""
    rows, columns = range(4, running.screen.lines - 2), range(running.screen.columns * 2 // 3)
    cells = [running.cell(row, column) for row in rows for column in columns]
    return [(cell.data, cell.fg, cell.bg) for cell in cells]


def test_two_studios_on_one_library(library: Path) -> None:
    """Two at once: both walk, both leave, and both workspaces still read."""
    with studio(library, columns=100, rows=32) as first, studio(library, columns=100, rows=32) as second:
        for running in (first, second):
            open_model(running, "faces")
        for running in (first, second):
            running.wait(lambda running=running: full(running), "a full grid")  # type: ignore[misc]
        first.press("right")
        second.press("down")
        first.wait_for(r"\(1, 0\)")
        second.wait_for(r"\(0, 1\)")
        for running in (first, second):
            running.press("q")
            assert running.process.wait(10) == 0
    with studio(library, columns=100, rows=32) as third:
        third.wait(lambda: full(third), "a full grid")
        assert "cannot" not in third.text()


def test_leaving_restores_the_terminal(library: Path) -> None:
    """After q the main screen is back, the cursor is shown and no mode is left on."""
    with studio(library, columns=80, rows=24) as running:
        running.wait_for("faces")
        running.press("q")
        assert running.process.wait(10) == 0
        running.wait_for_the_last()
        end = bytes(running.output)
    for mode in (b"1049", b"2004", b"1000", b"1003", b"1006"):
        assert end.rfind(b"\x1b[?%sl" % mode) > end.rfind(b"\x1b[?%sh" % mode), mode
    assert end.rfind(b"\x1b[?25h") > end.rfind(b"\x1b[?25l")


def test_a_slow_import_keeps_the_keys_alive(library: Path, tmp_path: Path) -> None:
    """While a large foreign file is read, the studio answers."""
    big = tmp_path / "big.pkl"
    with big.open("wb") as file:
        file.write(b"\x80\x04")
        file.truncate(1 << 30)
    with studio(library, columns=100, rows=32) as running:
        running.wait_for("faces")
        running.press("i")
        running.wait_for(r"(?i)import")
        running.press(os.fspath(big), "enter")
        started = time.monotonic()
        running.wait_for(r"✕ cannot import big\.pkl", 60)
        assert time.monotonic() - started < 60
        running.press("escape")
        running.wait_for(r"↑↓ choose")
        running.press("6")
        running.wait_for(r"\[6 Settings\]")
