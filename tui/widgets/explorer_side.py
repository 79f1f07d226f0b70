"""The explorer's side pane: the tile under the cursor, the bookmarks by number, and where one came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from tui.graphics.canvas import GridCanvas
from tui.graphics.compose import Scene
from tui.widgets.explorer_tiles import Tile

_IN_ROW = 5


@dataclass(frozen=True)
class Here:
    """What is told about the tile under the cursor."""

    tile: Tile | None
    seed: int
    position: str
    settings: str
    pinned: bool
    missing: int


class ExplorerSide(Vertical):
    """Shows; knows nothing of planes."""

    DEFAULT_CSS = """
    ExplorerSide { height: 1fr; }
    ExplorerSide .title { height: 1; color: $text-muted; }
    ExplorerSide .facts { height: 5; color: $text-muted; }
    ExplorerSide #side-numbers, ExplorerSide #side-arrows { height: 1; color: $text-muted; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        yield Static(id="title-here", classes="title", markup=False)
        yield GridCanvas(id="side-here")
        yield Static(id="side-facts", classes="facts", markup=False)
        yield Static(id="title-bookmarks", classes="title", markup=False)
        yield GridCanvas(id="side-bookmarks")
        yield Static(id="side-numbers", markup=False)
        yield Static(id="title-trail", classes="title", markup=False)
        yield GridCanvas(id="side-trail")
        yield Static(id="side-arrows", markup=False)

    def on_resize(self, event: events.Resize) -> None:
        """Squares as wide as the pane; the trail and the bookmarks give way first when it is low."""
        here = self.query_one("#side-here", GridCanvas)
        cell_width, cell_height = here.surface.cell
        width, height = event.size
        strip = max(1, round(width / _IN_ROW * cell_width / cell_height))
        square = round(width * cell_width / cell_height)
        here.styles.height = max(3, min(square, height - 3 * strip - 9))
        for name in ("bookmarks", "trail"):
            self.query_one(f"#side-{name}", GridCanvas).styles.height = strip
            title = self.query_one(f"#title-{name}", Static)
            how = "bookmarks · alt+1…9 or B" if name == "bookmarks" else name
            title.update(f"{how} ".ljust(width, "─"), layout=False)
        self.query_one("#title-here", Static).update("here ".ljust(width, "─"), layout=False)

    def show(
        self,
        here: Here,
        bookmarks: Sequence[Tile | None],
        trail: Sequence[Tile | None],
        place: int,
        back: bool,
        forward: bool,
        pixels: Mapping[int, NDArray[np.uint8]],
    ) -> None:
        """Show another state.

        Args:
            here: The tile under the cursor.
            bookmarks: Their pictures, None for those still to come.
            trail: The pictures of the views around this one, the oldest first.
            place: Which of them is this one.
            back, forward: Whether there is more on that side.
            pixels: The pictures by key.
        """
        tiles = {} if here.tile is None else {(0, 0): here.tile.key}
        self.query_one("#side-here", GridCanvas).set_scene(Scene(1, 1, tiles), pixels)
        state = f"◐ {here.missing} to come" if here.missing else ""
        time = "" if here.tile is None else f"{here.tile.milliseconds:.0f} ms"
        pinned = "pinned" if here.pinned else ""
        facts = [f"seed {here.seed} · {here.position}", " · ".join(filter(None, (pinned, time, state)))]
        self._say("side-facts", "\n".join([*facts, _wrapped(here.settings)]))
        columns = max(_IN_ROW, len(bookmarks))
        marks = {(index, 0): tile.key for index, tile in enumerate(bookmarks) if tile}
        there = frozenset((index, 0) for index in range(len(bookmarks)))
        self.query_one("#side-bookmarks", GridCanvas).set_scene(Scene(columns, 1, marks, there), pixels)
        numbers = _numbers(len(bookmarks), columns, self.size.width) if bookmarks else "b keeps this tile"
        self._say("side-numbers", numbers)
        steps = {(index, 0): tile.key for index, tile in enumerate(trail) if tile}
        awaited = frozenset((index, 0) for index in range(len(trail)))
        self.query_one("#side-trail", GridCanvas).set_scene(Scene(_IN_ROW, 1, steps, awaited, (place, 0)), pixels)
        arrows = f"{'◂ ⌫ back' if back else ''}{'   f forward ▸' if forward else ''}".strip()
        self._say("side-arrows", arrows or "⏎ goes on from here")

    def _say(self, name: str, text: str) -> None:
        # Comes with every tile: what is the same is not painted again.
        if self._said.get(name) != text:
            self._said[name] = text
            self.query_one(f"#{name}", Static).update(text, layout=False)


def _wrapped(settings: str) -> str:
    parts = [part for part in settings.split(" · ") if not part.startswith("seed")]
    return "\n".join(parts)


def _numbers(count: int, columns: int, width: int) -> str:
    """The keys of the bookmarks, each under its picture."""
    line = ""
    for index in range(count):
        line = line.ljust(int((index + 0.5) * width / columns)) + str(index + 1)
    return line
