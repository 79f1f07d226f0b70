"""The explorer with the stub model in a terminal, and whether every pixel of its grid is what it should be.

Shared by the tests of all terminals. What should be seen is computed from vectors by the composition alone: no encoder
and no terminal takes part in the expectation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from core.latent.journey import View
from tests.adapters import picture
from tests.terminals import python, wait
from tui.graphics.compose import Look, Scene, TileStore, compose
from tui.graphics.layout import Geometry

STATE = {"journey": {"index": 0, "views": [{"plane": {"dim": 16, "seed": 7, "distance": 0.5}}]}}
ENOUGH = 0.995
NEAR = 40
"""How far a channel may be off: a palette of 256 colours for the whole grid, or JPEG."""
NEAR_IN_TMUX = 64
"""tmux knows the cube of 6x6x6 colours only, whose first step is 95 wide."""
LARGE, SMALL = (200, 60), (60, 18)


class AnyTerminal(Protocol):
    """What the tests ask of a terminal."""

    cell: tuple[float, float]

    def pixels(self) -> np.ndarray: ...
    def press(self, *keys: str) -> None: ...
    def resize(self, columns: int, rows: int) -> None: ...
    def close(self) -> None: ...


def command(arguments: Sequence[str] = (), inside: Sequence[str] = ()) -> list[str]:
    """The command line of the explorer; the shell stays when it ends, so that what it leaves behind can be seen.

    Args:
        arguments: For the explorer: how pictures are drawn.
        inside: The beginning of a command line that runs it, tmux for example.
    """
    return ["sh", "-c", '"$@"; read line', "sh", *inside, *python("-m", "tests.demo_explorer", *arguments)]


def environment(folder: Path) -> dict[str, str]:
    """What the explorer needs to know; what it says goes into `folder`."""
    return {
        "DEMO_REPORT": str(folder / "report.json"),
        "DEMO_PAGE": "1",
        "DEMO_STATE": json.dumps(STATE),
        "TEXTUAL_COLOR_SYSTEM": "truecolor",
        "TARMAC_HOME": str(folder / "home"),
    }


class WatchedExplorer:
    """The explorer in a terminal.

    Args:
        terminal: Runs `command` in `environment(folder)`.
        folder: Where the explorer says what should be seen.
        near: How far a channel may be off.
    """

    def __init__(self, terminal: AnyTerminal, folder: Path, near: int = NEAR) -> None:
        self.terminal, self._report, self._near = terminal, folder / "report.json", near

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

    def seen(self, told: dict[str, Any]) -> np.ndarray:
        """The pixels of the grid's place in the terminal; one a half-block where it is made of those."""
        x, y, columns, _ = told["region"]
        first, last = rows_in_sight(told)
        width, height = self.terminal.cell
        left, right, top, bottom = (
            round(edge) for edge in (x * width, (x + columns) * width, (y + first) * height, (y + last) * height)
        )
        area = self.terminal.pixels()[top:bottom, left:right]
        if told["protocol"] != "blocks":
            return area
        # The middle of each half of each cell: a font may leave a line open between two blocks.
        high, wide = int(height), int(width)
        area = np.stack([area[high // 4 :: high, wide // 2 :: wide], area[high * 3 // 4 :: high, wide // 2 :: wide]], 1)
        return area.reshape(-1, *area.shape[2:])

    def matching(self) -> float:
        """The share of the grid's pixels that are as they should be; 0 while tiles are missing."""
        told = self.told()
        if not told or not told["top"] or told["toasts"] or len(told["tiles"]) < told["grid"][0] * told["grid"][1]:
            return 0.0
        return self._share(told)

    def covered(self, told: dict[str, Any]) -> bool:
        """Whether hardly a pixel of the pictures that `told` describes is left."""
        return self._share(told) < 0.1

    def _share(self, told: dict[str, Any]) -> float:
        first, last = rows_in_sight(told)
        seen, expected = self.seen(told), self.expected(told)[first * told["cell"][1] : last * told["cell"][1]]
        if seen.shape != expected.shape:
            return 0.0
        return float((np.abs(seen.astype(int) - expected) <= self._near).all(axis=2).mean())

    def blank(self) -> bool:
        """One colour but for a little text."""
        columns, rows = LARGE
        width, height = self.terminal.cell
        pixels = self.terminal.pixels()[: int(rows * height), : int(columns * width)]
        return bool((pixels == pixels[-1, -1]).all(axis=2).mean() > 0.99)

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

    def wait_until(self, holds: Callable[[dict[str, Any]], bool], what: str) -> None:
        """Wait until what the program says is so."""
        wait(lambda: holds(self.told()), what)


def rows_in_sight(told: dict[str, Any]) -> tuple[int, int]:
    """First row of the grid's cells that is not scrolled away, and the row after the last."""
    (_, y, _, rows), (_, top, _, height) = told["region"], told["clip"]
    return max(0, top - y), min(rows, top + height - y)


def nothing_stale_whatever_happens(at: WatchedExplorer, protocol: str) -> None:
    """Walks through all that draws over the grid or changes its place, in a terminal of the size `LARGE`.

    Raises:
        AssertionError: The pixels were not right in time after one of the steps.
    """
    terminal = at.terminal
    at.wait("the first grid")
    assert at.told()["protocol"] == protocol
    terminal.press("Right", "Down", "p", "Right")
    at.wait_until(lambda told: bool(told["pins"]), "the pin")
    at.wait("moving")
    terminal.press("Return")
    at.wait_until(lambda told: told["view"]["plane"]["seed"] != 7, "a new plane")
    at.wait("recentring")
    terminal.press("F3")
    at.wait_until(lambda told: not told["top"], "the dialog")
    told = {**at.told(), "top": True}
    wait(lambda: at.covered(told), "the grid to give way to the dialog")
    terminal.press("F3")
    at.wait("closing the dialog")
    terminal.press("n")
    at.wait_until(lambda told: told["toasts"] > 0, "the toast")
    at.wait_until(lambda told: told["toasts"] == 0, "the end of the toast")
    at.wait("after the toast")
    terminal.press("F4")
    at.wait_until(lambda told: rows_in_sight(told)[0] > 0, "the page to scroll")
    at.wait("scrolling down")
    terminal.press("F5")
    at.wait_until(lambda told: rows_in_sight(told)[0] == 0, "the page to scroll back")
    at.wait("scrolling up")
    terminal.press("F2")
    at.wait_until(lambda told: min(told["look"][0]) > 128, "the light theme")
    at.wait("another theme")
    terminal.resize(*SMALL)
    at.wait("a small window", SMALL)
    terminal.press("space")
    at.wait_until(lambda told: told["grid"] == [1, 1], "the big picture")
    at.wait("the big picture")
    terminal.resize(*LARGE)
    at.wait("a large window", LARGE)
    terminal.press("space")
    at.wait_until(lambda told: told["grid"] != [1, 1], "the grid")
    at.wait("the grid again")
    terminal.press("q")
    wait(at.blank, "a clean screen after the end")


def nothing_stale_after_a_switch(at: WatchedExplorer, protocol: str) -> None:
    """Switches from the way that was found to half-blocks, to none, and back.

    Raises:
        AssertionError: The pixels were not right in time.
    """
    terminal = at.terminal
    at.wait("the first grid")
    first = at.told()
    assert first["protocol"] == protocol
    terminal.press("F9")
    at.wait_until(lambda told: told["protocol"] == "blocks", "half-blocks")
    at.wait("the grid in half-blocks")
    terminal.press("F10")
    at.wait_until(lambda told: told["protocol"] == "off", "no pictures")
    wait(lambda: at.covered(first), "the pictures to go")
    terminal.press("F8")
    at.wait_until(lambda told: told["protocol"] == protocol, "the first way")
    at.wait("the grid as it was")
    terminal.press("Right", "F9", "F8", "F9", "F8")
    at.wait_until(lambda told: told["cursor"] != first["cursor"] and told["protocol"] == protocol, "back and forth")
    at.wait("the grid after switching back and forth")
