"""What an explorer's view needs to be seen: the vectors of its tiles, their pictures, and the scene made of them.

Knows no widget: where one is comes with each question, so the explorer alone decides that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import TarmacError
from core.interface import Command
from core.latent.journey import View
from core.latent.plane import Plane
from core.workers.session import Session
from tui.graphics.compose import Scene
from tui.widgets.explorer_state import Bookmark
from tui.widgets.explorer_tiles import Tile, TileMaker, Wish
from tui.widgets.explorer_view import Coordinates, Window

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
        command: Takes one vector and gives one image.
        on_tile: Called when a picture has come.
        on_error: Called with what went wrong with a request.
        on_forget: Called with the keys of pictures that were dropped.
    """

    def __init__(
        self,
        session: Session,
        command: Command,
        *,
        on_tile: Callable[[], None],
        on_error: Callable[[TarmacError], None],
        on_forget: Callable[[list[int]], None],
    ) -> None:
        self.maker = TileMaker(session, command, on_tile=on_tile, on_error=on_error, on_forget=on_forget)
        vector = command.inputs[self.maker.vector_input]
        self.dim: int = vector.length  # type: ignore[attr-defined]
        self._vectors: dict[Coordinates, Vector] = {}
        self._vectors_of: Plane | None = None
        self._wishes: dict[Coordinates, Wish] = {}
        self._wishes_at: float | None = None
        self._trail: dict[tuple[Plane, Coordinates], Vector] = {}

    @property
    def pixels(self) -> Mapping[int, NDArray[np.uint8]]:
        """All pictures there are, uint8 [H, W, C], by key."""
        return self.maker.by_key

    # -- one at a time

    def vector(self, tile: Coordinates) -> Vector | None:
        """The vector of a tile of the plane seen last, float32 [dim], if it is computed."""
        return self._vectors.get(tile)

    def tile(self, view: View, tile: Coordinates) -> Tile | None:
        """The picture of a tile of a view's plane, if it is there."""
        wish = self._wish_for(view, tile)
        return None if wish is None else self.maker.get(wish)

    def marked(self, mark: Bookmark) -> Tile | None:
        """The picture of a bookmark, if it is there."""
        return self.maker.get(self._wish(mark.z, mark.view.truncation))

    def passed(self, view: View) -> Tile | None:
        """The picture of a view of the trail, if it is there."""
        wish = self._trail_wish(view)
        return None if wish is None else self.maker.get(wish)

    # -- all that is seen

    def lacking(self, view: View, window: Window, trail: Sequence[View]) -> Lacking | None:
        """Which vectors have to be computed for a view; None when all are there."""
        plane = view.plane
        if plane is not self._vectors_of:
            if plane != self._vectors_of:
                self._vectors, self._wishes = {}, {}
            self._vectors_of = plane
        tiles = [tile for tile in window.outward(view.cursor) if tile not in self._vectors]
        steps = [step for step in trail if (step.plane, step.cursor) not in self._trail]
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
            self._trail[view.plane, view.cursor] = z
            if len(self._trail) > _MOST_VECTORS:
                self._trail.pop(next(iter(self._trail)))
        if lacking.trail:
            yield

    def want(self, view: View, window: Window, marks: Sequence[Bookmark], trail: Sequence[View]) -> None:
        """Have the pictures made that are missing, from the cursor outward, then the bookmarks' and the trail's."""
        found = [self._wish_for(view, tile) for tile in window.outward(view.cursor)]
        found += [self._wish(mark.z, mark.view.truncation) for mark in marks]
        found += [self._trail_wish(step) for step in trail]
        self.maker.want(wish for wish in found if wish is not None)

    def scene(self, view: View, window: Window) -> Scene:
        """The grid as it can be shown now."""
        tiles = {}
        for y in range(window.rows):
            for x in range(window.columns):
                made = self.tile(view, window.tile((x, y)))
                if made is not None:
                    tiles[x, y] = made.key
        places = (window.place((round(pin.x), round(pin.y))) for pin in view.plane.pins)
        pins = frozenset(place for place in places if place is not None)
        return Scene(window.columns, window.rows, tiles, None, window.place(view.cursor), pins)

    def large(self, view: View) -> Scene:
        """The picture under the cursor alone."""
        here = self.tile(view, view.cursor)
        return Scene(1, 1, {} if here is None else {(0, 0): here.key})

    # -- inside

    def _wish(self, z: Vector, truncation: float) -> Wish:
        return Wish.of(z, truncation if self.maker.has_truncation else None)

    def _wish_for(self, view: View, tile: Coordinates) -> Wish | None:
        # Asked for every tile with every frame: the bytes of a vector are made once.
        if view.truncation != self._wishes_at:
            self._wishes, self._wishes_at = {}, view.truncation
        wish = self._wishes.get(tile)
        if wish is None and (z := self._vectors.get(tile)) is not None:
            wish = self._wishes[tile] = self._wish(z, view.truncation)
        return wish

    def _trail_wish(self, view: View) -> Wish | None:
        z = self._trail.get((view.plane, view.cursor))
        return None if z is None else self._wish(z, view.truncation)
