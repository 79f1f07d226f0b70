"""The peer of the moving grid: the same pictures in widgets of textual-image, one a tile.

`python -m tests.bench._image_widgets sixel|kitty|blocks COLUMNS ROWS SIDE`. Each right arrow moves the grid by one
column. It does what one would do with care: keys that come while an update is under way are joined into the next one,
which begins when Textual has painted this one.
"""

from __future__ import annotations

import asyncio
import os
import sys
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from PIL import Image
from textual.app import App, ComposeResult
from textual.containers import Grid
from textual_image.widget import HalfcellImage, SixelImage, TGPImage

from tests.adapters import picture
from tests.bench._trace import Trace

WIDGETS: dict[str, Any] = {"sixel": SixelImage, "kitty": TGPImage, "blocks": HalfcellImage}


@lru_cache(4096)
def tile(x: int, y: int) -> Image.Image:
    """The picture of a place, like the stub's."""
    z = np.random.default_rng((x + 10_000, y)).standard_normal(16)
    return Image.fromarray(picture(z, 0.7, 64))


class Widgets(App[None]):
    """A grid of pictures that moves."""

    BINDINGS: ClassVar[list[Any]] = [("right", "move", "move"), ("q", "quit", "quit")]
    CSS = "Grid { grid-gutter: 0; height: 1fr; margin-bottom: 2; } Grid > * { width: 1fr; height: 1fr; }"

    def __init__(self, kind: str, columns: int, rows: int) -> None:
        super().__init__()
        self._kind, self._columns, self._rows = kind, columns, rows
        self._offset = self._shown = self._number = 0
        self._changed = asyncio.Event()
        self.trace = Trace(os.environ["DEMO_TRACE"])

    def compose(self) -> ComposeResult:
        grid = Grid(*(WIDGETS[self._kind](tile(x, y)) for y in range(self._rows) for x in range(self._columns)))
        grid.styles.grid_size_columns, grid.styles.grid_size_rows = self._columns, self._rows
        yield grid

    def on_mount(self) -> None:
        self.trace.start()
        self.run_worker(self._update())
        self._changed.set()

    def action_move(self) -> None:
        self._offset += 1
        self.trace.note(handled=[self._offset, 0])
        self._changed.set()

    async def _update(self) -> None:
        widgets = list(self.query_one(Grid).children)
        while True:
            await self._changed.wait()
            self._changed.clear()
            offset = self._offset
            for index, widget in enumerate(widgets):
                widget.image = tile(offset + index % self._columns, index // self._columns)  # type: ignore[attr-defined]
            painted = asyncio.Event()
            self.call_after_refresh(painted.set)
            await painted.wait()
            assert self._driver is not None
            self._number += 1
            # A question where the measurement looks for one; its answer is a cursor position to Textual.
            self._driver.write(f"\x1b7\x1b[2;{2 + (2 * self._number + 1) % 32}H\x1b[6n\x1b8")
            self.trace.note(frame=self._number, level=0, size=0, cursor=[offset, 0], full=True, whole=True)

    def on_unmount(self) -> None:
        self.trace.write()


if __name__ == "__main__":
    Widgets(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])).run()
