"""The explorer in real terminals: every pixel of the grid is compared with what should be there."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.latent.journey import View
from tests import terminals
from tests.adapters import picture
from tests.terminals import Terminal, python, wait
from tui.graphics import blocks
from tui.graphics.compose import Look, Scene, TileStore, compose
from tui.graphics.layout import Geometry

pytestmark = [pytest.mark.terminal, pytest.mark.slow]

STATE = {"journey": {"index": 0, "views": [{"plane": {"dim": 16, "seed": 7, "distance": 0.5}}]}}
ENOUGH = 0.995
NEAR = 40
"""How far a channel may be off: a palette of 256 colours for the whole grid."""
NEAR_IN_TMUX = 64
"""tmux knows the cube of 6x6x6 colours only, whose first step is 95 wide."""


class Demo:
    """The explorer with the stub model in a terminal."""

    def __init__(self, terminal: Terminal, report: Path, near: int = NEAR) -> None:
        self.terminal, self._report, self._near = terminal, report, near

    def told(self) -> dict[str, Any]:
        """What the program says should be seen."""
        try:
            told: dict[str, Any] = json.loads(self._report.read_text())
        except FileNotFoundError:
            return {}
        return told

    def expected(self, told: dict[str, Any]) -> np.ndarray:
        """The grid's pixels by our own account: vectors, pictures, composition; no encoder, no terminal."""
        view = View.from_json(told["view"])
        store, tiles = TileStore(), {}
        for key, (column, row, x, y) in enumerate(told["tiles"]):
            store.put(key, picture(view.plane.vector(x, y), view.truncation, 64))
            tiles[column, row] = key
        cursor = tuple(told["cursor"]) if told["cursor"] else None
        scene = Scene(*told["grid"], tiles, None, cursor, frozenset((column, row) for column, row in told["pins"]))
        columns, rows = told["region"][2:]
        width, height = told["cell"]
        look = Look(*((red, green, blue) for red, green, blue in told["look"]))
        return compose(scene, Geometry(columns * width, rows * height, *told["grid"]), store, look)

    def matching(self) -> float:
        """The share of the grid's pixels that are as they should be; 0 while tiles are missing."""
        told = self.told()
        if not told or not told["top"] or told["toasts"] or len(told["tiles"]) < told["grid"][0] * told["grid"][1]:
            return 0.0
        expected = self.expected(told)
        x, y, columns, rows = told["region"]
        width, height = terminals.CELL
        area = self.terminal.pixels()[y * height : (y + rows) * height, x * width : (x + columns) * width]
        if told["protocol"] == "blocks":
            # The middle of each half of each cell: a font may leave a line open between two blocks.
            area = np.stack([area[4::height, 4::width], area[13::height, 4::width]], axis=1)
            area = area.reshape(-1, *area.shape[2:])
        if area.shape != expected.shape:
            return 0.0
        return float((np.abs(area.astype(int) - expected) <= self._near).all(axis=2).mean())

    def wait(self, what: str, size: tuple[int, int] | None = None) -> None:
        """Wait until the grid is right (and the terminal has a size)."""
        best = 0.0

        def right() -> bool:
            nonlocal best
            if size is not None and tuple(self.told().get("screen", ())) != size:
                return False
            best = max(best, self.matching())
            return best >= ENOUGH

        try:
            wait(right, what)
        except AssertionError as error:
            Image.fromarray(self.terminal.pixels()).save(self._report.with_name("screen.png"))
            raise AssertionError(f"{what}: at best {best:.2%} of the grid was right; {self._report.parent}") from error


@pytest.fixture
def display() -> Iterator[str]:
    terminals.need("Xvfb", "xdotool")
    with terminals.screen() as name:
        yield name


def start(display: str, kind: str, folder: Path, size: tuple[int, int], inside: list[str] | None = None) -> Demo:
    report = folder / "report.json"
    environ = {
        "DEMO_REPORT": str(report),
        "DEMO_STATE": json.dumps(STATE),
        "TEXTUAL_COLOR_SYSTEM": "truecolor",
        "TARMAC_HOME": str(folder / "home"),
    }
    # The shell stays when the program ends, so that what it leaves behind can be seen.
    command = ["sh", "-c", '"$@"; read line', "sh", *(inside or []), *python("-m", "tests.demo_explorer")]
    near = NEAR_IN_TMUX if inside else NEAR
    return Demo(Terminal(display, kind, size, command, environ), report, near)


