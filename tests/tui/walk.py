"""The explorer under test: an app with the stub model, keys to press and conditions to wait for."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from rich.segment import Segment
from textual.message import Message
from textual.pilot import Pilot
from textual.widgets import Static

from tests.adapters import picture
from tests.demo_explorer import ExplorerApp
from tui.graphics.canvas import GridCanvas
from tui.graphics.layout import Geometry
from tui.graphics.pictures import Pictures
from tui.widgets.explorer.grid import Explorer


class Walk:
    """An explorer under test."""

    def __init__(self, app: ExplorerApp, pilot: Pilot[None], messages: list[Message] | None = None) -> None:
        self.app, self.pilot = app, pilot
        self.messages = [] if messages is None else messages

    @property
    def explorer(self) -> Explorer:
        return self.app.query_one(Explorer)

    @property
    def canvas(self) -> GridCanvas:
        return self.app.query_one("#explorer-grid", GridCanvas)

    async def until(self, holds: Callable[[], object], what: str = "it", seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"{what} did not happen"
            await self.pilot.pause(0.01)

    async def full(self) -> None:
        """Until every tile is there and painted."""
        await self.until(self.is_full, "a full grid")

    async def ahead(self) -> None:
        """Until the tiles around the window are made, too."""
        made = self.explorer.tile_at
        await self.until(lambda: all(made(tile) for tile in self.explorer.window.ring((0, 0))), "the tiles around")

    def is_full(self) -> bool:
        scene, window = self.canvas.scene, self.explorer.window
        wanted = 1 if scene.columns == scene.rows == 1 else window.columns * window.rows
        if self.explorer.missing or len(scene.tiles) != wanted:
            return False
        # What is painted is the newest scene: nothing more is to be asked for.
        surface = self.canvas.surface
        columns, rows = self.canvas.size
        return (
            surface._setup == (columns, rows, surface.geometry(columns, rows, scene), self.canvas._look())
            and all(surface._drawn.get(place) == scene.drawn(place) for place in scene.tiles)
            and self.canvas._shown_size == (columns, rows)
            and self._painted_equals_account()
        )

    def _painted_equals_account(self) -> bool:
        pictures = Pictures.of(self.app)
        return not pictures._wake.is_set() and not pictures.busy

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    def told(self, selector: str) -> str:
        """What a line says."""
        return str(self.app.query_one(selector, Static).render())

    def offered(self) -> set[str]:
        """The actions of the explorer that its keys do now."""
        active = self.app.screen.active_bindings.values()
        return {item.binding.action.partition("(")[0] for item in active if item.node is self.explorer and item.enabled}

    def colours(self) -> np.ndarray:
        """What the canvas shows, by its segments: uint8 [2 * rows, columns, 3]."""
        rows: list[list[Any]] = []
        for strip in self.canvas.render_lines(self.canvas.size.region):
            upper: list[Any] = []
            lower: list[Any] = []
            for text, style, _ in list[Segment](strip):
                assert style is not None
                assert style.bgcolor is not None
                back = style.bgcolor.triplet
                fore = style.color.triplet if text == "▄" and style.color else back
                upper += [back] * len(text)
                lower += [fore] * len(text)
            rows += [upper, lower]
        return np.array(rows, np.uint8)

    def expected_tile(self, tile: tuple[int, int]) -> np.ndarray:
        z = self.explorer.view.plane.vector(*tile)
        return picture(z, self.explorer.view.truncation, 64)

    def shown_tile(self, place: tuple[int, int]) -> np.ndarray:
        scene = self.canvas.scene
        x, y, width, height = Geometry(
            self.canvas.size.width, 2 * self.canvas.size.height, scene.columns, scene.rows
        ).tile(*place)
        return self.colours()[y : y + height, x : x + width]


@asynccontextmanager
async def walk(
    size: tuple[int, int] = (80, 24), state: dict[str, object] | None = None, **options: Any
) -> AsyncIterator[Walk]:
    app = ExplorerApp(state=state, **options)
    messages: list[Message] = []
    async with app.run_test(size=size, message_hook=messages.append) as pilot:
        yield Walk(app, pilot, messages)


SEVEN: dict[str, object] = {"journey": {"index": 0, "views": [{"plane": {"dim": 16, "seed": 7, "distance": 0.5}}]}}
