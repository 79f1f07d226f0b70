"""What an explorer's view needs to be seen: the vectors of its tiles, their pictures, and the scene made of them.

Knows no widget: where one is comes with each question, so the explorer alone decides that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.errors import TarmacError
from core.interface import Interface
from core.latent.journey import View
from core.latent.plane import Plane
from core.latent.style import COMMAND, PLAIN, Style
from core.workers.session import Session
from tui.graphics.compose import Scene
from tui.widgets.explorer.layers import layer_count
from tui.widgets.explorer.state import Bookmark
from tui.widgets.explorer.tiles import Tile, TileMaker, Wish
from tui.widgets.explorer.view import Coordinates, Window

Vector = NDArray[np.float32]

_MOST_VECTORS = 4096


@dataclass(frozen=True)
class Lacking:
    """What has to be computed before a view can be asked for: tiles of its plane, and views of the trail."""

    plane: Plane
    tiles: list[Coordinates]
    trail: list[View]


class Gallery:
    """The vectors and pictures of one model.

    Args:
        session: The model's worker.
        interface: As the library has it; its default command takes one vector and gives one image.
        on_tile: Called when a picture has come.
        on_error: Called with what went wrong with a request.
        on_forget: Called with the keys of pictures that were dropped.
    """

    def __init__(
        self,
        session: Session,
        interface: Interface,
        *,
        on_tile: Callable[[], None],
        on_error: Callable[[TarmacError], None],
        on_forget: Callable[[list[int]], None],
    ) -> None:
        command = interface.default
        self.maker = TileMaker(session, command, on_tile=on_tile, on_error=on_error, on_forget=on_forget)
        vector = command.inputs[self.maker.vector_input]
        self.dim: int = vector.length  # type: ignore[attr-defined]
        self._session, self._declared = session, interface
        self._vectors: dict[Coordinates, Vector] = {}
        self._vectors_of: Plane | None = None
        self._wishes: dict[Coordinates, Wish] = {}
        self._wishes_as: tuple[float, Style] | None = None
        self._trail: dict[tuple[int, Coordinates], tuple[Plane, Vector]] = {}
        self._order: tuple[Window, Coordinates, list[Coordinates]] | None = None

    @property
    def pixels(self) -> Mapping[int, NDArray[np.uint8]]:
        """All pictures there are, uint8 [H, W, C], by key."""
        return self.maker.by_key

    def offers(self, name: str) -> bool:
        """Whether the model has a command: as its worker said, else as the library has it."""
        return name in (self._session.interface or self._declared).commands

    @property
    def layers(self) -> int:
        """How many style layers the model has, as its worker told; 0 before that and for a model without."""
        return layer_count(self._session.info)

    # -- one at a time

    def vector(self, tile: Coordinates) -> Vector | None:
        """The vector of a tile of the plane seen last, float32 [dim], if it is computed."""
        return self._vectors.get(tile)

    def tile(self, view: View, tile: Coordinates) -> Tile | None:
        """The picture of a tile of a view's plane, if it is there."""
        (wish,) = self._wishes_for(view, [tile])
        return None if wish is None else self.maker.get(wish)

    def marked(self, mark: Bookmark) -> Tile | None:
        """The picture of a bookmark, if it is there."""
        return self.maker.get(self.wish(mark.z, mark.view.truncation, mark.view.style))

    def passed(self, view: View) -> Tile | None:
        """The picture of a view of the trail, if it is there."""
        wish = self._trail_wish(view)
        return None if wish is None else self.maker.get(wish)

    def wish(self, z: Vector, truncation: float, style: Style) -> Wish:
        """The wish for a vector, float32 [dim], as this model can draw it: equal pictures are equal wishes."""
        return Wish.of(z, truncation if self.maker.has_truncation else None, self._drawn(style))

    # -- all that is seen

    def lacking(self, view: View, window: Window, trail: Sequence[View]) -> Lacking | None:
        """Which vectors have to be computed for a view; None when all are there."""
        plane = view.plane
        if plane is not self._vectors_of:
            if plane != self._vectors_of:
                self._vectors, self._wishes = {}, {}
            self._vectors_of = plane
        return self._lacking(plane, self._outward(window, view.cursor), trail)

    def lacking_around(self, view: View, ring: Sequence[Coordinates]) -> Lacking | None:
        """Which vectors have to be computed before tiles beside the window can be made."""
        return self._lacking(view.plane, ring, [])

    def _lacking(self, plane: Plane, wanted: Sequence[Coordinates], trail: Sequence[View]) -> Lacking | None:
        tiles = [tile for tile in wanted if tile not in self._vectors]
        steps = [step for step in trail if (id(step.plane), step.cursor) not in self._trail]
        return Lacking(plane, tiles, steps) if tiles or steps else None

    async def compute(self, lacking: Lacking, seen: Callable[[], Window]) -> AsyncIterator[None]:
        """Compute vectors in a thread (a new plane takes up to 100 ms to set up); yields when there are new ones.

        Args:
            lacking: What to compute.
            seen: Tells the window as it is by then; its vectors are kept when there are too many.
        """
        if lacking.tiles:
            vectors = await asyncio.to_thread(lacking.plane.vectors, lacking.tiles)
            if lacking.plane is not self._vectors_of:
                return
            if len(self._vectors) > _MOST_VECTORS:
                window = seen()
                self._vectors = {tile: z for tile, z in self._vectors.items() if window.place(tile) is not None}
                self._wishes = {}
            self._vectors.update(zip(lacking.tiles, vectors))
            yield
        for view in lacking.trail:
            z = await asyncio.to_thread(view.plane.vector, *view.cursor)
            # By identity: hashing a plane reads all its pins. It is kept, so that no other one gets its identity.
            self._trail[id(view.plane), view.cursor] = view.plane, z
            if len(self._trail) > _MOST_VECTORS:
                self._trail.pop(next(iter(self._trail)))
        if lacking.trail:
            yield

    def want(
        self,
        view: View,
        window: Window,
        marks: Sequence[Bookmark],
        trail: Sequence[View],
        first: Sequence[Wish] = (),
    ) -> None:
        """Have the pictures made that are missing, from the cursor outward, then the bookmarks' and the trail's.

        Args:
            view: Where one is.
            window: What is seen of it.
            marks: Bookmarks that are seen.
            trail: Views that are seen in the trail.
            first: Pictures of a panel, which come right after the one under the cursor.
        """
        found = self._wishes_for(view, self._outward(window, view.cursor))
        found[1:1] = first
        found += [self.wish(mark.z, mark.view.truncation, mark.view.style) for mark in marks]
        found += [self._trail_wish(step) for step in trail]
        self.maker.want(wish for wish in found if wish is not None)

    def look_ahead(self, view: View, ring: Sequence[Coordinates]) -> None:
        """Have tiles beside the window made while nothing else is wanted, the first ones first."""
        self.maker.look_ahead(wish for wish in self._wishes_for(view, ring) if wish is not None)

    def scene(self, view: View, window: Window) -> Scene:
        """The grid as it can be shown now."""
        places = [(x, y) for y in range(window.rows) for x in range(window.columns)]
        tiles = {}
        for place, wish in zip(places, self._wishes_for(view, map(window.tile, places))):
            if wish is not None and (made := self.maker.get(wish)) is not None:
                tiles[place] = made.key
        pinned = (window.place((round(pin.x), round(pin.y))) for pin in view.plane.pins)
        pins = frozenset(place for place in pinned if place is not None)
        return Scene(window.columns, window.rows, tiles, None, window.place(view.cursor), pins)

    def large(self, view: View) -> Scene:
        """The picture under the cursor alone."""
        here = self.tile(view, view.cursor)
        return Scene(1, 1, {} if here is None else {(0, 0): here.key})

    # -- inside

    def _outward(self, window: Window, middle: Coordinates) -> list[Coordinates]:
        if self._order is None or self._order[:2] != (window, middle):
            self._order = window, middle, window.outward(middle)
        return self._order[2]

    def _drawn(self, style: Style) -> Style:
        """A style without what draws nothing, and none at all for a model that has none."""
        interface = self._session.interface
        if style.empty or (interface is not None and COMMAND not in interface.commands):
            return PLAIN
        return style if any(style.edits) else replace(style, edits=(), edit_layers=None)

    def _wishes_for(self, view: View, tiles: Iterable[Coordinates]) -> list[Wish | None]:
        # Asked for every tile with every frame: the bytes of a vector are made once.
        drawn = view.truncation, self._drawn(view.style)
        if drawn != self._wishes_as:
            self._wishes, self._wishes_as = {}, drawn
        found: list[Wish | None] = []
        for tile in tiles:
            wish = self._wishes.get(tile)
            if wish is None and (z := self._vectors.get(tile)) is not None:
                wish = self._wishes[tile] = self.wish(z, *drawn)
            found.append(wish)
        return found

    def _trail_wish(self, view: View) -> Wish | None:
        found = self._trail.get((id(view.plane), view.cursor))
        return None if found is None else self.wish(found[1], view.truncation, view.style)