@pytest.mark.parametrize(("kind", "protocol"), [("xterm", "sixel"), ("kitty", "kitty-direct")])
def test_nothing_stale_whatever_happens(display: str, tmp_path: Path, kind: str, protocol: str) -> None:
    terminals.need(kind)
    demo = start(display, kind, tmp_path, (200, 60))
    terminal = demo.terminal
    try:
        demo.wait("the first grid")
        assert demo.told()["protocol"] == protocol
        terminal.press("Right", "Down", "p", "Right")
        wait(lambda: bool(demo.told()["pins"]), "the pin")
        demo.wait("moving")
        terminal.press("Return")
        wait(lambda: demo.told()["view"]["plane"]["seed"] != 7, "a new plane")
        demo.wait("recentring")
        terminal.press("F3")
        wait(lambda: not demo.told()["top"], "the dialog")
        told = {**demo.told(), "top": True}
        wait(lambda: covered(demo, told), "the grid to give way to the dialog")
        terminal.press("F3")
        demo.wait("closing the dialog")
        terminal.press("n")
        wait(lambda: demo.told()["toasts"] > 0, "the toast")
        wait(lambda: demo.told()["toasts"] == 0, "the end of the toast")
        demo.wait("after the toast")
        terminal.press("F2")
        wait(lambda: min(demo.told()["look"][0]) > 128, "the light theme")
        demo.wait("another theme")
        terminal.resize(60, 18)
        demo.wait("a small window", (60, 18))
        terminal.press("space")
        wait(lambda: demo.told()["grid"] == [1, 1], "the big picture")
        demo.wait("the big picture")
        terminal.resize(200, 60)
        demo.wait("a large window", (200, 60))
        terminal.press("space")
        wait(lambda: demo.told()["grid"] != [1, 1], "the grid")
        demo.wait("the grid again")
        terminal.press("q")
        wait(lambda: blank(terminal), "a clean screen after the end")
    finally:
        terminal.close()


def covered(demo: Demo, told: dict[str, Any]) -> bool:
    """Hardly a pixel of the pictures is left."""
    x, y, columns, rows = told["region"]
    width, height = terminals.CELL
    area = demo.terminal.pixels()[y * height : (y + rows) * height, x * width : (x + columns) * width]
    return float((np.abs(area.astype(int) - demo.expected(told)) <= NEAR).all(axis=2).mean()) < 0.1


def blank(terminal: Terminal) -> bool:
    """One colour but for a little text."""
    pixels = terminal.pixels()[: 60 * terminals.CELL[1], : 200 * terminals.CELL[0]]
    return bool((pixels == pixels[-1, -1]).all(axis=2).mean() > 0.99)


@pytest.mark.parametrize("kind", ["xterm", "plain"])
def test_half_blocks_where_there_are_no_pictures(display: str, tmp_path: Path, kind: str) -> None:
    """A plain xterm, and tmux 3.3 in an xterm that could: pictures by text."""
    terminals.need("xterm", "tmux")
    inside = ["tmux", "-L", f"tarmac-{os.getpid()}", "-f", "/dev/null", "new-session"] if kind == "xterm" else None
    demo = start(display, kind, tmp_path, (80, 24), inside)
    try:
        demo.wait("half-blocks")
        assert demo.told()["protocol"] == "blocks"
        demo.terminal.press("Right", "r")
        wait(lambda: demo.told()["view"]["plane"]["seed"] != 7, "another plane")
        demo.wait("half-blocks again")
    finally:
        demo.terminal.close()
        if inside:
            subprocess.run([*inside[:3], "kill-server"], capture_output=True, check=False)


def test_the_rounded_colours_are_near_enough() -> None:
    """What the comparison above allows covers the rounding of half-blocks."""
    pixels = np.arange(256, dtype=np.uint8)[:, None].repeat(3, 1)[None]
    assert np.abs(blocks.rounded(pixels).astype(int) - pixels).max() < NEAR
