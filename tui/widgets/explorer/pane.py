"""What the explorer shows: the window on the plane, its side pane, what is told about it. The keys are in `explorer`.

A change of the view ends in `_show`: it paints what is there, then has the vectors and the pictures made that are
missing, from the cursor outward.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input, Static

from core.errors import TarmacError
from core.latent.journey import View
from core.latent.style import COMMAND as STYLED
from core.workers.session import Session
from tui.graphics.canvas import GridCanvas
from tui.widgets.explorer.gallery import Gallery, Lacking
from tui.widgets.explorer.layers import named, told_style
from tui.widgets.explorer.map import Places, Visited
from tui.widgets.explorer.side import ExplorerSide, Here
from tui.widgets.explorer.state import Remembered, remembered
from tui.widgets.explorer.tiles import Tile
from tui.widgets.explorer.view import Coordinates, Window, tile_rows

if TYPE_CHECKING:
    from core.library.models import Model
    from tui.widgets.explorer.panel import ExplorerPanel

_NEW_SEEDS = 1_000_000
"""Random seeds are below this, so that they can be told and typed."""

_GATHER = 0.03
"""Seconds in which tiles that come are painted together."""

_REST = 0.15
"""Seconds without a change after which tiles beside the window are made ahead."""


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
    ExplorerPane.-alone #explorer-body { display: none; }
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
        self._gallery = Gallery(
            session, model.interface, on_tile=self._tile_came, on_error=self._failed, on_forget=self._forgotten
        )
        self._maker = self._gallery.maker
        self.dim = self._gallery.dim
        kept, self._problems = remembered(state, self.dim, random_seed())
        self._journey, self._bookmarks = kept.journey, list(kept.bookmarks)
        self._window = Window.around(self.view.cursor, 1, 1)
        self._big = False
        self._panel: ExplorerPanel | None = None
        self._window_before: Window | None = None
        self._visited = Visited()
        self._paint_due = False
        self._heading = (0, 0)
        self._changed_at = 0.0
        self._rest_due = False
        self._looked_around: object = None
        self._line_told = ""

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
        return " · ".join(self._settings()) if self.has_class("-wide") else ""

    def session_changed(self) -> None:
        """The session's state is different: ask for what is missing as soon as it is ready."""
        self._maker.ask()
        if self._panel is not None:
            self._panel.session_changed()
        self._show()
        self.refresh_bindings()

    def focus_first(self) -> None:
        """Give the keys to the grid."""
        self.screen.set_focus(self)

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
        self._window = self._resized(*self._fit())
        if self._panel is None:
            self._window_before = None
        self._show()

    def _resized(self, columns: int, rows: int) -> Window:
        """The window in another size. A panel that comes below leaves what is above it; gone, all is as it was."""
        here, before = self.view.cursor, self._window_before
        was = before is not None and (before.columns, before.rows) == (columns, rows)
        if self._panel is None and before is not None and was and before.place(here) is not None:
            return before
        if columns == self._window.columns:
            return replace(self._window, rows=rows).showing(here)
        return self._window.resized(columns, rows, here)

    # -- from the view to the pictures

    def _show(self) -> None:
        """The view has changed: paint what is there, then have the vectors and the pictures made that are missing."""
        if not self._is_there:
            return
        self._changed_at = time.monotonic()
        self._visited.note(self.view)
        lacking = self._gallery.lacking(self.view, self._window, self._near_views())
        if lacking is not None:
            self.run_worker(partial(self._compute, lacking), group="vectors", exclusive=True, exit_on_error=False)  # type: ignore[arg-type]
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
            first = self._panel.wishes(self._gallery, self.view) if self._panel is not None else []
            self._gallery.want(self.view, self._window, marks, trail, first)

    def _look_ahead(self) -> None:
        """Once nothing moves and nothing is missing, have the tiles beside the window made."""
        self._rest_due = False
        if not self.is_attached or self._maker.missing:
            return  # the last tile that comes asks again
        if time.monotonic() - self._changed_at < _REST:
            self._rest()
            return
        around = self.view.plane, self._window, self.view.truncation, self.view.style
        if around != self._looked_around:
            self._looked_around = around
            self.run_worker(self._make_around, group="ahead", exclusive=True, exit_on_error=False)  # type: ignore[arg-type]

    async def _make_around(self) -> None:
        ring = self._window.ring(self._heading)
        lacking = self._gallery.lacking_around(self.view, ring)
        if lacking is not None:
            async for _ in self._gallery.compute(lacking, lambda: self._window):
                pass
        if self.is_attached:
            self._gallery.look_ahead(self.view, ring)

    def _rest(self) -> None:
        if not self._rest_due and not self._maker.missing:
            self._rest_due = True
            self.set_timer(_REST, self._look_ahead)

    def _near_views(self) -> list[View]:
        """The views around this one in the history, for the trail."""
        index = self._journey.index
        first = max(0, min(index - 2, len(self._journey.views) - 5))
        return list(self._journey.views[first : first + 5])

    def _fit(self, zoom: int | None = None) -> tuple[int, int]:
        canvas = self.query_one("#explorer-grid", GridCanvas)
        coarse = canvas.surface.cell[1] <= 2
        # By the whole height: tiles are as large beside a panel as without one.
        height = self.size.height - (0 if self.has_class("-wide") else 1)
        return canvas.fit(tile_rows(height, self.view.zoom if zoom is None else zoom, coarse))

    # -- from the pictures to the screen

    def _paint(self) -> None:
        """Show what there is."""
        if not self._is_there:
            return
        gallery, view = self._gallery, self.view
        scene = gallery.large(view) if self._big else gallery.scene(view, self._window)
        self.query_one("#explorer-grid", GridCanvas).set_scene(scene, gallery.pixels)
        if self._panel is not None and self._panel.is_mounted:
            self._panel.paint(gallery, view)
        self._tell()
        self._rest()

    @property
    def _is_there(self) -> bool:
        """Whether there is something to show in: not before all is made, nor while it is taken away."""
        return self.is_attached and self.query_one_optional("#explorer-grid") is not None

    def _tell(self) -> None:
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
                worn=self._worn(),
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
                Places.of(view, self._window, self._visited, self._bookmarks),
            )
            return
        parts = [position]
        if to_come:
            parts.append(f"◐ {to_come} to come")
        elif here is not None:
            parts.append(f"{here.milliseconds:.0f} ms")
        line = self._fitting(self._settings(), self._settings(short=True), tail=parts)
        if line != self._line_told:
            self._line_told = line
            self.query_one("#explorer-line", Static).update(line, layout=False)

    def _fitting(self, *settings: list[str], tail: list[str]) -> str:
        """The settings and what is never left out, in one line; the last settings give way first."""
        room = self.size.width - 2
        for parts in settings:
            for count in range(len(parts), 1, -1):
                line = " · ".join([*parts[:count], *tail])
                if cell_len(line) <= room:
                    return line
        return " · ".join(tail)

    def _settings(self, *, short: bool = False) -> list[str]:
        """What decides the pictures, the most useful first."""
        view = self.view
        parts = [f"distance {view.plane.distance:.2f}"]
        if self._maker.has_truncation:
            layers = view.style.truncation_layers
            where = "" if layers is None or not self._offers_styles else f" {named(layers, self._gallery.layers)}"
            parts.append(f"truncation {view.truncation:.2f}{where}")
        worn = self._worn(short=short)
        return [*parts, *([worn] if worn else []), f"seed {view.plane.seed}", f"z {self.dim}"]

    def _worn(self, *, short: bool = False) -> str:
        """The style in a few words; nothing where there is none, or the model can draw none."""
        parts = told_style(self.view.style, self._gallery.layers, short=short) if self._offers_styles else []
        return " · ".join(parts)

    @property
    def _offers_styles(self) -> bool:
        return self._gallery.offers(STYLED)

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
