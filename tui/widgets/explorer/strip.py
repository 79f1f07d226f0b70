"""A few pictures side by side with words below them, for the explorer's panels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len, set_cell_size
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from tui.graphics.canvas import GridCanvas
from tui.graphics.compose import Scene


class PictureStrip(Vertical):
    """Squares in a row, as large as the room allows, from the left edge on; one of them may be framed."""

    DEFAULT_CSS = """
    PictureStrip { width: auto; height: auto; }
    PictureStrip Static { height: 1; color: $muted; }
    """

    def __init__(self, count: int) -> None:
        """
        Args:
            count: How many pictures there are.
        """
        super().__init__()
        self._count = count
        self._words: list[str] = [""] * count
        self._chosen: int | None = None

    def compose(self) -> ComposeResult:
        yield GridCanvas()
        yield Static(markup=False)

    @property
    def canvas(self) -> GridCanvas:
        """What the pictures are painted on."""
        return self.query_one(GridCanvas)

    def fit(self, width: int, most_rows: int) -> int:
        """Take at most this many cells and rows for the pictures; returns the rows that they take."""
        cell_width, cell_height = self.canvas.surface.cell
        rows = max(1, min(most_rows, width * cell_width // (self._count * cell_height)))
        taken = min(width, -(-rows * cell_height * self._count // cell_width))
        self.canvas.styles.height, self.canvas.styles.width = rows, taken
        self.query_one(Static).styles.width = taken
        self._tell()
        return rows

    def show(
        self,
        keys: Sequence[int | None],
        pixels: Mapping[int, NDArray[np.uint8]],
        words: Sequence[str],
        chosen: int | None = None,
    ) -> None:
        """Show other pictures.

        Args:
            keys: The pictures' names, None for those still to come.
            pixels: The pictures by name, uint8 [H, W, C].
            words: What stands below each.
            chosen: Which one has the frame.
        """
        tiles = {(index, 0): key for index, key in enumerate(keys) if key is not None}
        cursor = None if chosen is None else (chosen, 0)
        self.canvas.set_scene(Scene(self._count, 1, tiles, cursor=cursor), pixels)
        if (list(words), chosen) != (self._words, self._chosen):
            self._words, self._chosen = list(words), chosen
            self._tell()

    def _tell(self) -> None:
        width = self.canvas.styles.width
        taken = int(width.value) if width is not None else 0
        if not taken:
            return
        parts: list[tuple[str, str] | str] = []
        at = 0
        for index, word in enumerate(self._words):
            end = round((index + 1) * taken / self._count)
            room = end - at
            # A name and its layers: the name alone where both do not fit.
            shown = word if cell_len(word) < room else word.partition(" ")[0]
            shown = shown if cell_len(shown) < room else set_cell_size(shown, max(0, room - 1)).rstrip()
            before = (room - cell_len(shown)) // 2
            tone = "bold $accent" if index == self._chosen else "$muted"
            parts += [" " * before, (shown, tone), " " * (room - before - cell_len(shown))]
            at = end
        self.query_one(Static).update(Content.assemble(*parts), layout=False)
