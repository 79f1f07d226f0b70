"""What the explorer shows: the window on the plane, its side pane, what is told about it. The keys are in `explorer`.

A change of the view ends in `_show`: it paints what is there, then has the vectors and the pictures made that are
missing, from the cursor outward.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input, Static

from core.errors import TarmacError
from core.latent.journey import View
from core.workers.session import Session
from tui.graphics.canvas import GridCanvas
from tui.widgets.explorer_gallery import Gallery, Lacking
from tui.widgets.explorer_side import ExplorerSide, Here
from tui.widgets.explorer_state import Remembered, remembered
from tui.widgets.explorer_tiles import Tile
from tui.widgets.explorer_view import Coordinates, Window, tile_rows

if TYPE_CHECKING:
    from core.library.models import Model

_NEW_SEEDS = 1_000_000
"""Random seeds are below this, so that they can be told and typed."""

_GATHER = 0.03
"""Seconds in which tiles that come are painted together."""


class ExplorerPane(Vertical, can_focus=True):
    """Shows the latent space of one model around a cursor.

    Args:
        session: The model's worker. Pictures are made whenever it is ready; what is there stays when it dies.
        model: The model of the library.
        state: What `state()` gave an earlier explorer.
    """

    DEFAULT_CSS = """
    ExplorerPane { height: 1fr; }
    ExplorerPane #explorer-line { height: 1; color: $text-muted; padding: 0 1; }
    ExplorerPane.-wide #explorer-line { display: none; }
    ExplorerPane #explorer-body { height: 1fr; }
    ExplorerPane ExplorerSide { display: none; width: 30; margin-left: 1; }
    ExplorerPane.-wide ExplorerSide { display: block; }
    ExplorerPane.-wider ExplorerSide { width: 44; }
    ExplorerPane #explorer-seed { display: none; height: 1; border: none; padding: 0 1; }
    ExplorerPane.-asking #explorer-seed { display: block; }
    """

    @dataclass
    class StateChanged(Message, namespace="explorer"):
        """Something that the workspace file keeps is different; `line` tells the settings."""

        explorer: ExplorerPane
        line: str

    @dataclass
    class Failed(Message, namespace="explorer"):
        """Something that was asked for could not be done."""

        explorer: ExplorerPane
        error: TarmacError

    @dataclass
    class Saved(Message, namespace="explorer"):
        """A picture was written to a file."""

        explorer: ExplorerPane
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
        kept, self._problems = remembered(state, self.dim, random_seed())
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

    @on(GridCanvas.Sized, "#explorer-grid")
    def _grid_sized(self) -> None:
        self._window = self._window.resized(*self._fit(), self.view.cursor)
        self._show()

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

    def _fit(self, zoom: int | None = None) -> tuple[int, int]:
        canvas = self.query_one("#explorer-grid", GridCanvas)
        coarse = canvas.surface.cell[1] <= 2
        return canvas.fit(tile_rows(canvas.size.height, self.view.zoom if zoom is None else zoom, coarse))

    # -- from the pictures to the screen

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
        position = told_position(view)
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

    def _settings(self) -> str:
        view = self.view
        parts = [f"distance {view.plane.distance:.2f}"]
        if self._maker.has_truncation:
            parts.append(f"truncation {view.truncation:.2f}")
        return " · ".join([*parts, f"seed {view.plane.seed}", f"z {self.dim}"])

    # -- what comes from elsewhere

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


def told_position(view: View) -> str:
    """The cursor's coordinates as they are shown."""
    return f"({view.cursor[0]}, {view.cursor[1]})".replace("-", "−")


def random_seed() -> int:
    """A seed for a new plane."""
    return secrets.randbelow(_NEW_SEEDS)
