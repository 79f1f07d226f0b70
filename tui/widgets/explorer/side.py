"""The explorer's side pane: the tile under the cursor, the bookmarks by number, where one came from, and a map."""

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
from tui.widgets.explorer.map import ExplorerMap, Places
from tui.widgets.explorer.tiles import Tile

_IN_ROW = 5
_TITLES = {"here": "here", "bookmarks": "bookmarks · alt+1…9 or B", "trail": "trail", "map": "map"}
_BELOW = {"bookmarks": "side-numbers", "trail": "side-arrows"}

_LEAST_HERE, _LEAST_MAP, _USUAL_MAP, _MOST_MAP = 9, 3, 5, 12


@dataclass(frozen=True)
class _Rows:
    """How the height is shared out: rows of the large picture and of the map, and which strips there are."""

    here: int
    map: int
    bookmarks: bool = True
    trail: bool = True

    @staticmethod
    def of(height: int, square: int, strip: int) -> _Rows:
        """
        Args:
            height: Rows of the pane.
            square: Rows of a picture that is as wide as the pane.
            strip: Rows of the bookmarks, and of the trail.
        """
        rest, block = height - 4, strip + 2  # a title and three lines of facts; a strip, its title and a line below
        trail, bookmarks = rest >= _LEAST_HERE + 2 * block, rest >= _LEAST_HERE + block
        rest -= block * (trail + bookmarks)
        spare = rest - 1 - min(square, _LEAST_HERE)
        if not trail or spare < _LEAST_MAP:
            return _Rows(max(3, min(square, rest)), 0, bookmarks, trail)
        rows = min(spare, _USUAL_MAP)
        rows = min(_MOST_MAP, max(rows, rest - 1 - square))
        return _Rows(min(square, rest - 1 - rows), rows)


@dataclass(frozen=True)
class Here:
    """What is told about the tile under the cursor."""

    tile: Tile | None
    seed: int
    position: str
    worn: str
    pinned: bool
    missing: int


class ExplorerSide(Vertical):
    """Shows; knows nothing of planes."""

    DEFAULT_CSS = """
    ExplorerSide { height: 1fr; }
    ExplorerSide .title { height: 1; color: $text-muted; }
    ExplorerSide .facts { height: 3; color: $text-muted; }
    ExplorerSide #side-numbers, ExplorerSide #side-arrows { height: 1; color: $text-muted; }
    ExplorerSide .-off { display: none; }
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
        yield Static(id="title-map", classes="title", markup=False)
        yield ExplorerMap(id="side-map")

    def on_resize(self, event: events.Resize) -> None:
        """Squares as wide as the pane; when it is low the map gives way first, then the trail and the bookmarks."""
        here = self.query_one("#side-here", GridCanvas)
        cell_width, cell_height = here.surface.cell
        width, height = event.size
        strip = max(1, round(width / _IN_ROW * cell_width / cell_height))
        square = round(width * cell_width / cell_height)
        rows = _Rows.of(height, square, strip)
        here.styles.height = rows.here
        self.query_one(ExplorerMap).styles.height = rows.map
        for name, there in (("bookmarks", rows.bookmarks), ("trail", rows.trail), ("map", rows.map > 0)):
            for widget in self.query(f"#title-{name}, #side-{name}, #{_BELOW.get(name, 'none')}"):
                widget.set_class(not there, "-off")
        for name in ("bookmarks", "trail"):
            self.query_one(f"#side-{name}", GridCanvas).styles.height = strip
        for name, title in _TITLES.items():
            self.query_one(f"#title-{name}", Static).update(f"{title} ".ljust(width, "─"), layout=False)

    def show(
        self,
        here: Here,
        bookmarks: Sequence[Tile | None],
        trail: Sequence[Tile | None],
        place: int,
        back: bool,
        forward: bool,
        pixels: Mapping[int, NDArray[np.uint8]],
        places: Places,
    ) -> None:
        """Show another state.

        Args:
            here: The tile under the cursor.
            bookmarks: Their pictures, None for those still to come.
            trail: The pictures of the views around this one, the oldest first.
            place: Which of them is this one.
            back, forward: Whether there is more on that side.
            pixels: The pictures by key.
            places: What the map shows.
        """
        tiles = {} if here.tile is None else {(0, 0): here.tile.key}
        self.query_one("#side-here", GridCanvas).set_scene(Scene(1, 1, tiles), pixels)
        state = f"◐ {here.missing} to come" if here.missing else ""
        time = "" if here.tile is None else f"{here.tile.milliseconds:.0f} ms"
        pinned = "pinned" if here.pinned else ""
        facts = [f"seed {here.seed} · {here.position}", " · ".join(filter(None, (pinned, time, state)))]
        self._say("side-facts", "\n".join([*facts, here.worn]))
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
        self.query_one(ExplorerMap).show(places)

    def _say(self, name: str, text: str) -> None:
        # Comes with every tile: what is the same is not painted again.
        if self._said.get(name) != text:
            self._said[name] = text
            self.query_one(f"#{name}", Static).update(text, layout=False)


def _numbers(count: int, columns: int, width: int) -> str:
    """The keys of the bookmarks, each under its picture."""
    line = ""
    for index in range(count):
        line = line.ljust(int((index + 0.5) * width / columns)) + str(index + 1)
    return line
