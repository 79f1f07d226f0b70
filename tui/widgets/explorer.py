"""The latent explorer: an endless plane of pictures, walked by key.

Here is where one is and what each key does to it; `explorer_gallery` has the pictures made. Works with any model whose
command takes one vector and gives one image.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input, Static

from core.errors import TarmacError
from core.latent.journey import View
from core.latent.plane import MAX_COORDINATE, MAX_PINS, MAX_SEED, Plane
from core.workers.session import Session
from tui.graphics.canvas import GridCanvas
from tui.widgets.explorer_gallery import Gallery, Lacking
from tui.widgets.explorer_keys import KEYS
from tui.widgets.explorer_saving import save_picture
from tui.widgets.explorer_side import ExplorerSide, Here
from tui.widgets.explorer_state import MOST_BOOKMARKS, Bookmark, Remembered, remembered
from tui.widgets.explorer_tiles import Tile
from tui.widgets.explorer_view import (
    LARGEST_ZOOM,
    SMALLEST_ZOOM,
    Coordinates,
    Window,
    next_distance,
    tile_rows,
)

if TYPE_CHECKING:
    from core.library.models import Model

_NEW_SEEDS = 1_000_000
"""Random seeds are below this, so that they can be told and typed."""

_GATHER = 0.03
"""Seconds in which tiles that come are painted together."""

_TRUNCATION_STEP = 0.05


class Explorer(Vertical, can_focus=True):
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
        "pins lie their blends."
    )
    BINDINGS: ClassVar[list[BindingType]] = KEYS
    DEFAULT_CSS = """
    Explorer { height: 1fr; }
    Explorer #explorer-line { height: 1; color: $text-muted; padding: 0 1; }
    Explorer.-wide #explorer-line { display: none; }
    Explorer #explorer-body { height: 1fr; }
    Explorer ExplorerSide { display: none; width: 30; margin-left: 1; }
    Explorer.-wide ExplorerSide { display: block; }
    Explorer.-wider ExplorerSide { width: 44; }
    Explorer #explorer-seed { display: none; height: 1; border: none; padding: 0 1; }
    Explorer.-asking #explorer-seed { display: block; }
    """

    @dataclass
    class StateChanged(Message):
        """Something that the workspace file keeps is different; `line` tells the settings."""

        explorer: Explorer
        line: str

    @dataclass
    class Failed(Message):
        """Something that was asked for could not be done."""

        explorer: Explorer
        error: TarmacError

    @dataclass
    class Saved(Message):
        """A picture was written to a file."""

        explorer: Explorer
        path: str

    def __init__(self, session: Session, model: Model, state: Mapping[str, object] | None = None) -> None:
        super().__init__()
        self.session, self.model = session, model
        command = model.interface.default
        self._gallery = Gallery(
            session, command, on_tile=self._tile_came, on_error=self._failed, on_forget=self._forgotten
        )
        self._maker = self._gallery.maker
        self.dim = self._gallery.dim
        kept, self._problems = remembered(state, self.dim, _random_seed())
        self._journey, self._bookmarks = kept.journey, list(kept.bookmarks)
        self._window = Window.around(self.view.cursor, 1, 1)
        self._big = False
        self._paint_due = False

    # -- for the workspace

    @property
    def view(self) -> View:
        """Where one is."""
        return self._journey.now

    @property
    def window(self) -> Window:
        """The part of the plane that is seen."""
        return self._window

    @property
    def missing(self) -> int:
        """Tiles that are seen and still to come."""
        return self._maker.missing

    def state(self) -> dict[str, object]:
        """What the workspace file keeps: plain data without nulls."""
        return Remembered(self._journey, tuple(self._bookmarks)).to_json()

    def settings_line(self) -> str:
        """What the screen's top line tells, the most useful first; nothing where the explorer has a line of its own."""
        return self._settings() if self.has_class("-wide") else ""

    def _settings(self) -> str:
        view = self.view
        parts = [f"distance {view.plane.distance:.2f}"]
        if self._maker.has_truncation:
            parts.append(f"truncation {view.truncation:.2f}")
        return " · ".join([*parts, f"seed {view.plane.seed}", f"z {self.dim}"])

    def session_changed(self) -> None:
        """The session's state is different: ask for what is missing as soon as it is ready."""
        self._maker.ask()
        self._tell()

    def tile_at(self, tile: Coordinates) -> Tile | None:
        """The picture of a tile of this plane, if it is there."""
        return self._gallery.tile(self.view, tile)

    # -- Textual

    def compose(self) -> ComposeResult:
        yield Static(id="explorer-line", markup=False)
        with Horizontal(id="explorer-body"):
            yield GridCanvas(id="explorer-grid")
            yield ExplorerSide()
        yield Input(id="explorer-seed", placeholder="seed, then enter", type="integer", restrict=r"\d{0,19}")

    def on_mount(self) -> None:
        """Follow the session."""
        self.session.on_change.append(self._session_told)
        for problem in self._problems:
            self._failed(problem)

    def on_unmount(self) -> None:
        """Give up what is in flight."""
        if self._session_told in self.session.on_change:
            self.session.on_change.remove(self._session_told)
        self._maker.stop()

    def on_resize(self, event: events.Resize) -> None:
        """Two panes from 100 columns on."""
        self.set_class(event.size.width >= 100, "-wide")
        self.set_class(event.size.width >= 160, "-wider")
        self._tell_state()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing are not offered."""
        match action:
            case "jump":
                return isinstance(parameters[0], int) and parameters[0] <= len(self._bookmarks)
            case "bookmarks":
                return bool(self._bookmarks)
            case "truncation":
                return self._maker.has_truncation
            case "close":
                return self._big or self.has_class("-asking")
        return True

    @on(GridCanvas.Sized, "#explorer-grid")
    def _grid_sized(self) -> None:
        self._window = self._window.resized(*self._fit(), self.view.cursor)
        self._show()

    @on(GridCanvas.Picked, "#explorer-grid")
    def _picked(self, event: GridCanvas.Picked) -> None:
        self.screen.set_focus(self)
        if not self._big:
            self._go_to(self._window.tile(event.place))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go to the seed that was typed."""
        event.stop()
        text = event.value.strip()
        self.action_close()
        if text.isdecimal():
            self._new_plane(Plane(self.dim, min(int(text), MAX_SEED), self.view.plane.distance))

    # -- actions

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
        self._new_plane(self.view.plane.recentred(*self.view.cursor, _random_seed()))

    def action_random(self) -> None:
        """A new plane, without pins."""
        self._new_plane(Plane(self.dim, _random_seed(), self.view.plane.distance))

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
                self._change(replace(self.view, zoom=zoom))
                self._window = self._window.resized(*self._fit(), self.view.cursor)
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
            Choice(str(number), f"{number}  seed {mark.view.plane.seed}", _told(mark.view), f"alt+{number}")
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
        self._big = not self._big
        self._show()
        self.refresh_bindings()

    def action_close(self) -> None:
        """Back to the grid."""
        self.remove_class("-asking")
        self._big = False
        self.screen.set_focus(self)
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
        self.notify(str(path), title="Saved", timeout=8, markup=False)
        self.post_message(self.Saved(self, str(path)))

    def _fit(self, zoom: int | None = None) -> tuple[int, int]:
        canvas = self.query_one("#explorer-grid", GridCanvas)
        coarse = canvas.surface.cell[1] <= 2
        return canvas.fit(tile_rows(canvas.size.height, self.view.zoom if zoom is None else zoom, coarse))

    def _go_to(self, tile: Coordinates) -> None:
        if max(abs(tile[0]), abs(tile[1])) > MAX_COORDINATE:
            return
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

    def _arrived(self) -> None:
        self._window = Window.around(self.view.cursor, *self._fit())
        self._tell_state()
        self._show()

    def _change(self, view: View) -> None:
        self._journey = self._journey.change(view)
        self._tell_state()

    def _tell_state(self) -> None:
        self.post_message(self.StateChanged(self, self.settings_line()))

    def _session_told(self, _session: Session) -> None:
        self.session_changed()

    def _tile_came(self) -> None:
        # A batch comes tile by tile: one frame for all of it.
        if self.is_attached and not self._paint_due:
            self._paint_due = True
            self.set_timer(_GATHER, self._paint_gathered)

    def _paint_gathered(self) -> None:
        self._paint_due = False
        self._paint()

    def _failed(self, error: TarmacError) -> None:
        if self.is_attached:
            self.post_message(self.Failed(self, error))

    def _forgotten(self, keys: list[int]) -> None:
        if self.is_attached:
            self.query_one("#explorer-grid", GridCanvas).forget(keys)

    # -- from the view to the pictures

    def _show(self) -> None:
        """The view has changed: paint what is there, then have the vectors and the pictures made that are missing."""
        if not self.is_attached:
            return
        lacking = self._gallery.lacking(self.view, self._window, self._near_views())
        if lacking is not None:
            self.run_worker(self._compute(lacking), group="vectors", exclusive=True, exit_on_error=False)
        self._want()
        self._paint()

    async def _compute(self, lacking: Lacking) -> None:
        async for _ in self._gallery.compute(lacking, lambda: self._window):
            self._want()
            self._paint()

    def _want(self) -> None:
        if self.is_attached:
            wide = self.has_class("-wide")
            marks, trail = (self._bookmarks, self._near_views()) if wide else ([], [])
            self._gallery.want(self.view, self._window, marks, trail)

    def _near_views(self) -> list[View]:
        """The views around this one in the history, for the trail."""
        index = self._journey.index
        first = max(0, min(index - 2, len(self._journey.views) - 5))
        return list(self._journey.views[first : first + 5])

    def _paint(self) -> None:
        """Show what there is."""
        if not self.is_attached:
            return
        gallery, view = self._gallery, self.view
        scene = gallery.large(view) if self._big else gallery.scene(view, self._window)
        self.query_one("#explorer-grid", GridCanvas).set_scene(scene, gallery.pixels)
        self._tell()

    def _tell(self) -> None:
        if not self.is_attached:
            return
        view = self.view
        here = self.tile_at(view.cursor)
        to_come = self._maker.missing
        position = _position(view)
        if self.has_class("-wide"):
            near = self._near_views()
            shown = Here(
                tile=here,
                seed=view.plane.seed,
                position=position,
                settings=self._settings(),
                pinned=view.plane.pinned(*view.cursor),
                missing=to_come,
            )
            side = self.query_one(ExplorerSide)
            side.show(
                shown,
                [self._gallery.marked(mark) for mark in self._bookmarks],
                [self._gallery.passed(step) for step in near],
                near.index(view) if view in near else 0,
                self._journey.can_go_back,
                self._journey.can_go_forward,
                self._gallery.pixels,
            )
            return
        parts = [self._settings(), position]
        if to_come:
            parts.append(f"◐ {to_come} to come")
        elif here is not None:
            parts.append(f"{here.milliseconds:.0f} ms")
        self.query_one("#explorer-line", Static).update(" · ".join(parts), layout=False)


def _position(view: View) -> str:
    return f"({view.cursor[0]}, {view.cursor[1]})".replace("-", "−")


def _told(view: View) -> str:
    return f"{_position(view)} · distance {view.plane.distance:.2f} · truncation {view.truncation:.2f}"


def _random_seed() -> int:
    return secrets.randbelow(_NEW_SEEDS)
