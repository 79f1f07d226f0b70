"""A small map of the plane: where one has been, the window's rectangle, pins and bookmarks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from textual.content import Content
from textual.widgets import Static

from core.latent.journey import View
from core.latent.plane import Plane
from tui.widgets.explorer.state import Bookmark
from tui.widgets.explorer.view import Coordinates, Window

_MOST_PLACES = 2000
_MOST_PLANES = 100
_SOON = 0.1
"""Seconds in which changes are gathered."""

_NOTHING, _SEEN, _BEEN = range(3)
_TONES = {_NOTHING: "$background", _SEEN: "$faint", _BEEN: "$muted"}


class Visited:
    """The tiles that the cursor was on, by plane; what was visited longest ago is forgotten first."""

    def __init__(self) -> None:
        self._planes: dict[object, dict[Coordinates, None]] = {}

    def note(self, view: View) -> None:
        """The cursor is here now."""
        places = self._planes.setdefault(_same(view.plane), {})
        places.pop(view.cursor, None)
        places[view.cursor] = None
        if len(places) > _MOST_PLACES:
            del places[next(iter(places))]
        if len(self._planes) > _MOST_PLANES:
            del self._planes[next(iter(self._planes))]

    def places(self, plane: Plane) -> Mapping[Coordinates, None]:
        """The tiles of a plane, the latest last."""
        return self._planes.get(_same(plane), {})


def _same(plane: Plane) -> object:
    """Equal for a plane with other pins or another distance: its tiles keep their places."""
    return plane.seed, plane.centre


@dataclass(frozen=True)
class Places:
    """What the map shows.

    Attributes:
        been: Tiles that were visited.
        window: What is seen.
        cursor: The tile that is chosen.
        pins: Pinned tiles.
        marks: Numbers of the bookmarks by tile.
    """

    been: Iterable[Coordinates]
    window: Window
    cursor: Coordinates
    pins: Sequence[Coordinates] = ()
    marks: Mapping[Coordinates, int] | None = None

    @staticmethod
    def of(view: View, window: Window, visited: Visited, bookmarks: Sequence[Bookmark]) -> Places:
        """What there is to show of a view's plane."""
        here = _same(view.plane)
        marks = {mark.view.cursor: number for number, mark in enumerate(bookmarks, 1) if _same(mark.view.plane) == here}
        pins = [(round(pin.x), round(pin.y)) for pin in view.plane.pins]
        return Places(visited.places(view.plane), window, view.cursor, pins, marks)


class ExplorerMap(Static):
    """The map as text: half a character is a tile, or a square of 2, 4, 8 … tiles where one has been far."""

    def __init__(self, **options: str) -> None:
        super().__init__(markup=False, **options)  # type: ignore[arg-type]
        self._shown: object = None
        self._places: Places | None = None
        self._due = False

    def show(self, places: Places) -> None:
        """Show other places, soon: a held key moves on thirty times a second, and nobody follows that on a map."""
        self._places = places
        if not self._due:
            self._due = True
            self.set_timer(_SOON, self._draw)

    def on_resize(self) -> None:
        """Another size, another map."""
        self._draw()

    def _draw(self) -> None:
        self._due = False
        width, height = self.size
        if self._places is None or not width or not height:
            return
        rows = drawn(self._places, width, height)
        if rows != self._shown:
            self._shown = rows
            self.update(_content(rows), layout=False)


Cell = tuple[str, str]
"""A character and its style."""


def drawn(places: Places, width: int, height: int) -> list[list[Cell]]:
    """The map in `width` x `height` characters.

    It begins around (0, 0) and moves as little as shows all of it; when that is not enough a half character stands for
    more tiles.
    """
    been, window = list(places.been), places.window
    xs = [window.left, window.left + window.columns - 1, *(x for x, _ in been)]
    ys = [window.top, window.top + window.rows - 1, *(y for _, y in been)]
    scale = 1
    while (max(xs) // scale - min(xs) // scale) >= width or (max(ys) // scale - min(ys) // scale) >= 2 * height:
        scale *= 2
    left = _start(min(xs) // scale, max(xs) // scale, width)
    top = _start(min(ys) // scale, max(ys) // scale, 2 * height)

    def spot(tile: Coordinates) -> Coordinates | None:
        x, y = tile[0] // scale - left, tile[1] // scale - top
        return (x, y) if 0 <= x < width and 0 <= y < 2 * height else None

    # By dot, and only where there is something: this is drawn with every key.
    dots: dict[Coordinates, int] = {}
    first = spot((window.left, window.top))
    last = spot((window.left + window.columns - 1, window.top + window.rows - 1))
    assert first is not None
    assert last is not None
    for y in range(first[1], last[1] + 1):
        dots.update(((x, y), _SEEN) for x in range(first[0], last[0] + 1))
    dots.update((found, _BEEN) for tile in been if (found := spot(tile)) is not None)
    rows = [[_BLANK] * width for _ in range(height)]
    for x, y in {(x, y // 2) for x, y in dots}:
        rows[y][x] = _CELLS[dots.get((x, 2 * y), _NOTHING), dots.get((x, 2 * y + 1), _NOTHING)]
    signs: list[tuple[Coordinates, str, str]] = [(pin, "◆", "$accent") for pin in places.pins]
    signs += [(tile, str(number), "bold $text") for tile, number in (places.marks or {}).items()]
    for tile, sign, tone in (*signs, (places.cursor, "●", "bold $accent")):
        if (found := spot(tile)) is not None:
            x, y = found
            seen = _SEEN in (dots.get((x, y - y % 2)), dots.get((x, y - y % 2 + 1))) or tile == places.cursor
            rows[y // 2][x] = sign, f"{tone} on {_TONES[_SEEN if seen else _NOTHING]}"
    return rows


def _start(low: int, high: int, room: int) -> int:
    """The first of `room` places that hold `low` to `high` with 0 as near to the middle as that allows."""
    return min(max(-(room // 2), high - room + 1), low)


def _cell(upper: int, lower: int) -> Cell:
    """Two dots, one above the other; what was visited is always a shape, for screens without colours."""
    if upper == lower:
        return ("█", _TONES[_BEEN]) if upper == _BEEN else (" ", f"$text on {_TONES[upper]}")
    if lower == _BEEN:
        return "▄", f"{_TONES[lower]} on {_TONES[upper]}"
    return "▀", f"{_TONES[upper]} on {_TONES[lower]}"


_CELLS = {(upper, lower): _cell(upper, lower) for upper in _TONES for lower in _TONES}
_BLANK = _CELLS[_NOTHING, _NOTHING]


def _content(rows: list[list[Cell]]) -> Content:
    parts: list[tuple[str, str] | str] = []
    for number, row in enumerate(rows):
        if number:
            parts.append("\n")
        at = 0
        while at < len(row):
            end = at
            while end < len(row) and row[end][1] == row[at][1]:
                end += 1
            parts.append(("".join(sign for sign, _ in row[at:end]), row[at][1]))
            at = end
    return Content.assemble(*parts)
