"""The latent explorer: an endless plane of pictures, walked by key.

Here is what each key does to where one is; `panels` opens the panels, `pane` shows it all. Works with
any model whose command takes one vector and gives one image.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from textual import on
from textual.binding import BindingType
from textual.widgets import Input

from core.errors import TarmacError
from core.latent.journey import View
from core.latent.plane import MAX_COORDINATE, MAX_PINS, MAX_SEED, Plane
from tui.graphics.canvas import GridCanvas
from tui.widgets.explorer.film import Filming
from tui.widgets.explorer.keys import KEYS
from tui.widgets.explorer.layers import told_style
from tui.widgets.explorer.pane import random_seed, told_position
from tui.widgets.explorer.panels import ExplorerPanels
from tui.widgets.explorer.saving import save_picture
from tui.widgets.explorer.state import MOST_BOOKMARKS, Bookmark
from tui.widgets.explorer.tiles import Tile
from tui.widgets.explorer.view import (
    LARGEST_ZOOM,
    SMALLEST_ZOOM,
    Coordinates,
    Window,
    next_distance,
)

_TRUNCATION_STEP = 0.05


class Explorer(ExplorerPanels, Filming):
    """Walks the latent space of one model.

    Args:
        session: The model's worker. Pictures are made whenever it is ready; what is there stays when it dies.
        model: The model of the library.
        state: What `state()` gave an earlier explorer.
    """

    HELP_TITLE = "Latent explorer"
    HELP = (
        "Every tile is a picture of its own vector, and near tiles have near vectors. The arrows walk, enter makes the "
        "tile under the cursor the middle of a new neighbourhood, backspace goes back. The sampling distance says how "
        "different neighbours are, the truncation how typical pictures are. A pinned tile stays as it is: between two "
        "pins lie their blends. Styles of one tile can be mixed into all others, and all can be moved along the "
        "model's principal directions; walking goes on with that."
    )
    BINDINGS: ClassVar[list[BindingType]] = KEYS

    _zoomed: tuple[Window | None, tuple[float, float]] = (None, (0.5, 0.5))

    # -- Textual

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing are not offered."""
        if self.film is not None:
            return False
        match action:
            case "jump":
                return isinstance(parameters[0], int) and parameters[0] <= len(self._bookmarks)
            case "bookmarks":
                return bool(self._bookmarks)
            case "truncation":
                return self._maker.has_truncation
            case "close":
                return self._big or self.has_class("-asking") or self._panel is not None
        return self.panel_allows(action)

    @on(GridCanvas.Picked, "#explorer-grid")
    def _picked(self, event: GridCanvas.Picked) -> None:
        self.focus_first()
        if not self._big:
            self._go_to(self._window.tile(event.place))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go to the seed that was typed."""
        event.stop()
        text = event.value.strip()
        self._answered()
        if text.isdecimal():
            self._new_plane(Plane(self.dim, min(int(text), MAX_SEED), self.view.plane.distance))

    # -- actions

    def visit(self, place: Mapping[str, object]) -> None:
        """Go where a saved picture was found; an open panel would belong to another place."""
        self.close_panel()
        super().visit(place)

    def action_move(self, x: int, y: int) -> None:
        """Move the cursor; the window follows."""
        here = self.view.cursor
        self._go_to((here[0] + x, here[1] + y))

    def action_page(self, x: int, y: int) -> None:
        """Move cursor and window by what is seen."""
        here, seen = self.view.cursor, self._window
        dx, dy = x * seen.columns, y * seen.rows
        self._window = replace(seen, left=seen.left + dx, top=seen.top + dy)
        self._go_to((here[0] + dx, here[1] + dy))

    def action_recentre(self) -> None:
        """A new neighbourhood around the tile under the cursor."""
        self._new_plane(self.view.plane.recentred(*self.view.cursor, random_seed()))

    def action_random(self) -> None:
        """A new plane, without pins."""
        self._new_plane(Plane(self.dim, random_seed(), self.view.plane.distance))

    def action_back(self) -> None:
        """To the view before."""
        self._travel(-1)

    def action_forward(self) -> None:
        """To the view from which one went back."""
        self._travel(1)

    def action_zoom(self, direction: int) -> None:
        """Larger or smaller tiles: as many steps as it takes to see a difference."""
        zoom, before = self.view.zoom, self._fit()
        while SMALLEST_ZOOM <= zoom + direction <= LARGEST_ZOOM:
            zoom += direction
            if self._fit(zoom) != before:
                # While one only zooms, the tile's place is the one where that began: roundings do not add up.
                window, place = self._zoomed
                if window is not self._window:
                    place = self._window.share(self.view.cursor)
                self._change(replace(self.view, zoom=zoom))
                self._window = self._window.resized(*self._fit(), self.view.cursor, place)
                self._zoomed = self._window, place
                self._show()
                return

    def action_distance(self, direction: int) -> None:
        """Neighbours more or less alike; the tile under the cursor stays."""
        view = self.view
        distance = next_distance(view.plane.distance, direction)
        if distance != view.plane.distance:
            self._change(replace(view, plane=view.plane.with_distance(distance, *view.cursor)))
            self._show()

    def action_truncation(self, direction: int) -> None:
        """More typical or more unusual pictures."""
        step = round(self.view.truncation / _TRUNCATION_STEP) + direction
        truncation = min(1.0, max(0.0, round(step * _TRUNCATION_STEP, 2)))
        if truncation != self.view.truncation:
            self._change(replace(self.view, truncation=truncation))
            self._show()

    def action_pin(self) -> None:
        """Hold the tile under the cursor where it is, or let it go."""
        view = self.view
        x, y = view.cursor
        plane = view.plane
        if not plane.pinned(x, y) and len(plane.pins) >= MAX_PINS:
            self.notify(f"A plane takes up to {MAX_PINS} pins.", severity="warning")
            return
        self._change(replace(view, plane=plane.without_pin(x, y) if plane.pinned(x, y) else plane.with_pin(x, y)))
        self._show()

    def action_bookmark(self) -> None:
        """Keep the tile under the cursor by a number, or drop it if it is kept."""
        z = self._gallery.vector(self.view.cursor)
        if z is None:
            return
        same = [mark for mark in self._bookmarks if np.array_equal(mark.z, z)]
        if same:
            self._bookmarks.remove(same[0])
        elif len(self._bookmarks) >= MOST_BOOKMARKS:
            self.notify(f"All {MOST_BOOKMARKS} numbers are taken: go to a bookmark and press b to drop it.")
            return
        else:
            self._bookmarks.append(Bookmark(self.view, z))
            self.notify(f"Bookmark {len(self._bookmarks)}: alt+{len(self._bookmarks)} comes back here.", timeout=3)
        self._tell_state()
        self._show()

    def action_jump(self, number: int) -> None:
        """To a bookmark."""
        if 0 < number <= len(self._bookmarks):
            self._journey = self._journey.go(replace(self._bookmarks[number - 1].view, zoom=self.view.zoom))
            self._arrived()

    def action_bookmarks(self) -> None:
        """Choose a bookmark from a list and go there."""
        from tui.screens.chooser import Choice, Chooser

        def go(number: str | None) -> None:
            if number is not None:
                self.action_jump(int(number))

        choices = [
            Choice(
                str(number),
                f"{number}  seed {mark.view.plane.seed}",
                _told(mark.view, told_style(mark.view.style, self._gallery.layers)),
                f"alt+{number}",
            )
            for number, mark in enumerate(self._bookmarks, 1)
        ]
        self.app.push_screen(Chooser("Bookmarks", choices), go)

    def action_seed(self) -> None:
        """Ask for a seed."""
        self.add_class("-asking")
        field = self.query_one("#explorer-seed", Input)
        field.value = ""
        # At once: what is typed next belongs to the field.
        self.screen.set_focus(field)

    def action_big(self) -> None:
        """The picture under the cursor instead of the grid, and back."""
        if not self.enlarge_panel():
            self._big = not self._big
            self._show()
        self.refresh_bindings()

    def action_close(self) -> None:
        """Back to the grid: closes what was opened last."""
        if self.has_class("-asking"):
            self._answered()
        elif self._panel is not None:
            self.close_panel()
        else:
            self._big = False
        self._show()
        self.refresh_bindings()

    def action_save(self) -> None:
        """Write the picture under the cursor to a file and tell where."""
        tile, z = self.tile_at(self.view.cursor), self._gallery.vector(self.view.cursor)
        if tile is None or z is None:
            self.notify("This picture is not made yet.", severity="warning")
            return
        self.run_worker(self._save(tile, self.view, z), group="save", exit_on_error=False)

    # -- inside

    async def _save(self, tile: Tile, view: View, z: NDArray[np.float32]) -> None:
        try:
            path = await asyncio.to_thread(save_picture, tile.pixels, self.model, view, z)
        except TarmacError as error:
            self._failed(error)
            return
        self._saved(str(path))

    def _answered(self) -> None:
        self.remove_class("-asking")
        self.focus_first()

    def _go_to(self, tile: Coordinates) -> None:
        if max(abs(tile[0]), abs(tile[1])) > MAX_COORDINATE:
            return
        here = self.view.cursor
        self._heading = (tile[0] > here[0]) - (tile[0] < here[0]), (tile[1] > here[1]) - (tile[1] < here[1])
        self._change(replace(self.view, cursor=tile))
        self._window = self._window.showing(tile)
        self._show()

    def _new_plane(self, plane: Plane) -> None:
        self._journey = self._journey.go(replace(self.view, plane=plane, cursor=(0, 0)))
        self._arrived()

    def _travel(self, direction: int) -> None:
        before = self._journey
        self._journey = before.back() if direction < 0 else before.forward()
        if self._journey.index != before.index:
            # How large tiles are shown is a matter of taste, not of place.
            self._journey = self._journey.change(replace(self.view, zoom=before.now.zoom))
            self._arrived()


def _told(view: View, worn: list[str]) -> str:
    place = f"{told_position(view)} · distance {view.plane.distance:.2f} · truncation {view.truncation:.2f}"
    return " · ".join([place, *worn])
